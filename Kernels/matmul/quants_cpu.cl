// Rows of int8 weights and of block formats as files have them, a group of 32 columns at a time, for what packs them
// (pack_rows_cpu.cl). Layouts: ggml-quants.c of ggml.
#define NIBBLES 0x0f0f0f0fu
#define PAIRS 0x03030303u
#define BITS 0x01010101u

QUANT_INLINE uint4 words16(__global const uchar *p) { return as_uint4(vload16(0, p)); }
QUANT_INLINE uint8 words32(__global const uchar *p) { return (uint8)(words16(p), words16(p + 16)); }
// 16 bytes, whose low halves come first.
QUANT_INLINE uint8 nibbles_of(const uint4 bytes) { return (uint8)(bytes, bytes >> 4) & NIBBLES; }

#if defined(WEIGHT_TQ1_0)
// 16 trits as bytes: the digits before the point of the products' threefold (blocks.cl).
QUANT_INLINE uint4 sixteen_trits(__global const uchar *block, const uint at)
{
    uchar16 products;
    if (at < 240) {
        products = vload16(0, block + trit_byte(at)) * (uchar)trit_power(at);
    } else {
        const uchar4 four = vload4(0, block + 48);
        products = (uchar16)(four, four * (uchar)3, four * (uchar)9, four * (uchar)27);
    }
    return as_uint4(convert_uchar16(convert_ushort16(products) * (ushort)3 >> (ushort)8));
}
#endif

// The quants of group `g` of a row's block (a block of 32 columns and a row of int8 have one group), four in a word;
// indices where the format has a table.
QUANT_INLINE uint8 stored_quants(__global const uchar *block, const uint g)
{
#if defined(WEIGHT_INT8)
    return words32(block) ^ 0x80808080u;
#elif defined(WEIGHT_Q8_0)
    return words32(block + 2) ^ 0x80808080u;
#elif defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1)
    // A product puts four bits into the four bytes of a word.
    const uint bits = as_uint(vload4(0, block + WEIGHT_BLOCK_BYTES - 20));
    const uint8 quads = (uint8)(bits) >> (uint8)(0, 4, 8, 12, 16, 20, 24, 28) & 15u;
    return nibbles_of(words16(block + WEIGHT_BLOCK_BYTES - 16)) | (quads * 0x00204081u & BITS) << 4;
#elif WEIGHT_BLOCK_SIZE == 32
    return nibbles_of(words16(block + WEIGHT_BLOCK_BYTES - 16));
#elif defined(WEIGHT_Q2_K)
    return words32(block + 16 + g / 4 * 32) >> (g % 4 * 2) & PAIRS;
#elif defined(WEIGHT_TQ2_0)
    return words32(block + g / 4 * 32) >> (g % 4 * 2) & PAIRS;
#elif defined(WEIGHT_TQ1_0)
    return (uint8)(sixteen_trits(block, g * 32), sixteen_trits(block, g * 32 + 16));
#elif defined(WEIGHT_Q3_K)
    return (words32(block + 32 + g / 4 * 32) >> (g % 4 * 2) & PAIRS) | (words32(block) >> g & BITS) << 2;
#elif defined(WEIGHT_Q4_K)
    return words32(block + 16 + g / 2 * 32) >> (g % 2 * 4) & NIBBLES;
#elif defined(WEIGHT_Q5_K)
    return (words32(block + 48 + g / 2 * 32) >> (g % 2 * 4) & NIBBLES) | (words32(block + 16) >> g & BITS) << 4;
#elif defined(WEIGHT_Q6_K)
    return (words32(block + g / 4 * 64 + g % 2 * 32) >> (g % 4 / 2 * 4) & NIBBLES)
        | (words32(block + 128 + g / 4 * 32) >> (g % 4 * 2) & PAIRS) << 4;
#else
    return nibbles_of(words16(block + 8 + g * 16));
#endif
}

// The integer scales of group `g` of a block of 256: one of 32, and in the second byte its minimum, or one of each 16.
// Those of Q2_K keep their minimum in the upper half.
QUANT_INLINE uchar2 integer_scales(__global const uchar *block, const uint g)
{
#if defined(WEIGHT_Q4_K) || defined(WEIGHT_Q5_K)
    __global const uchar *q = block + 4;
    if (g < 4)
        return (uchar2)(q[g] & 63, q[g + 4] & 63);
    return (uchar2)((q[g + 4] & 15) | q[g - 4] >> 6 << 4, q[g + 4] >> 4 | q[g] >> 6 << 4);
#elif defined(WEIGHT_Q6_K)
    return vload2(g, block + 192);
#elif defined(WEIGHT_Q2_K)
    return vload2(g, block);
#elif defined(WEIGHT_Q3_K)
    const uchar2 low = vload2(g % 4, block + 96) >> (uchar)(g / 4 * 4) & (uchar)15;
    const uchar2 high = vload2(g % 2, block + 104) >> (uchar)(g / 2 * 2) & (uchar)3;
    return (low | high << (uchar)4) - (uchar)32;
#elif defined(WEIGHT_IQ4_XS)
    const uint low = block[4 + g / 2] >> (g % 2 * 4) & 15, high = block[2 + g / 4] >> (g % 4 * 2) & 3;
    return (uchar2)((uchar)((low | high << 4) - 32));
#else
    return (uchar2)(0);
#endif
}
