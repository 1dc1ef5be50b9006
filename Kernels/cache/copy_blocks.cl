// Copies whole blocks inside the cache: block pairs[p, 0] to block pairs[p, 1], keys and values.
//
//   pairs         [pair_count, 2] int32; no block is written and also read
//   keys, values  [blocks, block_elements] elements of 4, 2 or 1 bytes
//
// Work-item (i, p) takes elements 16 i ..< 16 i + 16, then every 16 * get_global_size(0) further, of pair p. No local
// memory.
#define COPY_KERNEL(NAME, TYPE)                                                                                        \
    __kernel void NAME(                                                                                                \
        __global const int *pairs, ulong pairs_offset, __global TYPE *keys, ulong keys_offset, __global TYPE *values,  \
        ulong values_offset, uint pair_count, uint block_elements) {                                                   \
        const uint pair = get_global_id(1);                                                                            \
        if (pair >= pair_count) return;                                                                                \
        const ulong from = (ulong)pairs[pairs_offset + 2 * pair] * block_elements;                                     \
        const ulong to = (ulong)pairs[pairs_offset + 2 * pair + 1] * block_elements;                                   \
        keys += keys_offset;                                                                                           \
        values += values_offset;                                                                                       \
        for (uint e = 16 * get_global_id(0); e < block_elements; e += 16 * get_global_size(0)) {                       \
            if (e + 16 <= block_elements) {                                                                            \
                vstore16(vload16(0, keys + from + e), 0, keys + to + e);                                               \
                vstore16(vload16(0, values + from + e), 0, values + to + e);                                           \
                continue;                                                                                              \
            }                                                                                                          \
            for (uint i = e; i < block_elements; i++) {                                                                \
                keys[to + i] = keys[from + i];                                                                         \
                values[to + i] = values[from + i];                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

// A program for each size.
#if COPY_BITS == 32
COPY_KERNEL(copy_blocks_b32, uint)
#elif COPY_BITS == 16
COPY_KERNEL(copy_blocks_b16, ushort)
#else
COPY_KERNEL(copy_blocks_b8, uchar)
#endif
