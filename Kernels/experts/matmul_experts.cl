// Matrix products in which every row has the weight of the expert it chose.
//
//   e = indices[r];  y[r, n] = scale * sum_k x[r / repeats, k] * w[e][n, k]
//   out[r, n] = act(y[r, n]), or act(y[r, n]) * y[r, P + n] where gated
//
// Legend: R rows, K input features, E experts, P output columns of an expert.
//   x        [R / repeats, K]  float32, rows `x_stride` elements apart
//   weight   [E * P, K] or, gated, [2 * E * P, K]: the gates of all experts, then their values; in up to three parts of
//            packed rows (matmul_common.cl)
//   scales   one a row of the weight, read only where WEIGHT_INT8 is set
//   indices  [R]     int32
//   out      [R, P]  float32, rows `out_stride` apart
// `flags` as in matmul_common.cl: the gate and the activation.
#define EXPERT_PARAMETERS                                                                                              \
    __global const float *x, const ulong x_offset, const uint x_stride,                                                \
    __global const weight_t *weight0, const ulong weight0_offset,                                                      \
    __global const weight_t *weight1, const ulong weight1_offset,                                                      \
    __global const weight_t *weight2, const ulong weight2_offset,                                                      \
    __global const float *scales, const ulong scales_offset, const uint part_end0, const uint part_end1,               \
    __global const int *indices, const ulong indices_offset,                                                           \
    __global float *out, const ulong out_offset, const uint out_stride,                                                \
    const uint rows, const uint repeats, const uint inputs, const uint columns, const uint expert_rows, const uint flags

#if defined(WEIGHT_INT8)
#define ROW_SCALE(row) scales[scales_offset + (row)]
#else
#define ROW_SCALE(row) 1.0f
#endif

#if defined(EXPERT_LANES)
// matmul_experts_group_<format>: GPUs. A work-group computes EXPERT_COLUMNS output columns of one row; EXPERT_LANES
// neighbouring work-items share a column and read its row of the weight side by side.
//
// Geometry: global [ceil(P / EXPERT_COLUMNS) * group, R], local [group = EXPERT_COLUMNS * EXPERT_LANES, 1].
// Local memory: 8 * group bytes. Build macros: EXPERT_COLUMNS, EXPERT_LANES (a power of two).
#define EXPERT_GROUP (EXPERT_COLUMNS * EXPERT_LANES)

__kernel __attribute__((reqd_work_group_size(EXPERT_GROUP, 1, 1)))
void MATMUL_NAME(matmul_experts_group)(EXPERT_PARAMETERS)
{
    __local float shared[2][EXPERT_GROUP];
    const uint item = get_local_id(0);
    const uint lane = item % EXPERT_LANES;
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint r = get_group_id(1);
    const uint own_column = (uint)get_group_id(0) * EXPERT_COLUMNS + item / EXPERT_LANES;
    const uint column = own_column < columns ? own_column : columns - 1;
    const uint first = (uint)indices[indices_offset + r] * columns + column;
    __global const float *xs = x + x_offset + (ulong)(r / repeats) * x_stride;

    for (uint part = 0; part <= gated; ++part) {
        const uint row = first + part * expert_rows;
        __global const weight_t *w = WEIGHT_ROW(row);
        float sum = 0.0f;
        for (uint k = lane * 4; k < inputs; k += EXPERT_LANES * 4) {
            const uint count = inputs - k < 4 ? inputs - k : 4;
            for (uint i = 0; i < count; ++i)
                sum += load_weight(w, k + i) * xs[k + i];
        }
        shared[part][item] = sum * ROW_SCALE(row);
    }
    for (uint width = EXPERT_LANES / 2; width > 0; width /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < width)
            for (uint part = 0; part <= gated; ++part)
                shared[part][item] += shared[part][item + width];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0 && own_column < columns) {
        const float y = activate(shared[0][item], EPILOGUE_ACTIVATION(flags));
        out[out_offset + (ulong)r * out_stride + column] = gated ? y * shared[1][item] : y;
    }
}

#else
// matmul_experts_vector_<format>: CPU devices. Work-item (i, r) computes output columns i * item_columns ..<
// (i + 1) * item_columns of row r. Geometry: global [ceil(P / item_columns), R], local [1, 1]. Local memory: none.
static inline float row_product(__global const weight_t *w, __global const float *xs, const uint inputs)
{
    const uint whole = inputs & ~15u;
    float16 sum = (float16)(0.0f);
    for (uint k = 0; k < whole; k += 16)
        sum = fma(load_weight16(w, k), vload16(0, xs + k), sum);
    if (whole < inputs)
        sum = fma(load_partial_weight16(w, whole, inputs - whole), load_partial16(xs + whole, inputs - whole), sum);
    return sum16(sum);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(matmul_experts_vector)(EXPERT_PARAMETERS, const uint item_columns)
{
    const uint r = get_global_id(1);
    const uint begin = (uint)get_global_id(0) * item_columns;
    const uint end = min(columns, begin + item_columns);
    const uint first = (uint)indices[indices_offset + r] * columns;
    __global const float *xs = x + x_offset + (ulong)(r / repeats) * x_stride;
    __global float *row_out = out + out_offset + (ulong)r * out_stride;
    for (uint column = begin; column < end; ++column) {
        const uint row = first + column;
        float y = activate(row_product(WEIGHT_ROW(row), xs, inputs) * ROW_SCALE(row), EPILOGUE_ACTIVATION(flags));
        if (flags & EPILOGUE_GATED) {
            const uint value = row + expert_rows;
            y *= row_product(WEIGHT_ROW(value), xs, inputs) * ROW_SCALE(value);
        }
        row_out[column] = y;
    }
}
#endif
