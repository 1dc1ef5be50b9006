// store_key_value_i8: as store_key_value, into int8 rows that each have one scale (see quant_scale in common/types.cl).
//
//   query       [tokens, heads * head_size] f32 or null, rows query_stride apart
//   key, value  [tokens, key_heads * head_size] f32, rows key_stride and value_stride apart
//   slots       [tokens] int32: block * block_size + offset in the block
//   keys, values              [blocks, key_heads, block_size, head_size] int8
//   key_scales, value_scales  [blocks, key_heads, block_size] f32
//   table       [positions, 2, rotary / 2] f32 or null: cosines, then sines
//   positions   [tokens] int32 or null
//
// Group (h, t): h below `heads` rotates query head h, then come key_heads keys and key_heads values; its work-items
// share the pairs and elements. Rotated keys are computed twice, once for the largest and once for the quants.
// Geometry: global [group, heads + 2 * key_heads, tokens], local [group, 1, 1], a power of two.
// Local memory: a float a work-item (`scratch`).

// The barriers stand outside of every condition: some compilers cannot handle a barrier inside one in their loops over
// work-items.

__kernel void store_key_value_i8(
    __global float *query, const ulong query_offset, __global const float *key, const ulong key_offset,
    __global const float *value, const ulong value_offset, __global const int *slots, const ulong slots_offset,
    __global char *keys, const ulong keys_offset, __global char *values, const ulong values_offset,
    __global float *key_scales, const ulong key_scales_offset, __global float *value_scales,
    const ulong value_scales_offset, __global const float *table, const ulong table_offset,
    __global const int *positions, const ulong positions_offset, const uint heads, const uint key_heads,
    const uint head_size, const uint block_size, const uint query_stride, const uint key_stride,
    const uint value_stride, const uint rotary, const uint layout, __local float *scratch)
{
    const uint item = get_local_id(0), items = get_local_size(0);
    const uint token = get_group_id(2), place = get_group_id(1);
    const bool is_query = place < heads;
    const bool is_key = !is_query && place < heads + key_heads;
    const uint head = is_query ? place : is_key ? place - heads : place - heads - key_heads;
    __global const float *angles = table;
    if (table)
        angles += table_offset + (ulong)positions[positions_offset + token] * rotary;
    if (is_query)
        rope_head_in_place(
            query + query_offset + (ulong)token * query_stride + head * head_size, angles, rotary, layout, item, items);

    __global const float *source = is_key
        ? key + key_offset + (ulong)token * key_stride + head * head_size
        : value + value_offset + (ulong)token * value_stride + head * head_size;
    const uint rotated_size = is_key ? rotary : 0;
    const uint size = is_query ? 0 : head_size;
    float largest = 0.0f;
    for (uint pair = item; pair < rotated_size / 2; pair += items) {
        const uint i = rope_first(pair, layout), j = rope_second(pair, rotary, layout);
        const float2 rotated = rope_rotate(source[i], source[j], angles[pair], angles[rotary / 2 + pair]);
        largest = larger_magnitude(larger_magnitude(largest, rotated.x), rotated.y);
    }
    for (uint e = rotated_size + item; e < size; e += items)
        largest = larger_magnitude(largest, source[e]);
    // fmax would lose a NaN, so an infinity stands for it.
    const float scale = quant_scale(group_max(isnan(largest) ? INFINITY : largest, scratch));

    const float inverse = quant_inverse(scale);
    const uint slot = slots[slots_offset + token];
    const ulong row = ((ulong)(slot / block_size) * key_heads + head) * block_size + slot % block_size;
    __global char *target = (is_key ? keys + keys_offset : values + values_offset) + row * head_size;
    __global float *scales = is_key ? key_scales + key_scales_offset : value_scales + value_scales_offset;
    if (item == 0 && !is_query)
        scales[row] = scale;
    for (uint pair = item; pair < rotated_size / 2; pair += items) {
        const uint i = rope_first(pair, layout), j = rope_second(pair, rotary, layout);
        const float2 rotated = rope_rotate(source[i], source[j], angles[pair], angles[rotary / 2 + pair]);
        target[i] = to_quant(rotated.x, inverse);
        target[j] = to_quant(rotated.y, inverse);
    }
    for (uint e = rotated_size + item; e < size; e += items)
        target[e] = to_quant(source[e], inverse);
}
