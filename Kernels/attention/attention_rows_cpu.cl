// Shared by the attention kernels of CPU devices: one work-item a work-group, float16 registers, no barriers. Rows of a
// head are read and written sixteen elements at a time.

// D rounded up to whole pairs of float16.
#define PADDED_HEAD_SIZE ((HEAD_SIZE + 31) / 32 * 32)
#define HEAD_VECTORS (PADDED_HEAD_SIZE / 16)

static inline float16 load_cache16(__global const cache_t *p)
{
#if defined(CACHE_F32)
    return vload16(0, p);
#elif defined(CACHE_BF16)
    return as_float16(convert_uint16(vload16(0, p)) << 16);
#elif defined(CACHE_I8)
    return convert_float16(vload16(0, p));
#else
    return load16_f16((__global const half *)p, 0);
#endif
}

// Elements 16 * index ..< 16 * index + 16 of a cached row, zeros past its end.
static inline float16 load_row16(__global const cache_t *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE)
        return load_cache16(row + 16 * index);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = 16 * index + i < HEAD_SIZE ? load_cache(row + 16 * index + i) : 0.0f;
    return vload16(0, lanes);
}

static inline float16 load_query16(__global const float *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE)
        return vload16(index, row);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = 16 * index + i < HEAD_SIZE ? row[16 * index + i] : 0.0f;
    return vload16(0, lanes);
}

static inline void store_row16(const float16 v, __global float *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE) {
        vstore16(v, index, row);
    } else {
        float lanes[16];
        vstore16(v, 0, lanes);
        for (uint i = 0; 16 * index + i < HEAD_SIZE; ++i)
            row[16 * index + i] = lanes[i];
    }
}

// transposed[d * 32 + j] = rows[j][d] * scales[j] for 16 rows.
static inline void transpose_keys16(__global const cache_t *const *rows, const float *scales, __local float *transposed)
{
    for (uint d = 0; d < HEAD_SIZE; d += 16) {
        float16 m[16];
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            m[r] = SCALED(load_row16(rows[r], d / 16), scales[r]);
        transpose16(m);
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            if (d + r < HEAD_SIZE)
                vstore16(m[r], 0, transposed + (d + r) * 32);
    }
}

static inline float16 capped16(const float16 score, const float scale, const float soft_cap)
{
    const float16 scaled = score * scale;
    return soft_cap > 0.0f ? soft_cap * tanh(scaled / soft_cap) : scaled;
}

#define LANES ((uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
