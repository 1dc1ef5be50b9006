// Activations as quants of int8 with a scale for each 16, for products with blocks of rows (row_blocks_cpu.cl).
//
// A token, features rounded up to whole QUANTS with zeros: PADDED_INPUTS / 4 words of quants, then for each 16 features
// their scale, then for each 16 their correction (where a minimum stands for 32 columns: that of 32, and every other
// one counts).
#define QUANTS 64u
#define PADDED_INPUTS ((inputs + QUANTS - 1) / QUANTS * QUANTS)
#define QUANTISED_SCALES (PADDED_INPUTS / 4)
#define QUANTISED_CORRECTIONS (QUANTISED_SCALES + PADDED_INPUTS / 16)
#define QUANTISED_WORDS (QUANTISED_CORRECTIONS + PADDED_INPUTS / 16)

// Rounds QUANTS features, of which `count` are there, to quants of -127 to 127, four in a word. `*scales`: of each 16;
// NaN where one of them is no finite number. `*corrections`: what the weights' offset or minima need, the sum of the
// quants of each 16 times minus the offset, or times their scale.
QUANT_INLINE uint16 quantise_int8(__global const float *x, const uint count, float4 *scales, uint4 *corrections)
{
    uint4 quants[4];
    float four[4];
    #pragma unroll
    for (uint i = 0; i < 4; ++i) {
        const float16 part = i * 16 < count ? load_partial16(x + i * 16, count - i * 16) : (float16)(0.0f);
        // Magnitudes are ordered as integers too, and NaN is the largest.
        const uint16 bits = as_uint16(part) & 0x7fffffffu;
        const uint8 a = max(bits.lo, bits.hi);
        const uint4 b = max(a.lo, a.hi);
        const uint2 c = max(b.lo, b.hi);
        const float scale = quant_scale(as_float(max(c.x, c.y)));
        // The lowest bits of the sum with 1.5 * 2^23 are the nearest integer.
        const uint16 rounded = as_uint16(fma(part, (float16)(quant_inverse(scale)), (float16)(12582912.0f)));
        quants[i] = as_uint4(convert_uchar16(rounded & 255u));
        four[i] = scale;
    }
    const uint16 all = (uint16)(quants[0], quants[1], quants[2], quants[3]);
    *scales = (float4)(four[0], four[1], four[2], four[3]);
    const int16 quads = dot_i8((int16)(0), (uint16)(0x01010101u), all);
    const int8 pairs = quads.even + quads.odd;
    const int4 sums = pairs.even + pairs.odd;
#if QUANT_MINIMA
    const float4 products = convert_float4(sums) * *scales;
    *corrections = as_uint4(QUANT_GROUP == 32 ? products + products.yxwz : products);
#else
    *corrections = as_uint4(sums * -QUANT_OFFSET);
#endif
    return all;
}
