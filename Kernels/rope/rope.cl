// Rotates the first `rotary` elements of every head of x in place (Su et al., 2021); formula in common/rope.cl.
//
//   x          [tokens, heads * head_size] f32, rows x_stride apart
//   table      [positions, 2, rotary / 2] f32: cosines, then sines
//   positions  [tokens] int32
//
// Work-item (i, h, t) takes pairs i, i + get_global_size(0), ... of head h of token t: one work-item a head on CPU
// devices, one a pair on GPUs. No local memory.
__kernel void rope_f32(
    __global float *x, ulong x_offset, __global const float *table, ulong table_offset,
    __global const int *positions, ulong positions_offset, uint tokens, uint heads, uint head_size, uint x_stride,
    uint rotary, uint layout) {
    const uint head = get_global_id(1);
    const uint token = get_global_id(2);
    if (head >= heads || token >= tokens) return;
    const int position = positions[positions_offset + token];
    rope_head_in_place(
        x + x_offset + (ulong)token * x_stride + head * head_size, table + table_offset + (ulong)position * rotary,
        rotary, layout, get_global_id(0), get_global_size(0));
}
