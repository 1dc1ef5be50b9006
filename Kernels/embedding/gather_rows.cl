// output[i, :] = x[rows[i], :].
//
//   x       [any, columns] f32, rows x_stride apart
//   rows    [count] int32
//   output  [count, columns] f32, rows output_stride apart
//
// Work-items as in embedding.cl, one row of them an output row. No local memory.
__kernel void gather_rows_f32(
    __global const float *x, ulong x_offset, __global const int *rows, ulong rows_offset, __global float *output,
    ulong output_offset, uint count, uint columns, uint x_stride, uint output_stride) {
    const uint i = get_global_id(1);
    if (i >= count) return;
    x += x_offset + (ulong)rows[rows_offset + i] * x_stride;
    output += output_offset + (ulong)i * output_stride;
    for (uint c = 16 * get_global_id(0); c < columns; c += 16 * get_global_size(0)) {
        if (c + 16 <= columns) {
            vstore16(vload16(0, x + c), 0, output + c);
            continue;
        }
        for (uint e = c; e < columns; e++) output[e] = x[e];
    }
}
