// Reading blocks of rows (row_blocks_cpu.cl): quants as bytes, scales as floats. Needs dot.cl.

// ---- Quants

#ifdef BLOCK_TABLE
// The values that the quants of formats with a table stand for (blocks.cl), with the offset added.
#define TABLE_WORD(a, b, c, d)                                                                                         \
    (uint)((a) + QUANT_OFFSET) | (uint)((b) + QUANT_OFFSET) << 8 | (uint)((c) + QUANT_OFFSET) << 16                    \
        | (uint)((d) + QUANT_OFFSET) << 24
#if DOT_VARIANT == DOT_AVX2
QUANT_INLINE uint16 look_up_table(const uint16 quants)
{
    const uint4 quarter = (uint4)(BLOCK_TABLE(TABLE_WORD));
    const uint8 table = (uint8)(quarter, quarter);
    uint8 low, high;
    __asm__("vpshufb %1, %2, %0" : "=x"(low) : "x"(quants.lo), "x"(table));
    __asm__("vpshufb %1, %2, %0" : "=x"(high) : "x"(quants.hi), "x"(table));
    return (uint16)(low, high);
}
#elif DOT_VARIANT == DOT_AVX512
QUANT_INLINE uint16 look_up_table(const uint16 quants)
{
    const uint4 quarter = (uint4)(BLOCK_TABLE(TABLE_WORD));
    const uint16 table = (uint16)(quarter, quarter, quarter, quarter);
    uint16 values;
    __asm__("vpshufb %1, %2, %0" : "=v"(values) : "v"(quants), "v"(table));
    return values;
}
#else
// Bytes of 255 where bit `bit` of the byte is set, else 0.
#define TABLE_MASK(bit) ((quants >> bit & 0x01010101u) * 255u)
#define TABLE_CHOICE(mask, a, b) ((a) ^ ((mask) & ((a) ^ (b))))
#define TABLE_BYTES(a) (uint16)((uint)((a) + QUANT_OFFSET) * 0x01010101u)
#define TABLE_QUARTER(a, b, c, d)                                                                                      \
    TABLE_CHOICE(                                                                                                      \
        bit1, TABLE_CHOICE(bit0, TABLE_BYTES(a), TABLE_BYTES(b)), TABLE_CHOICE(bit0, TABLE_BYTES(c), TABLE_BYTES(d)))
QUANT_INLINE uint16 look_up_table(const uint16 quants)
{
    const uint16 bit0 = TABLE_MASK(0), bit1 = TABLE_MASK(1), bit2 = TABLE_MASK(2), bit3 = TABLE_MASK(3);
    const uint16 quarters[4] = {BLOCK_TABLE(TABLE_QUARTER)};
    return TABLE_CHOICE(
        bit3, TABLE_CHOICE(bit2, quarters[0], quarters[1]), TABLE_CHOICE(bit2, quarters[2], quarters[3]));
}
#endif
#endif

// The `v`th vector of 64 bytes.
QUANT_INLINE uint16 quant_vector(__global const uchar *group, const uint v)
{
    return vload16(v, (__global const uint *)group);
}

// Word r: columns 16 * `half` + 4 * `v` to 3 further on of row r of a group.
QUANT_INLINE uint16 unpack_rows(__global const uchar *group, const uint half_index, const uint v)
{
#if QUANT_BITS == 8
    return quant_vector(group, half_index * 4 + v);
#elif QUANT_BITS < 4
    const uint16 low = quant_vector(group, v / 2) >> (v % 2 * 4 + half_index * 2) & 0x03030303u;
#if QUANT_BITS == 3
    const uint16 bits = quant_vector(group, 2);
    const uint at = v + 4 * half_index;
    return low | ((at <= 2 ? bits << (2 - at) : bits >> (at - 2)) & 0x04040404u);
#else
    return low;
#endif
#else
    const uint16 nibbles = quant_vector(group, v) >> (half_index * 4) & 0x0f0f0f0fu;
#if QUANT_BITS == 5
    const uint16 bits = quant_vector(group, 4);
    return nibbles | ((half_index ? bits >> v : bits << (4 - v)) & 0x10101010u);
#elif QUANT_BITS == 6
    const uint16 bits = quant_vector(group, 4 + v / 2);
    const uint at = 4 * (v % 2) + 2 * half_index;
    return nibbles | ((at <= 4 ? bits << (4 - at) : bits >> (at - 4)) & 0x30303030u);
#elif defined(WEIGHT_IQ4_NL) || defined(WEIGHT_IQ4_XS) || defined(WEIGHT_MXFP4)
    return look_up_table(nibbles);
#else
    return nibbles;
#endif
#endif
}

// ---- Scales

QUANT_INLINE float16 halves_of_rows(__global const uchar *p) { return load16_f16((__global const half *)p, 0); }

#if defined(WEIGHT_MXFP4)
// block_half_exponent (blocks.cl) of each row.
QUANT_INLINE float16 half_exponents_of_rows(__global const uchar *p)
{
    const uint16 bytes = convert_uint16(vload16(0, p));
    return as_float16(select((bytes - 1) << 23, (uint16)(0x00200000u) << (bytes & 1), bytes < 2));
}
#endif

// The factors of 256 columns; `*minimum` with its sign.
QUANT_INLINE void factors_of_rows(__global const uchar *at, float16 *scale, float16 *minimum)
{
    *scale = *minimum = (float16)(0.0f);
#if HAS_FACTORS
    *scale = halves_of_rows(at);
#if QUANT_MINIMA
    *minimum = -halves_of_rows(at + 2 * BLOCK_ROWS);
#endif
#endif
}

// The GROUP_SCALES scales and minima of a group, whose factors are given.
QUANT_INLINE void scales_of_rows(
    __global const uchar *at, const float16 factor, const float16 minimum_factor, float16 *scales, float16 *minima)
{
#pragma unroll
    for (uint i = 0; i < GROUP_SCALES; ++i)
        minima[i] = (float16)(0.0f);
#if defined(WEIGHT_INT8)
    scales[0] = (float16)(1.0f);
#elif defined(WEIGHT_MXFP4)
    scales[0] = half_exponents_of_rows(at);
#elif HAS_FACTORS_ALONE
    scales[0] = factor;
#elif !HAS_FACTORS
    scales[0] = halves_of_rows(at);
#if QUANT_MINIMA
    minima[0] = halves_of_rows(at + 2 * BLOCK_ROWS);
#endif
#elif defined(WEIGHT_Q2_K)
#pragma unroll
    for (uint i = 0; i < GROUP_SCALES; ++i) {
        const uchar16 bytes = vload16(i, at);
        scales[i] = convert_float16(bytes & (uchar)15) * factor;
        minima[i] = convert_float16(bytes >> (uchar)4) * minimum_factor;
    }
#elif QUANT_MINIMA
    scales[0] = convert_float16(vload16(0, at)) * factor;
    minima[0] = convert_float16(vload16(1, at)) * minimum_factor;
#else
#pragma unroll
    for (uint i = 0; i < GROUP_SCALES; ++i)
        scales[i] = convert_float16(vload16(i, (__global const char *)at)) * factor;
#endif
}
