// s = x + residual (or x); output[r, c] = (s[r, c] - mean) / sqrt(variance + epsilon) * weight[c] + bias[c], with the
// mean and the biased variance of row r of s, the variance taken about the mean.
// Ba, Kiros and Hinton, "Layer Normalization", 2016.
//
//   x         [rows, columns] f32, rows x_stride apart
//   residual  [rows, columns] f32 or null
//   sum       [rows, columns] f32 or null: receives s; may be x or residual
//   weight    [columns] f32
//   bias      [columns] f32 or null
//   output    [rows, columns] f32; may be x where sum is not

#if ROW_IS_WORK_ITEM
// CPU devices. One work-item a row, groups of any size, no local memory.
CHAINED_KERNEL
void layer_norm_row_f32(
    ITEM_PARAMETER __global const float *x, ulong x_offset, __global const float *residual, ulong residual_offset,
    __global float *sum, ulong sum_offset, __global const float *weight, ulong weight_offset,
    __global const float *bias, ulong bias_offset, __global float *output, ulong output_offset, uint rows,
    uint columns, uint x_stride, uint residual_stride, uint sum_stride, uint output_stride, float epsilon) {
    const uint row = ITEM(0);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;
    weight += weight_offset;
    if (bias) bias += bias_offset;
    if (residual) residual += residual_offset + (ulong)row * residual_stride;
    if (sum) sum += sum_offset + (ulong)row * sum_stride;

    float16 total16 = (float16)(0.0f);
    uint c = 0;
    for (; c + 16 <= columns; c += 16) {
        float16 s = vload16(0, x + c);
        if (residual) s += vload16(0, residual + c);
        if (sum) vstore16(s, 0, sum + c);
        total16 += s;
    }
    float total = sum16(total16);
    for (; c < columns; c++) {
        const float s = residual ? x[c] + residual[c] : x[c];
        if (sum) sum[c] = s;
        total += s;
    }
    const float mean = total / (float)columns;

    // From here on the sum is read where it was stored, and computed again where it was not.
    __global const float *s0 = sum ? sum : x;
    __global const float *s1 = sum ? 0 : residual;
    float16 squares16 = (float16)(0.0f);
    for (c = 0; c + 16 <= columns; c += 16) {
        float16 s = vload16(0, s0 + c);
        if (s1) s += vload16(0, s1 + c);
        s -= mean;
        squares16 = fma(s, s, squares16);
    }
    float squares = sum16(squares16);
    for (; c < columns; c++) {
        const float s = (s1 ? s0[c] + s1[c] : s0[c]) - mean;
        squares = fma(s, s, squares);
    }
    const float scale = 1.0f / sqrt(squares / (float)columns + epsilon);
    for (c = 0; c + 16 <= columns; c += 16) {
        float16 s = vload16(0, s0 + c);
        if (s1) s += vload16(0, s1 + c);
        float16 y = (s - mean) * scale * vload16(0, weight + c);
        if (bias) y += vload16(0, bias + c);
        vstore16(y, 0, output + c);
    }
    for (; c < columns; c++) {
        const float y = ((s1 ? s0[c] + s1[c] : s0[c]) - mean) * scale * weight[c];
        output[c] = bias ? y + bias[c] : y;
    }
}

#else
// GPUs. One work-group a row, a power of two of work-items, 4 bytes of local memory each.
__kernel void layer_norm_group_f32(
    __global const float *x, ulong x_offset, __global const float *residual, ulong residual_offset,
    __global float *sum, ulong sum_offset, __global const float *weight, ulong weight_offset,
    __global const float *bias, ulong bias_offset, __global float *output, ulong output_offset, uint rows,
    uint columns, uint x_stride, uint residual_stride, uint sum_stride, uint output_stride, float epsilon,
    __local float *scratch) {
    const uint row = get_group_id(0);
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;
    weight += weight_offset;
    if (bias) bias += bias_offset;
    if (residual) residual += residual_offset + (ulong)row * residual_stride;
    if (sum) sum += sum_offset + (ulong)row * sum_stride;

    float total = 0.0f;
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float s = residual ? x[c] + residual[c] : x[c];
        if (sum) sum[c] = s;
        total += s;
    }
    const float mean = group_sum(total, scratch) / (float)columns;
    float squares = 0.0f;
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float s = (sum ? sum[c] : residual ? x[c] + residual[c] : x[c]) - mean;
        squares = fma(s, s, squares);
    }
    const float scale = 1.0f / sqrt(group_sum(squares, scratch) / (float)columns + epsilon);
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float s = sum ? sum[c] : residual ? x[c] + residual[c] : x[c];
        const float y = (s - mean) * scale * weight[c];
        output[c] = bias ? y + bias[c] : y;
    }
}
#endif
