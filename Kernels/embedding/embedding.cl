// output[t, :] = table_scale * table[ids[t], :] (+ output[t, :] where accumulate is set).
//
//   ids     [tokens] int32
//   table   [part_rows, columns]: rows part_start ..< part_start + part_rows of the table, in the kernel's format;
//           tokens whose id lies in another part are left to that part's launch
//   scales  [all rows] f32, only for int8: table[v, c] = scales[v] * q[v, c]
//   output  [tokens, columns] f32, rows output_stride apart
//
// Work-item (i, t) takes columns 16 i ..< 16 i + 16, then every 16 * get_global_size(0) further, of token t: one
// work-item a token on CPU devices. No local memory.
#define EMBEDDING_KERNEL(NAME, TYPE, LOAD, LOAD16, SCALE)                                                              \
    __kernel void NAME(                                                                                                \
        __global const int *ids, ulong ids_offset, __global const TYPE *table, ulong table_offset,                     \
        __global const float *scales, ulong scales_offset, __global float *output, ulong output_offset, uint tokens,   \
        uint columns, uint part_start, uint part_rows, uint output_stride, uint accumulate, float table_scale) {       \
        const uint token = get_global_id(1);                                                                           \
        if (token >= tokens) return;                                                                                   \
        const uint id = ids[ids_offset + token];                                                                       \
        if (id < part_start || id - part_start >= part_rows) return;                                                   \
        const ulong row = (ulong)(id - part_start) * columns;                                                          \
        table += table_offset;                                                                                         \
        const float scale = table_scale * SCALE;                                                                       \
        output += output_offset + (ulong)token * output_stride;                                                        \
        for (uint c = 16 * get_global_id(0); c < columns; c += 16 * get_global_size(0)) {                              \
            if (c + 16 <= columns) {                                                                                   \
                float16 value = LOAD16(table, row + c) * scale;                                                        \
                if (accumulate) value += vload16(0, output + c);                                                       \
                vstore16(value, 0, output + c);                                                                        \
                continue;                                                                                              \
            }                                                                                                          \
            for (uint i = c; i < columns; i++) {                                                                       \
                const float value = LOAD(table, row + i) * scale;                                                      \
                output[i] = accumulate ? output[i] + value : value;                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }

#if defined(WEIGHT_BLOCK_SIZE)
// A program for each format.
#define EMBEDDING_NAME_OF(name) embedding_##name
#define EMBEDDING_NAME(name) EMBEDDING_NAME_OF(name)
EMBEDDING_KERNEL(EMBEDDING_NAME(WEIGHT_NAME), char, load_block, load16_block, 1.0f)
#elif defined(WEIGHT_F32)
EMBEDDING_KERNEL(embedding_f32, float, load_f32, load16_f32, 1.0f)
#elif defined(WEIGHT_F16)
EMBEDDING_KERNEL(embedding_f16, half, load_f16, load16_f16, 1.0f)
#elif defined(WEIGHT_BF16)
EMBEDDING_KERNEL(embedding_bf16, ushort, load_bf16, load16_bf16, 1.0f)
#else
EMBEDDING_KERNEL(embedding_int8, char, load_i8, load16_i8, scales[scales_offset + id])
#endif
