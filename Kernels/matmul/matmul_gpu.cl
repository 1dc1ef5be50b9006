// Matrix products for GPUs: work-groups that share local memory. OpenCL C 1.2 without extensions or vector literals, so
// that a prelude can compile the same text as CUDA C. Arguments up to `flags` as in matmul_common.cl.

// The epilogue for one output: `y` and `value` are the products of row `column` and of the one `value_rows` further on.
static inline void apply_epilogue(
    float y, float value, const uint t, const uint column, const uint value_rows, __global const float *scales,
    __global const float *bias, __global const float *residual, const uint residual_stride, __global float *out,
    const uint out_stride, const uint flags)
{
    const uint gated = flags & EPILOGUE_GATED;
#if defined(WEIGHT_INT8)
    y *= scales[column];
    if (gated)
        value *= scales[value_rows + column];
#endif
    if (flags & EPILOGUE_BIAS) {
        y += bias[column];
        if (gated)
            value += bias[value_rows + column];
    }
    y = activate(y, EPILOGUE_ACTIVATION(flags));
    if (gated)
        y *= value;
    if (flags & EPILOGUE_RESIDUAL)
        y += residual[(ulong)t * residual_stride + column];
    out[(ulong)t * out_stride + column] = y;
}

#define APPLY_EPILOGUE(y, value, t, column)                                                                            \
    apply_epilogue(y, value, t, column, value_rows, scales + scales_offset + first_row, bias + bias_offset,            \
                   residual + residual_offset, residual_stride, out + out_offset, out_stride, flags)

#if defined(ROWS_TOKENS)
// gemv_group_<format>, gemv_group_experts_<format>: 1 to ROWS_TOKENS tokens, of experts one row. A work-group computes
// ROWS_COLUMNS output columns; ROWS_LANES neighbouring work-items share a column and read its row of the weight side by
// side.
//
// Geometry: global [ceil(P / ROWS_COLUMNS) * group], of experts [the same, R], local [group = ROWS_COLUMNS *
// ROWS_LANES].
// Local memory: 8 * ROWS_TOKENS * group bytes.
// Build macros: ROWS_TOKENS, ROWS_COLUMNS, ROWS_LANES (a power of two).

#define ROWS_GROUP (ROWS_COLUMNS * ROWS_LANES)

__kernel __attribute__((reqd_work_group_size(ROWS_GROUP, 1, 1)))
void PRODUCT_NAME(gemv_group)(MATMUL_PARAMETERS EXPERT_PARAMETERS)
{
    __local float shared[2 * ROWS_TOKENS][ROWS_GROUP];
    const uint item = get_local_id(0);
    const uint lane = item % ROWS_LANES;
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMV_EXPERT * columns;
    const uint own_column = (uint)get_group_id(0) * ROWS_COLUMNS + item / ROWS_LANES;
    const uint column = own_column < columns ? own_column : columns - 1;

    for (uint part = 0; part <= gated; ++part) {
        const uint row = first_row + part * value_rows + column;
        __global const weight_t *w = WEIGHT_ROW(row);
        float sums[ROWS_TOKENS];
        for (uint t = 0; t < ROWS_TOKENS; ++t)
            sums[t] = 0.0f;
        for (uint k = lane * 4; k < inputs; k += ROWS_LANES * 4) {
            const uint count = inputs - k < 4 ? inputs - k : 4;
            float ws[4];
            for (uint i = 0; i < 4; ++i)
                ws[i] = i < count ? load_weight(w, k + i) : 0.0f;
            for (uint t = 0; t < ROWS_TOKENS; ++t) {
                __global const float *xs = x + x_offset + (ulong)GEMV_INPUT_ROW(t) * x_stride + k;
                for (uint i = 0; i < 4; ++i)
                    sums[t] += ws[i] * (i < count ? xs[i] : 0.0f);
            }
        }
        for (uint t = 0; t < ROWS_TOKENS; ++t)
            shared[part * ROWS_TOKENS + t][item] = sums[t];
    }
    const uint value_count = (1 + gated) * ROWS_TOKENS;
    for (uint width = ROWS_LANES / 2; width > 0; width /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < width)
            for (uint i = 0; i < value_count; ++i)
                shared[i][item] += shared[i][item + width];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0 && own_column < columns)
        for (uint t = 0; t < ROWS_TOKENS && t < tokens; ++t)
            APPLY_EPILOGUE(
                shared[t][item], gated ? shared[ROWS_TOKENS + t][item] : 0.0f, GEMV_OUTPUT_ROW(t), column);
}
#endif

