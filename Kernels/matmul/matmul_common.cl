// Shared by the matrix-product kernels.
//
//   y[t, n] = scale[n] * sum_k x[t, k] * w[n, k]          (scale only for int8)
//   out[t, n] = act(y[t, n] + bias[n])                              + residual[t, n]
//   out[t, n] = act(y[t, n] + bias[n]) * (y[t, P + n] + bias[P + n]) + residual[t, n]    (gated, P = N / 2)
//
// Legend: T tokens, K input features, N weight rows (output channels), P output columns.
//   x        [T, K]  float32, rows `x_stride` elements apart
//   weight   [N, K]  in up to three parts of packed rows; part i holds rows part_end[i-1] ..< part_end[i]
//   scales   [N]     float32 in the same parts, read only where WEIGHT_INT8 is set
//   bias     [N]     float32, read only with EPILOGUE_BIAS
//   residual [T, P]  float32, read only with EPILOGUE_RESIDUAL; may be `out` itself
//   out      [T, P]  float32
//
// Build macros: one of WEIGHT_F32, WEIGHT_BF16, WEIGHT_F16, WEIGHT_INT8, or those of a block format (blocks.cl; the
// weight's offsets then count bytes).

#define EPILOGUE_BIAS 1u
#define EPILOGUE_RESIDUAL 2u
#define EPILOGUE_GATED 4u
// The ACTIVATION_ code.
#define EPILOGUE_ACTIVATION(flags) ((flags) >> 4)

#if defined(WEIGHT_F32)
typedef float weight_t;
#define MATMUL_NAME(op) op##_f32
#elif defined(WEIGHT_BF16)
typedef ushort weight_t;
#define MATMUL_NAME(op) op##_bf16
#elif defined(WEIGHT_F16)
typedef ushort weight_t;
#define MATMUL_NAME(op) op##_f16
#elif defined(WEIGHT_INT8)
typedef char weight_t;
#define MATMUL_NAME(op) op##_int8
#else
typedef char weight_t;
#define MATMUL_NAME_OF(op, name) op##_##name
#define MATMUL_NAME_(op, name) MATMUL_NAME_OF(op, name)
#define MATMUL_NAME(op) MATMUL_NAME_(op, WEIGHT_NAME)
#endif

// Elements of `weight_t` from row to row.
#if defined(WEIGHT_BLOCK_SIZE)
#define WEIGHT_ROW_LENGTH ((ulong)(inputs / WEIGHT_BLOCK_SIZE) * WEIGHT_BLOCK_BYTES)
#else
#define WEIGHT_ROW_LENGTH ((ulong)inputs)
#endif

// The arguments that every matrix-product kernel starts with. Offsets and strides are in elements.
#define MATMUL_PARAMETERS                                                                                              \
    __global const float *x, const ulong x_offset, const uint x_stride,                                                \
    __global const weight_t *weight0, const ulong weight0_offset,                                                      \
    __global const weight_t *weight1, const ulong weight1_offset,                                                      \
    __global const weight_t *weight2, const ulong weight2_offset,                                                      \
    __global const float *scales, const ulong scales_offset, const uint part_end0, const uint part_end1,               \
    __global const float *bias, const ulong bias_offset,                                                               \
    __global const float *residual, const ulong residual_offset, const uint residual_stride,                           \
    __global float *out, const ulong out_offset, const uint out_stride,                                                \
    const uint tokens, const uint inputs, const uint weight_rows, const uint flags

// Which rows of the weight a kernel reads, and of x and `out` for them: here all of the weight, for all tokens alike.
// experts/expert_weights.cl, in front of this file, says what these mean and has the other answer.
#if !defined(EXPERT_COUNT)
#define PRODUCT_NAME(op) MATMUL_NAME(op)
#define EXPERT_PARAMETERS
#define EXPERT_COUNT 1u

#define GEMV_EXPERT 0u
#define GEMV_INPUT_ROW(t) ((t) < tokens ? (t) : tokens - 1)
#define GEMV_OUTPUT_ROW(t) (t)
#define GEMV_QUANTISES IS_FIRST_ITEM

#define GEMM_EXPERT 0u
#define GEMM_TOKEN_BEGIN ((uint)get_group_id(1) * item_tokens)
#define GEMM_TOKEN_END tokens
#define GEMM_NEXT_TOKEN(t) tokens
#define GEMM_INPUT_ROW(t) min(t, tokens - 1)
#define GEMM_OUTPUT_ROW(t) (t)
#endif

// Brings `bytes` bytes PREFETCH_BYTES behind `p` into the second-level cache, a line of 64 at a time: a core then reads
// a weight faster than by its own guesses. PoCL alone knows the function, so only chains do this.
#ifndef PREFETCH_BYTES
#define PREFETCH_BYTES 8192
#endif
static inline __attribute__((always_inline)) void prefetch_ahead(__global const void *p, const uint bytes)
{
#if defined(IS_CHAIN) && defined(__x86_64__)
    #pragma unroll
    for (uint i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)((ulong)p + PREFETCH_BYTES + i), 0, 2);
#endif
}

// Where row `row` of the weight starts.
#define WEIGHT_ROW(row)                                                                                                \
    ((row) < part_end0 ? weight0 + weight0_offset + (row) * WEIGHT_ROW_LENGTH                                          \
     : (row) < part_end1 ? weight1 + weight1_offset + ((row) - part_end0) * WEIGHT_ROW_LENGTH                          \
                         : weight2 + weight2_offset + ((row) - part_end1) * WEIGHT_ROW_LENGTH)

// Feature `k` of the row that starts at `row`.
static inline float load_weight(__global const weight_t *row, const uint k)
{
#if defined(WEIGHT_F32)
    return row[k];
#elif defined(WEIGHT_BF16)
    return as_float((uint)row[k] << 16);
#elif defined(WEIGHT_F16)
    return load_f16((__global const half *)row, k);
#elif defined(WEIGHT_BLOCK_SIZE)
    return load_block(row, k);
#else
    return (float)row[k];
#endif
}
