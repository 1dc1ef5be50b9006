// One of GGUF's block formats as float: one value, and 16 from a multiple of 16 on, which share a scale. Layouts:
// ggml-quants.c of ggml. Rows are whole blocks, so values may be counted through all rows of a part.
//
// Build macros, from the format's row in NumberFormats.h: WEIGHT_<format>, WEIGHT_NAME, WEIGHT_BLOCK_SIZE (values) and
// WEIGHT_BLOCK_BYTES. Programs of formats without blocks have none of the last two, and nothing is defined here.
#if defined(WEIGHT_BLOCK_SIZE)

static inline int block_bytes(__global const uchar *p) { return (int)*p; }
static inline int16 block_bytes16(__global const uchar *p) { return convert_int16(vload16(0, p)); }
static inline int block_signed(__global const uchar *p) { return (int)*(__global const char *)p; }
static inline int16 block_signed16(__global const uchar *p)
{
    return convert_int16(vload16(0, (__global const char *)p));
}
static inline float block_float(int x) { return (float)x; }
static inline float16 block_float16(int16 x) { return convert_float16(x); }
static inline float block_half(__global const uchar *p) { return load_f16((__global const half *)p, 0); }

// Half of the power of two that an E8M0 byte stands for; the first two are subnormal.
static inline float block_half_exponent(__global const uchar *p)
{
    const uint exponent = *p;
    return as_float(exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23);
}

// The values that the 4-bit quants of some formats stand for.
#if defined(WEIGHT_MXFP4)
// Twice the values of E2M1.
#define BLOCK_TABLE(X) X(0, 1, 2, 3), X(4, 6, 8, 12), X(0, -1, -2, -3), X(-4, -6, -8, -12)
#else
#define BLOCK_TABLE(X) X(-127, -104, -83, -65), X(-49, -35, -22, -10), X(1, 13, 25, 38), X(53, 69, 89, 113)
#endif
#define BLOCK_TABLE_ROW(a, b, c, d) a, b, c, d
__constant char block_table_values[16] = {BLOCK_TABLE(BLOCK_TABLE_ROW)};
static inline float block_table(int quant) { return (float)block_table_values[quant]; }
// Selects with the bits of a quant, since compilers make sixteen separate loads of a table look-up.
#define BLOCK_CHOICE(a, b) select((float16)(a), (float16)(b), bit0)
#define BLOCK_TABLE_CHOICE(a, b, c, d) select(BLOCK_CHOICE(a, b), BLOCK_CHOICE(c, d), bit1)
static inline float16 block_table16(int16 quants)
{
    const int16 bit0 = quants << 31, bit1 = quants << 30, bit2 = quants << 29, bit3 = quants << 28;
    const float16 quarters[4] = {BLOCK_TABLE(BLOCK_TABLE_CHOICE)};
    return select(select(quarters[0], quarters[1], bit2), select(quarters[2], quarters[3], bit2), bit3);
}

// Bit `at` of four bytes, and 16 bits from there on; each adds 16 to its quant.
static inline int block_fifth(__global const uchar *p, uint at) { return (p[at / 8] >> (at % 8) & 1) << 4; }
static inline int16 block_fifth16(__global const uchar *p, uint at)
{
    const int bits = p[at / 8] | p[at / 8 + 1] << 8;
    return (((int16)(bits) >> (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)) & 1) << 4;
}

// The 6-bit scale and minimum of 32 values of Q4_K and Q5_K.
static inline float block_scale(__global const uchar *block, uint group)
{
    __global const uchar *q = block + 4;
    return block_half(block) * (float)(group < 4 ? q[group] & 63 : (q[group + 4] & 15) | (q[group - 4] >> 6 << 4));
}
static inline float block_minimum(__global const uchar *block, uint group)
{
    __global const uchar *q = block + 4;
    return block_half(block + 2)
        * (float)(group < 4 ? q[group + 4] & 63 : (q[group + 4] >> 4) | (q[group] >> 6 << 4));
}
static inline float block_q3_scale(__global const uchar *block, uint group)
{
    const int low = block[96 + group % 8] >> (group / 8 * 4) & 15, high = block[104 + group % 4] >> (group / 4 * 2) & 3;
    return block_half(block + 108) * (float)((low | high << 4) - 32);
}
static inline float block_iq4_scale(__global const uchar *block, uint group)
{
    const int low = block[4 + group / 2] >> (group % 2 * 4) & 15, high = block[2 + group / 4] >> (group % 4 * 2) & 3;
    return block_half(block) * (float)((low | high << 4) - 32);
}

#if defined(WEIGHT_TQ1_0)
// The trits of TQ1_0, 0 to 2: of a byte, times 3^n, 8 bits stay, and digit n to the base of 3 stands before the point
// of their threefold. 160 values lie in 32 bytes, the next 80 in 16, and four each in the last 4.
static inline uint trit_byte(uint at) { return at < 160 ? at % 32 : at < 240 ? 32 + at % 16 : 48 + at % 4; }
static inline uint trit_power(uint at)
{
    const uint n = at < 160 ? at / 32 : at < 240 ? (at - 160) / 16 : (at - 240) / 4;
    return n == 4 ? 81 : 0x1b090301u >> (8 * n) & 255;
}
static inline int block_trits(__global const uchar *block, uint at)
{
    return (int)((block[trit_byte(at)] * trit_power(at) & 255) * 3 >> 8);
}
static inline int16 block_trits16(__global const uchar *block, uint at)
{
    if (at < 240)
        return (block_bytes16(block + trit_byte(at)) * (int)trit_power(at) & 255) * 3 >> 8;
    const int4 four = convert_int4(vload4(0, block + 48));
    return ((int16)(four, four * 3, four * 9, four * 27) & 255) * 3 >> 8;
}
#endif

