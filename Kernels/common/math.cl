// Functions of one number, for one float and for sixteen at once, and sums and maxima over a vector's lanes.

static inline float sum16(float16 v) {
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

static inline float max16(float16 v) {
    const float8 a = fmax(v.lo, v.hi);
    const float4 b = fmax(a.lo, a.hi);
    const float2 c = fmax(b.lo, b.hi);
    return fmax(c.x, c.y);
}

// x/2 (1 + tanh(u)) = x / (1 + e^(-2u)), with u = sqrt(2/pi) (x + 0.044715 x^3).
#define GELU_TANH(x) ((x) / (1.0f + exp(-1.5957691216057308f * ((x) + 0.044715f * (x) * (x) * (x)))))
#define GELU_ERF(x) (0.5f * (x) * (1.0f + erf((x) * 0.70710678118654752f)))
#define SILU(x) ((x) / (1.0f + exp(-(x))))
#define SIGMOID(x) (1.0f / (1.0f + exp(-(x))))
#define QUICK_GELU(x) ((x) / (1.0f + exp(-1.702f * (x))))

// min(max(x + 3, 0), 6) / 6; NaN stays NaN.
static inline float hard_sigmoid(float x) {
    const float y = x + 3.0f;
    return (y < 0.0f ? 0.0f : y > 6.0f ? 6.0f : y) * (1.0f / 6.0f);
}

static inline float16 hard_sigmoid16(float16 x) {
    float16 y = x + 3.0f;
    y = select(y, (float16)(0.0f), y < (float16)(0.0f));
    return select(y, (float16)(6.0f), y > (float16)(6.0f)) * (1.0f / 6.0f);
}

static inline float activate(float x, uint activation) {
    switch (activation) {
    case ACTIVATION_GELU_TANH: return GELU_TANH(x);
    case ACTIVATION_GELU_ERF: return GELU_ERF(x);
    case ACTIVATION_SILU: return SILU(x);
    case ACTIVATION_RELU: return x < 0.0f ? 0.0f : x;
    case ACTIVATION_LEAKY_RELU: return x < 0.0f ? 0.2f * x : x;
    case ACTIVATION_RELU6: return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
    case ACTIVATION_TANH: return tanh(x);
    case ACTIVATION_SIGMOID: return SIGMOID(x);
    case ACTIVATION_QUICK_GELU: return QUICK_GELU(x);
    case ACTIVATION_HARD_SIGMOID: return hard_sigmoid(x);
    case ACTIVATION_HARD_SWISH: return x * hard_sigmoid(x);
    default: return x;
    }
}

static inline float16 activate16(float16 x, uint activation) {
    switch (activation) {
    case ACTIVATION_GELU_TANH: return GELU_TANH(x);
    case ACTIVATION_GELU_ERF: return GELU_ERF(x);
    case ACTIVATION_SILU: return SILU(x);
    case ACTIVATION_RELU: return select(x, (float16)(0.0f), x < (float16)(0.0f));
    case ACTIVATION_LEAKY_RELU: return select(x, 0.2f * x, x < (float16)(0.0f));
    case ACTIVATION_RELU6:
        x = select(x, (float16)(0.0f), x < (float16)(0.0f));
        return select(x, (float16)(6.0f), x > (float16)(6.0f));
    case ACTIVATION_TANH: return tanh(x);
    case ACTIVATION_SIGMOID: return SIGMOID(x);
    case ACTIVATION_QUICK_GELU: return QUICK_GELU(x);
    case ACTIVATION_HARD_SIGMOID: return hard_sigmoid16(x);
    case ACTIVATION_HARD_SWISH: return x * hard_sigmoid16(x);
    default: return x;
    }
}

// The sum over a work-group, in a fixed order, in every work-item. `scratch` holds get_local_size(0) floats, a power of
// two; all work-items of the group must call it.
static inline float group_sum(float value, __local float *scratch) {
    const uint item = get_local_id(0);
    scratch[item] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint width = get_local_size(0) / 2; width > 0; width /= 2) {
        if (item < width) scratch[item] += scratch[item + width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float total = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return total;
}

// As group_sum, the maximum.
static inline float group_max(float value, __local float *scratch) {
    const uint item = get_local_id(0);
    scratch[item] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint width = get_local_size(0) / 2; width > 0; width /= 2) {
        if (item < width) scratch[item] = fmax(scratch[item], scratch[item + width]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float result = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return result;
}
