// Number formats and codes that every program shares. Included in front of each program.
//
// Conventions of all kernels: a tensor argument is a pointer followed by the ulong index of its first element
// (`x`, `x_offset`); strides count elements from row to row; an optional tensor is a null pointer.
//
// Macro of every program, from the tuning table: ROW_IS_WORK_ITEM, 1 where a row is one work-item's (CPU devices), 0
// where it is one work-group's (GPUs). Only the variants of the device at hand are compiled.

// Kernels that a chain runs (chain/run_chain.cl) are functions there, whose first argument is the work-item. In a chain
// the items of a launch that a thread takes share local memory: IS_FIRST_ITEM is 0 for those that find it filled.
#if defined(IS_CHAIN)
#define CHAINED_KERNEL static inline __attribute__((always_inline))
#define SINGLE_ITEM
#define ITEM_PARAMETER const uint4 item,
#define ITEM(dimension) (item.s##dimension)
#define IS_FIRST_ITEM (item.s3 != 0)
#else
#define CHAINED_KERNEL __kernel
#define SINGLE_ITEM __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
#define ITEM_PARAMETER
#define ITEM(dimension) get_global_id(dimension)
#define IS_FIRST_ITEM 1
#endif

// Activations, as `Activation.kernelCode` in Swift numbers them.
#define ACTIVATION_NONE 0u
#define ACTIVATION_GELU_TANH 1u
#define ACTIVATION_GELU_ERF 2u
#define ACTIVATION_SILU 3u
#define ACTIVATION_RELU 4u
#define ACTIVATION_LEAKY_RELU 5u
#define ACTIVATION_RELU6 6u
#define ACTIVATION_TANH 7u
#define ACTIVATION_SIGMOID 8u
#define ACTIVATION_QUICK_GELU 9u
#define ACTIVATION_HARD_SIGMOID 10u
#define ACTIVATION_HARD_SWISH 11u

// Rotary layouts, as `RopeLayout.kernelCode` numbers them.
#define ROPE_HALF_SPLIT 0u
#define ROPE_INTERLEAVED 1u

// bfloat16 is the upper half of a binary32, kept as ushort.
static inline float bf16_to_float(ushort bits) { return as_float((uint)bits << 16); }
static inline float16 bf16_to_float16(ushort16 bits) { return as_float16(convert_uint16(bits) << (uint16)(16)); }

// Rounds to nearest, ties to even; a NaN stays one.
static inline ushort float_to_bf16(float value) {
    const uint bits = as_uint(value);
    if (isnan(value)) return (ushort)((bits >> 16) | 0x40u);
    return (ushort)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Element `index` of memory in each format as float. `half` as a storage type is core OpenCL C 1.2.
static inline float load_f32(__global const float *p, ulong index) { return p[index]; }
// PoCL takes the numbers of vload_half and vstore_half apart bit by bit, where clang's own type has an instruction.
#if ROW_IS_WORK_ITEM && defined(__FLT16_MANT_DIG__) && (defined(__F16C__) || defined(__aarch64__))
typedef _Float16 sixteen_halves __attribute__((ext_vector_type(16), aligned(2)));
static inline float load_f16(__global const half *p, ulong index) {
    return (float)((__global const _Float16 *)p)[index];
}
static inline float16 load16_f16(__global const half *p, ulong index) {
    return __builtin_convertvector(*(__global const sixteen_halves *)(p + index), float16);
}
static inline void store_f16(__global half *p, ulong index, float value) {
    ((__global _Float16 *)p)[index] = (_Float16)value;
}
#else
static inline float load_f16(__global const half *p, ulong index) { return vload_half(index, p); }
static inline float16 load16_f16(__global const half *p, ulong index) { return vload_half16(0, p + index); }
static inline void store_f16(__global half *p, ulong index, float value) { vstore_half_rte(value, index, p); }
#endif
static inline float load_bf16(__global const ushort *p, ulong index) { return bf16_to_float(p[index]); }
static inline float load_i8(__global const char *p, ulong index) { return (float)p[index]; }

// Elements `index ..< index + 16`.
static inline float16 load16_f32(__global const float *p, ulong index) { return vload16(0, p + index); }
static inline float16 load16_bf16(__global const ushort *p, ulong index) {
    return bf16_to_float16(vload16(0, p + index));
}
static inline float16 load16_i8(__global const char *p, ulong index) { return convert_float16(vload16(0, p + index)); }

// Rows of quants -127 to 127 of one scale, the largest magnitude over 127. Rows too small for a normal scale are all
// zero; one with a NaN or an infinity has the scale NaN and quants of 0.
static inline float larger_magnitude(float largest, float x) {
    // A NaN stays, whichever operand it is.
    return isnan(largest) || fabs(x) <= largest ? largest : fabs(x);
}
static inline float quant_scale(float largest) {
    return largest < 0x1p-118f ? 0.0f : isfinite(largest) ? largest / 127.0f : NAN;
}
static inline float quant_inverse(float scale) { return scale > 0.0f ? 1.0f / scale : 0.0f; }
static inline char to_quant(float x, float inverse) {
    return inverse > 0.0f ? convert_char_sat(rint(x * inverse)) : (char)0;
}

static inline void store_f32(__global float *p, ulong index, float value) { p[index] = value; }
static inline void store_bf16(__global ushort *p, ulong index, float value) { p[index] = float_to_bf16(value); }