#if defined(TILE_INPUTS)
// gemm_tile_<format>, gemm_tile_experts_<format>: many tokens. A work-group of 16 x 16 computes 64 tokens x 64 weight
// rows (gated: 32 gate rows and their 32 value rows), of experts all tokens of one, 64 at a time; a work-item 4 x 4 of
// them, from tiles of TILE_INPUTS features in local memory.
//
// Geometry: global [ceil(columns / tile columns) * 256, ceil(T / 64)], of experts [the same, E], local [256, 1]; tile
// columns: 64, gated 32. Local memory: 2 * TILE_INPUTS * 68 * 4 bytes.
// Build macros: TILE_INPUTS = 16.

#define TILE_PITCH 68

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void PRODUCT_NAME(gemm_tile)(MATMUL_PARAMETERS EXPERT_PARAMETERS)
{
    __local float xs[TILE_INPUTS][TILE_PITCH];
    __local float ws[TILE_INPUTS][TILE_PITCH];
    const uint item = get_local_id(0);
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMM_EXPERT * columns;
    const uint tile_columns = gated ? 32 : 64;
    const uint column0 = (uint)get_group_id(0) * tile_columns;
    const uint item_column = item % 16, item_token = item / 16;

    // This item's share of the loads: 4 features of one token and of one weight row. Rows past the end repeat the last.
    const uint load_row = item / 4, load_input = item % 4 * 4;
    uint lane = column0 + (gated ? load_row % 32 : load_row);
    lane = lane < columns ? lane : columns - 1;
    const uint row = first_row + lane + (gated && load_row >= 32 ? value_rows : 0);
    __global const weight_t *w_row = WEIGHT_ROW(row);

    const uint item_tokens = 64;
    const uint token_end = GEMM_TOKEN_END;
    // Asked for at the end, so that of one weight nothing remains of the loop.
    uint token0 = GEMM_TOKEN_BEGIN;
    if (token0 >= token_end) return;
    do {
        __global const float *x_row = x + x_offset + (ulong)GEMM_INPUT_ROW(token0 + load_row) * x_stride;
        float sums[4][4];
        for (uint i = 0; i < 4; ++i)
            for (uint j = 0; j < 4; ++j)
                sums[i][j] = 0.0f;
        for (uint k0 = 0; k0 < inputs; k0 += TILE_INPUTS) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (uint i = 0; i < 4; ++i) {
                const uint k = k0 + load_input + i;
                xs[load_input + i][load_row] = k < inputs ? x_row[k] : 0.0f;
                ws[load_input + i][load_row] = k < inputs ? load_weight(w_row, k) : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            #pragma unroll
            for (uint k = 0; k < TILE_INPUTS; ++k) {
                float a[4], b[4];
                for (uint i = 0; i < 4; ++i) {
                    a[i] = xs[k][item_token * 4 + i];
                    b[i] = ws[k][item_column + 16 * i];
                }
                for (uint i = 0; i < 4; ++i)
                    for (uint j = 0; j < 4; ++j)
                        sums[i][j] += a[i] * b[j];
            }
        }
        // Column j of an item is weight row item_column + 16 j of the tile: gated, j + 2 is the value of gate j.
        const uint stored = gated ? 2 : 4;
        for (uint i = 0; i < 4; ++i)
            for (uint j = 0; j < stored; ++j) {
                const uint t = token0 + item_token * 4 + i;
                const uint column = column0 + item_column + 16 * j;
                if (t < token_end && column < columns)
                    APPLY_EPILOGUE(
                        sums[i][j], gated ? sums[i][(j + 2) % 4] : 0.0f, GEMM_OUTPUT_ROW(t), column);
            }
        token0 = GEMM_NEXT_TOKEN(token0);
    } while (token0 < token_end);
}
#endif
