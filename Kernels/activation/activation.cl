// output[r, c] = activation(x[r, c]); formulas in common/math.cl.
//
//   x       [rows, columns] f32, rows x_stride apart
//   output  [rows, columns] f32; may be x

#if ROW_IS_WORK_ITEM
// CPU devices. Work-item (i, r) takes columns i * item_columns ..< (i + 1) * item_columns of row r; groups of any size,
// no local memory.
__kernel void activation_chunk_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, uint activation, uint item_columns) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    uint c = get_global_id(0) * item_columns;
    if (c >= columns) return;
    const uint end = min(columns, c + item_columns);
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;
    for (; c + 16 <= end; c += 16) vstore16(activate16(vload16(0, x + c), activation), 0, output + c);
    for (; c < end; c++) output[c] = activate(x[c], activation);
}

// output[r, c] = x[r, c] y[r, c]; geometry as above. output may be x or y.
__kernel void multiply_chunk_f32(
    __global const float *x, ulong x_offset, __global const float *y, ulong y_offset, __global float *output,
    ulong output_offset, uint rows, uint columns, uint x_stride, uint y_stride, uint output_stride, uint item_columns) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    uint c = get_global_id(0) * item_columns;
    if (c >= columns) return;
    const uint end = min(columns, c + item_columns);
    x += x_offset + (ulong)row * x_stride;
    y += y_offset + (ulong)row * y_stride;
    output += output_offset + (ulong)row * output_stride;
    for (; c + 16 <= end; c += 16) vstore16(vload16(0, x + c) * vload16(0, y + c), 0, output + c);
    for (; c < end; c++) output[c] = x[c] * y[c];
}

// output[r, c] = cap tanh(x[r, c] / cap); arguments and geometry as above.
__kernel void soft_cap_chunk_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, float cap, uint item_columns) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    uint c = get_global_id(0) * item_columns;
    if (c >= columns) return;
    const uint end = min(columns, c + item_columns);
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;
    for (; c + 16 <= end; c += 16) vstore16(cap * tanh(vload16(0, x + c) / cap), 0, output + c);
    for (; c < end; c++) output[c] = cap * tanh(x[c] / cap);
}

#else
// GPUs. One work-item for each element: (column, row). No local memory.
__kernel void activation_element_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, uint activation) {
    const uint c = get_global_id(0);
    const uint row = get_global_id(1);
    if (c >= columns || row >= rows) return;
    output[output_offset + (ulong)row * output_stride + c] =
        activate(x[x_offset + (ulong)row * x_stride + c], activation);
}

// output[r, c] = x[r, c] y[r, c]; geometry as above. output may be x or y.
__kernel void multiply_element_f32(
    __global const float *x, ulong x_offset, __global const float *y, ulong y_offset, __global float *output,
    ulong output_offset, uint rows, uint columns, uint x_stride, uint y_stride, uint output_stride) {
    const uint c = get_global_id(0);
    const uint row = get_global_id(1);
    if (c >= columns || row >= rows) return;
    output[output_offset + (ulong)row * output_stride + c] =
        x[x_offset + (ulong)row * x_stride + c] * y[y_offset + (ulong)row * y_stride + c];
}

// output[r, c] = cap tanh(x[r, c] / cap); arguments and geometry as above.
__kernel void soft_cap_element_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, float cap) {
    const uint c = get_global_id(0);
    const uint row = get_global_id(1);
    if (c >= columns || row >= rows) return;
    output[output_offset + (ulong)row * output_stride + c] =
        cap * tanh(x[x_offset + (ulong)row * x_stride + c] / cap);
}
#endif