// LANES is empty or 16. BLOCK_NIBBLES: 32 values in the low halves of 16 bytes, then in the high ones. BLOCK_WIDE: in
// the halves of 32 bytes. BLOCK_PAIRS: 128 values in the pairs of bits of 32 bytes.
#define BLOCK_NIBBLES(LANES, p, at) (block_bytes##LANES((p) + (at) % 16) >> (int)((at) / 16 * 4) & 15)
#define BLOCK_WIDE(LANES, p, at) (block_bytes##LANES((p) + (at) / 64 * 32 + (at) % 32) >> (int)((at) / 32 % 2 * 4) & 15)
#define BLOCK_PAIRS(LANES, p, at)                                                                                      \
    (block_bytes##LANES((p) + (at) / 128 * 32 + (at) % 32) >> (int)((at) % 128 / 32 * 2) & 3)
#define BLOCK_BIT(LANES, p, at) (block_bytes##LANES((p) + (at) % 32) >> (int)((at) / 32) & 1)

// The value at `at` of `block`, or 16 from there on.
#if defined(WEIGHT_Q8_0)
#define DEQUANTISE(LANES) block_float##LANES(block_signed##LANES(block + 2 + at)) * block_half(block)
#elif defined(WEIGHT_Q4_0)
#define DEQUANTISE(LANES) block_float##LANES(BLOCK_NIBBLES(LANES, block + 2, at) - 8) * block_half(block)
#elif defined(WEIGHT_Q4_1)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_NIBBLES(LANES, block + 4, at)) * block_half(block) + block_half(block + 2)
#elif defined(WEIGHT_Q5_0)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES((BLOCK_NIBBLES(LANES, block + 6, at) | block_fifth##LANES(block + 2, at)) - 16)                 \
        * block_half(block)
#elif defined(WEIGHT_Q5_1)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_NIBBLES(LANES, block + 8, at) | block_fifth##LANES(block + 4, at)) * block_half(block)    \
        + block_half(block + 2)
#elif defined(WEIGHT_Q2_K)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_PAIRS(LANES, block + 16, at)) * (block_half(block + 80) * (float)(block[at / 16] & 15))   \
        - block_half(block + 82) * (float)(block[at / 16] >> 4)
#elif defined(WEIGHT_Q3_K)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_PAIRS(LANES, block + 32, at) + BLOCK_BIT(LANES, block, at) * 4 - 4)                       \
        * block_q3_scale(block, at / 16)
#elif defined(WEIGHT_Q4_K)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_WIDE(LANES, block + 16, at)) * block_scale(block, at / 32)                                \
        - block_minimum(block, at / 32)
#elif defined(WEIGHT_Q5_K)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_WIDE(LANES, block + 48, at) + BLOCK_BIT(LANES, block + 16, at) * 16)                      \
        * block_scale(block, at / 32) - block_minimum(block, at / 32)
#elif defined(WEIGHT_Q6_K)
#define BLOCK_Q6_LOW(LANES)                                                                                            \
    (block_bytes##LANES(block + at / 128 * 64 + at % 64) >> (int)(at % 128 / 64 * 4) & 15)
#define BLOCK_Q6_HIGH(LANES)                                                                                           \
    (block_bytes##LANES(block + 128 + at / 128 * 32 + at % 32) >> (int)(at % 128 / 32 * 2) & 3)
#define DEQUANTISE(LANES)                                                                                              \
    block_float##LANES(BLOCK_Q6_LOW(LANES) + BLOCK_Q6_HIGH(LANES) * 16 - 32)                                           \
        * (block_half(block + 208) * (float)block_signed(block + 192 + at / 16))
#elif defined(WEIGHT_MXFP4)
#define DEQUANTISE(LANES) block_table##LANES(BLOCK_NIBBLES(LANES, block + 1, at)) * block_half_exponent(block)
#elif defined(WEIGHT_TQ2_0)
#define DEQUANTISE(LANES) block_float##LANES(BLOCK_PAIRS(LANES, block, at) - 1) * block_half(block + 64)
#elif defined(WEIGHT_TQ1_0)
#define DEQUANTISE(LANES) block_float##LANES(block_trits##LANES(block, at) - 1) * block_half(block + 52)
#elif defined(WEIGHT_IQ4_NL)
#define DEQUANTISE(LANES) block_table##LANES(BLOCK_NIBBLES(LANES, block + 2, at)) * block_half(block)
#elif defined(WEIGHT_IQ4_XS)
#define DEQUANTISE(LANES)                                                                                              \
    block_table##LANES(BLOCK_NIBBLES(LANES, block + 8 + at / 32 * 16, at % 32)) * block_iq4_scale(block, at / 32)
#endif

// On CPU devices the callers unroll over a block, which pays only where loads are inlined, whatever their size.
#if ROW_IS_WORK_ITEM
#define BLOCK_INLINE inline __attribute__((always_inline))
#else
#define BLOCK_INLINE static inline
#endif

BLOCK_INLINE float load_block(__global const char *p, ulong index)
{
    __global const uchar *block = (__global const uchar *)p + index / WEIGHT_BLOCK_SIZE * WEIGHT_BLOCK_BYTES;
    const uint at = (uint)(index % WEIGHT_BLOCK_SIZE);
    return DEQUANTISE();
}

BLOCK_INLINE float16 load16_block(__global const char *p, ulong index)
{
    __global const uchar *block = (__global const uchar *)p + index / WEIGHT_BLOCK_SIZE * WEIGHT_BLOCK_BYTES;
    const uint at = (uint)(index % WEIGHT_BLOCK_SIZE);
    return DEQUANTISE(16);
}
#endif
