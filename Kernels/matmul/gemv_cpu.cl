// gemv_<format>, gemv_experts_<format>: 1 to VECTOR_TOKENS tokens, of experts one row (experts/expert_weights.cl).
// Streams the weight once, at the memory's rate.
//
// One work-item a work-group, float16 registers, no barriers. Arguments up to `flags` as in matmul_common.cl.
//
// Work-item i computes output columns i * item_columns ..< (i + 1) * item_columns (a multiple of 16) of all tokens,
// VECTOR_ROWS weight rows at a time. Geometry: global [ceil(P / item_columns)], of experts
// [ceil(P / item_columns), R], local [1]. Local memory: none. Build macros: VECTOR_TOKENS (tokens above `tokens`
// repeat the last one), VECTOR_ROWS (a divisor of 16: rows at a time; one is a single stream, which prefetchers
// follow best), VECTOR_STEPS (16-feature steps with sums of their own, so that the adds do not wait for each other).

// Adds features k ..< k + 16 of all rows and tokens.
#define VECTOR_STEP(sums, k)                                                                                           \
    do {                                                                                                               \
        float16 xs[VECTOR_TOKENS];                                                                                     \
        _Pragma("unroll") for (uint t = 0; t < VECTOR_TOKENS; ++t) xs[t] = vload16(0, rows[t] + (k));                  \
        _Pragma("unroll") for (uint r = 0; r < VECTOR_ROWS; ++r)                                                       \
        {                                                                                                              \
            const float16 ws = load_weight16(w[r], (k));                                                               \
            _Pragma("unroll") for (uint t = 0; t < VECTOR_TOKENS; ++t) sums[r][t] = fma(ws, xs[t], sums[r][t]);        \
        }                                                                                                              \
    } while (0)

CHAINED_KERNEL SINGLE_ITEM
void PRODUCT_NAME(gemv)(ITEM_PARAMETER MATMUL_PARAMETERS EXPERT_PARAMETERS, const uint item_columns)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMV_EXPERT * columns;
    const uint first = (uint)ITEM(0) * item_columns;
    const uint end = min(columns, first + item_columns);
    const uint whole = inputs & ~15u;
    const uint rest = inputs - whole;

    __global const float *rows[VECTOR_TOKENS];
    for (uint t = 0; t < VECTOR_TOKENS; ++t)
        rows[t] = x + x_offset + (ulong)GEMV_INPUT_ROW(t) * x_stride;

    for (uint column = first; column < end; column += 16) {
        float products[VECTOR_TOKENS][32];
        for (uint block = 0; block < (gated ? 32u : 16u); block += VECTOR_ROWS) {
            __global const weight_t *w[VECTOR_ROWS];
            #pragma unroll
            for (uint r = 0; r < VECTOR_ROWS; ++r) {
                const uint lane = min(column + (block & 15u) + r, columns - 1);
                const uint row = first_row + lane + (block < 16 ? 0 : value_rows);
                w[r] = WEIGHT_ROW(row);
            }
            float16 sums[VECTOR_STEPS][VECTOR_ROWS][VECTOR_TOKENS];
            #pragma unroll
            for (uint i = 0; i < VECTOR_STEPS; ++i)
                #pragma unroll
                for (uint r = 0; r < VECTOR_ROWS; ++r)
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        sums[i][r][t] = 0.0f;
            uint k = 0;
#if defined(WEIGHT_BLOCK_SIZE)
            // Unrolled over a block: the compiler then knows where quants and scales lie and reads each scale once.
            for (; k < inputs; k += WEIGHT_BLOCK_SIZE)
                #pragma unroll
                for (uint i = 0; i < WEIGHT_BLOCK_SIZE / 16; ++i)
                    VECTOR_STEP(sums[i % VECTOR_STEPS], (ulong)(k / WEIGHT_BLOCK_SIZE) * WEIGHT_BLOCK_SIZE + i * 16);
#endif
            for (; k + VECTOR_STEPS * 16 <= inputs; k += VECTOR_STEPS * 16) {
                #pragma unroll
                for (uint r = 0; r < VECTOR_ROWS; ++r)
                    prefetch_ahead(w[r] + k, VECTOR_STEPS * 16 * sizeof(weight_t));
                #pragma unroll
                for (uint i = 0; i < VECTOR_STEPS; ++i)
                    VECTOR_STEP(sums[i], k + i * 16);
            }
            for (; k < whole; k += 16)
                VECTOR_STEP(sums[0], k);
            if (rest) {
                #pragma unroll
                for (uint r = 0; r < VECTOR_ROWS; ++r) {
                    const float16 ws = load_partial_weight16(w[r], whole, rest);
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        sums[0][r][t] = fma(ws, load_partial16(rows[t] + whole, rest), sums[0][r][t]);
                }
            }
            #pragma unroll
            for (uint r = 0; r < VECTOR_ROWS; ++r)
                #pragma unroll
                for (uint t = 0; t < VECTOR_TOKENS; ++t) {
                    float16 sum = sums[0][r][t];
                    #pragma unroll
                    for (uint i = 1; i < VECTOR_STEPS; ++i)
                        sum += sums[i][r][t];
                    products[t][block + r] = sum16(sum);
                }
        }
        for (uint t = 0; t < min(tokens, (uint)VECTOR_TOKENS); ++t)
            APPLY_EPILOGUE16(
                vload16(0, products[t]), gated ? vload16(1, products[t]) : (float16)(0.0f), GEMV_OUTPUT_ROW(t), column);
    }
}
