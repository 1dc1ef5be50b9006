// s = x + residual (or x); output[r, c] = s[r, c] / sqrt(mean_c(s[r, :]^2) + epsilon) * weight[c].
// Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
//
// A row is `groups` runs of `columns` elements (heads), each normed for itself with weights of its own; most often one.
//
//   x         [rows, groups * columns] f32, rows x_stride apart
//   residual  [rows, groups * columns] f32 or null
//   sum       [rows, groups * columns] f32 or null: receives s; may be x or residual
//   weight    [groups * columns] f32
//   output    [rows, groups * columns] f32; may be x where sum is not

#if ROW_IS_WORK_ITEM
// CPU devices. One work-item a run, work-groups of any size, no local memory.
CHAINED_KERNEL
void rms_norm_row_f32(
    ITEM_PARAMETER __global const float *x, ulong x_offset, __global const float *residual, ulong residual_offset,
    __global float *sum, ulong sum_offset, __global const float *weight, ulong weight_offset,
    __global float *output, ulong output_offset, uint rows, uint groups, uint columns, uint x_stride,
    uint residual_stride, uint sum_stride, uint output_stride, float epsilon) {
    const uint row = ITEM(0) / groups, first = ITEM(0) % groups * columns;
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride + first;
    output += output_offset + (ulong)row * output_stride + first;
    weight += weight_offset + first;
    if (residual) residual += residual_offset + (ulong)row * residual_stride + first;
    if (sum) sum += sum_offset + (ulong)row * sum_stride + first;

    float16 squares16 = (float16)(0.0f);
    uint c = 0;
    for (; c + 16 <= columns; c += 16) {
        float16 s = vload16(0, x + c);
        if (residual) s += vload16(0, residual + c);
        if (sum) vstore16(s, 0, sum + c);
        squares16 = fma(s, s, squares16);
    }
    float squares = sum16(squares16);
    for (; c < columns; c++) {
        const float s = residual ? x[c] + residual[c] : x[c];
        if (sum) sum[c] = s;
        squares = fma(s, s, squares);
    }
    const float scale = 1.0f / sqrt(squares / (float)columns + epsilon);
    for (c = 0; c + 16 <= columns; c += 16) {
        float16 s = vload16(0, (sum ? sum : x) + c);
        if (residual && !sum) s += vload16(0, residual + c);
        vstore16(s * scale * vload16(0, weight + c), 0, output + c);
    }
    for (; c < columns; c++) {
        const float s = sum ? sum[c] : residual ? x[c] + residual[c] : x[c];
        output[c] = s * scale * weight[c];
    }
}

#else
// GPUs. One work-group a run, a power of two of work-items, 4 bytes of local memory each.
__kernel void rms_norm_group_f32(
    __global const float *x, ulong x_offset, __global const float *residual, ulong residual_offset,
    __global float *sum, ulong sum_offset, __global const float *weight, ulong weight_offset,
    __global float *output, ulong output_offset, uint rows, uint groups, uint columns, uint x_stride,
    uint residual_stride, uint sum_stride, uint output_stride, float epsilon, __local float *scratch) {
    const uint row = get_group_id(0) / groups, first = get_group_id(0) % groups * columns;
    x += x_offset + (ulong)row * x_stride + first;
    output += output_offset + (ulong)row * output_stride + first;
    weight += weight_offset + first;
    if (residual) residual += residual_offset + (ulong)row * residual_stride + first;
    if (sum) sum += sum_offset + (ulong)row * sum_stride + first;

    float squares = 0.0f;
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float s = residual ? x[c] + residual[c] : x[c];
        if (sum) sum[c] = s;
        squares = fma(s, s, squares);
    }
    const float scale = 1.0f / sqrt(group_sum(squares, scratch) / (float)columns + epsilon);
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float s = sum ? sum[c] : residual ? x[c] + residual[c] : x[c];
        output[c] = s * scale * weight[c];
    }
}
#endif
