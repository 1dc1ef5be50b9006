// GGUF's blocks as float: one element, and 16 from a multiple of 16 on, which share a scale. Layouts: ggml-quants.c of
// ggml. Rows are whole blocks, so elements may be counted through all rows of a part.
#define HAS_BLOCK_FORMATS

// What the levels of iq4_NL and iq4_XS stand for.
__constant char BLOCK_TABLE[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

inline int block_bytes(__global const uchar *p) { return (int)*p; }
inline int16 block_bytes16(__global const uchar *p) { return convert_int16(vload16(0, p)); }
inline int block_signed(__global const uchar *p) { return (int)*(__global const char *)p; }
inline int16 block_signed16(__global const uchar *p) { return convert_int16(vload16(0, (__global const char *)p)); }
inline float block_float(int x) { return (float)x; }
inline float16 block_float16(int16 x) { return convert_float16(x); }
inline float block_table(int level) { return (float)BLOCK_TABLE[level]; }
// By selecting with the bits of a level, since compilers make sixteen separate reads of a look-up.
#define BLOCK_CHOICE(a, b) select((float16)(a), (float16)(b), bit0)
inline float16 block_table16(int16 levels)
{
    const int16 bit0 = levels << 31, bit1 = levels << 30, bit2 = levels << 29, bit3 = levels << 28;
    const float16 low = select(
        select(BLOCK_CHOICE(-127.0f, -104.0f), BLOCK_CHOICE(-83.0f, -65.0f), bit1),
        select(BLOCK_CHOICE(-49.0f, -35.0f), BLOCK_CHOICE(-22.0f, -10.0f), bit1), bit2);
    const float16 high = select(
        select(BLOCK_CHOICE(1.0f, 13.0f), BLOCK_CHOICE(25.0f, 38.0f), bit1),
        select(BLOCK_CHOICE(53.0f, 69.0f), BLOCK_CHOICE(89.0f, 113.0f), bit1), bit2);
    return select(low, high, bit3);
}

// Bit `at` of four bytes, and the 16 bits from there on, worth 16 each.
inline int block_fifth(__global const uchar *p, uint at) { return (p[at / 8] >> (at % 8) & 1) << 4; }
inline int16 block_fifth16(__global const uchar *p, uint at)
{
    const int bits = p[at / 8] | p[at / 8 + 1] << 8;
    return (((int16)(bits) >> (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)) & 1) << 4;
}

inline float block_half(__global const uchar *p) { return vload_half(0, (__global const half *)p); }

// The 6-bit scale and offset of 32 elements of q4_K and q5_K.
inline float block_scale(__global const uchar *block, uint group)
{
    __global const uchar *q = block + 4;
    return block_half(block) * (float)(group < 4 ? q[group] & 63 : (q[group + 4] & 15) | (q[group - 4] >> 6 << 4));
}
inline float block_offset(__global const uchar *block, uint group)
{
    __global const uchar *q = block + 4;
    return block_half(block + 2)
        * (float)(group < 4 ? q[group + 4] & 63 : (q[group + 4] >> 4) | (q[group] >> 6 << 4));
}
inline float block_q3_scale(__global const uchar *block, uint group)
{
    const int low = block[96 + group % 8] >> (group / 8 * 4) & 15, high = block[104 + group % 4] >> (group / 4 * 2) & 3;
    return block_half(block + 108) * (float)((low | high << 4) - 32);
}
inline float block_iq4_scale(__global const uchar *block, uint group)
{
    const int low = block[4 + group / 2] >> (group % 2 * 4) & 15, high = block[2 + group / 4] >> (group % 4 * 2) & 3;
    return block_half(block) * (float)((low | high << 4) - 32);
}

#define BLOCK_AT(SIZE, BYTES)                                                                                          \
    __global const uchar *block = (__global const uchar *)p + index / SIZE * BYTES;                                    \
    const uint at = (uint)(index % SIZE)

// LANES is empty or 16. BLOCK_NIBBLES: 32 elements in the low halves of 16 bytes, then in the high ones. BLOCK_WIDE: in
// the halves of 32 bytes. BLOCK_PAIRS: 128 elements in the pairs of bits of 32 bytes.
#define BLOCK_NIBBLES(LANES, p, at) (block_bytes##LANES((p) + (at) % 16) >> (int)((at) / 16 * 4) & 15)
#define BLOCK_WIDE(LANES, p, at) (block_bytes##LANES((p) + (at) / 64 * 32 + (at) % 32) >> (int)((at) / 32 % 2 * 4) & 15)
#define BLOCK_PAIRS(LANES, p, at)                                                                                      \
    (block_bytes##LANES((p) + (at) / 128 * 32 + (at) % 32) >> (int)((at) % 128 / 32 * 2) & 3)
#define BLOCK_BIT(LANES, p, at) (block_bytes##LANES((p) + (at) % 32) >> (int)((at) / 32) & 1)

// On CPU devices the callers unroll over a block, which pays only where loads are inlined, whatever their size.
#if ROW_IS_WORK_ITEM
#define BLOCK_INLINE inline __attribute__((always_inline))
#else
#define BLOCK_INLINE inline
#endif

#define BLOCK_LOADS(LANES)                                                                                             \
    BLOCK_INLINE float##LANES load##LANES##_q8_0(__global const char *p, ulong index) {                                \
        BLOCK_AT(32, 34);                                                                                              \
        return block_float##LANES(block_signed##LANES(block + 2 + at)) * block_half(block);                            \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q4_0(__global const char *p, ulong index) {                                \
        BLOCK_AT(32, 18);                                                                                              \
        return block_float##LANES(BLOCK_NIBBLES(LANES, block + 2, at) - 8) * block_half(block);                        \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q4_1(__global const char *p, ulong index) {                                \
        BLOCK_AT(32, 20);                                                                                              \
        return block_float##LANES(BLOCK_NIBBLES(LANES, block + 4, at)) * block_half(block) + block_half(block + 2);    \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q5_0(__global const char *p, ulong index) {                                \
        BLOCK_AT(32, 22);                                                                                              \
        return block_float##LANES((BLOCK_NIBBLES(LANES, block + 6, at) | block_fifth##LANES(block + 2, at)) - 16)      \
            * block_half(block);                                                                                       \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q5_1(__global const char *p, ulong index) {                                \
        BLOCK_AT(32, 24);                                                                                              \
        return block_float##LANES(BLOCK_NIBBLES(LANES, block + 8, at) | block_fifth##LANES(block + 4, at))             \
            * block_half(block) + block_half(block + 2);                                                               \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q2_K(__global const char *p, ulong index) {                                \
        BLOCK_AT(256, 84);                                                                                             \
        const int scales = block[at / 16];                                                                             \
        const float scale = block_half(block + 80) * (float)(scales & 15);                                             \
        return block_float##LANES(BLOCK_PAIRS(LANES, block + 16, at)) * scale                                          \
            - block_half(block + 82) * (float)(scales >> 4);                                                           \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q3_K(__global const char *p, ulong index) {                                \
        BLOCK_AT(256, 110);                                                                                            \
        return block_float##LANES(BLOCK_PAIRS(LANES, block + 32, at) + BLOCK_BIT(LANES, block, at) * 4 - 4)            \
            * block_q3_scale(block, at / 16);                                                                          \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q4_K(__global const char *p, ulong index) {                                \
        BLOCK_AT(256, 144);                                                                                            \
        return block_float##LANES(BLOCK_WIDE(LANES, block + 16, at)) * block_scale(block, at / 32)                     \
            - block_offset(block, at / 32);                                                                            \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q5_K(__global const char *p, ulong index) {                                \
        BLOCK_AT(256, 176);                                                                                            \
        return block_float##LANES(BLOCK_WIDE(LANES, block + 48, at) + BLOCK_BIT(LANES, block + 16, at) * 16)           \
            * block_scale(block, at / 32) - block_offset(block, at / 32);                                              \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_q6_K(__global const char *p, ulong index) {                                \
        BLOCK_AT(256, 210);                                                                                            \
        const uint half_index = at / 128, quarter = at % 128 / 32, place = at % 32;                                    \
        return block_float##LANES(                                                                                     \
                   (block_bytes##LANES(block + half_index * 64 + quarter % 2 * 32 + place) >> (int)(quarter / 2 * 4)   \
                    & 15)                                                                                              \
                   + (block_bytes##LANES(block + 128 + half_index * 32 + place) >> (int)(quarter * 2) & 3) * 16 - 32)  \
            * (block_half(block + 208) * (float)block_signed(block + 192 + at / 16));                                  \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_iq4_NL(__global const char *p, ulong index) {                              \
        BLOCK_AT(32, 18);                                                                                              \
        return block_table##LANES(BLOCK_NIBBLES(LANES, block + 2, at)) * block_half(block);                            \
    }                                                                                                                  \
    BLOCK_INLINE float##LANES load##LANES##_iq4_XS(__global const char *p, ulong index) {                              \
        BLOCK_AT(256, 136);                                                                                            \
        return block_table##LANES(BLOCK_NIBBLES(LANES, block + 8 + at / 32 * 16, at % 32))                             \
            * block_iq4_scale(block, at / 32);                                                                         \
    }

BLOCK_LOADS()
BLOCK_LOADS(16)
