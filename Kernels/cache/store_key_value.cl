// Stores each token's keys and values in the paged cache (Kwon et al., 2023); with a table, keys are rotated on
// their way (formula in common/rope.cl) and the query in place.
//
//   query       [tokens, heads * head_size] f32 or null, rows query_stride apart
//   key, value  [tokens, key_heads * head_size] f32, rows key_stride and value_stride apart
//   slots       [tokens] int32: block * block_size + offset in the block
//   keys, values  [blocks, key_heads, block_size, head_size] in the kernel's format
//   table       [positions, 2, rotary / 2] f32 or null: cosines, then sines
//   positions   [tokens] int32 or null
//
// Work-item (i, h, t): h below `heads` rotates query head h, then come key_heads keys and key_heads values; it takes
// pairs and elements i, i + get_global_size(0), ...: all on CPU devices, one on GPUs. No local memory.
// Build macros: CACHE_F32 or CACHE_F16; neither for BF16.
#define STORE_KERNEL(NAME, TYPE, STORE)                                                                                \
    __kernel void NAME(                                                                                                \
        __global float *query, ulong query_offset, __global const float *key, ulong key_offset,                        \
        __global const float *value, ulong value_offset, __global const int *slots, ulong slots_offset,                \
        __global TYPE *keys, ulong keys_offset, __global TYPE *values, ulong values_offset,                            \
        __global const float *table, ulong table_offset, __global const int *positions, ulong positions_offset,        \
        uint tokens, uint heads, uint key_heads, uint head_size, uint block_size, uint query_stride, uint key_stride,  \
        uint value_stride, uint rotary, uint layout) {                                                                 \
        const uint token = get_global_id(2);                                                                           \
        uint head = get_global_id(1);                                                                                  \
        if (token >= tokens || head >= heads + 2 * key_heads) return;                                                  \
        const uint first = get_global_id(0);                                                                           \
        const uint step = get_global_size(0);                                                                          \
        __global const float *angles = table;                                                                          \
        if (table) angles += table_offset + (ulong)positions[positions_offset + token] * rotary;                       \
        if (head < heads) {                                                                                            \
            rope_head_in_place(                                                                                        \
                query + query_offset + (ulong)token * query_stride + head * head_size, angles, rotary, layout, first,  \
                step);                                                                                                 \
            return;                                                                                                    \
        }                                                                                                              \
        head -= heads;                                                                                                 \
        const bool is_key = head < key_heads;                                                                          \
        if (!is_key) head -= key_heads;                                                                                \
        const uint slot = slots[slots_offset + token];                                                                 \
        const ulong target =                                                                                           \
            (((ulong)(slot / block_size) * key_heads + head) * block_size + slot % block_size) * head_size;            \
        if (!is_key) {                                                                                                 \
            __global const float *source = value + value_offset + (ulong)token * value_stride + head * head_size;      \
            for (uint e = first; e < head_size; e += step) STORE(values, values_offset + target + e, source[e]);       \
            return;                                                                                                    \
        }                                                                                                              \
        __global const float *source = key + key_offset + (ulong)token * key_stride + head * head_size;                \
        for (uint pair = first; pair < rotary / 2; pair += step) {                                                     \
            const uint i = rope_first(pair, layout);                                                                   \
            const uint j = rope_second(pair, rotary, layout);                                                          \
            const float2 rotated = rope_rotate(source[i], source[j], angles[pair], angles[rotary / 2 + pair]);         \
            STORE(keys, keys_offset + target + i, rotated.x);                                                          \
            STORE(keys, keys_offset + target + j, rotated.y);                                                          \
        }                                                                                                              \
        for (uint e = rotary + first; e < head_size; e += step) STORE(keys, keys_offset + target + e, source[e]);      \
    }

// A program for each format, since drivers compile all kernels of a program.
#if defined(CACHE_F32)
STORE_KERNEL(store_key_value_f32, float, store_f32)
#elif defined(CACHE_F16)
STORE_KERNEL(store_key_value_f16, half, store_f16)
#else
STORE_KERNEL(store_key_value_bf16, ushort, store_bf16)
#endif
