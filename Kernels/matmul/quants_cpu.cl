// Weights in blocks as unsigned 8-bit quants, four in a word, and the scales that belong to them:
//     w = scale * (quant - QUANT_OFFSET)   or   w = scale * quant + minimum
// with a scale (and minimum) for each QUANT_GROUP elements, and activations as x = scale * quant with a scale for
// each 16. Layouts: ggml-quants.c of ggml.
//
// A span is what is unpacked together: QUANT_SPAN elements, a block of 256 or QUANTS elements of blocks of 32. `rest`
// counts the elements from the span's first to the row's end.
#define QUANTS 64u

#if defined(WEIGHT_INT8)
#define QUANT_SPAN 64
#define QUANT_SPAN_BYTES 64
#elif WEIGHT_BLOCK_SIZE == 32
#define QUANT_SPAN 64
#define QUANT_SPAN_BYTES (2 * WEIGHT_BLOCK_BYTES)
#else
#define QUANT_SPAN 256
#define QUANT_SPAN_BYTES WEIGHT_BLOCK_BYTES
#endif
// A scale for more than 32 values is repeated.
#if !defined(WEIGHT_INT8) && WEIGHT_GROUP_SIZE == 16
#define QUANT_GROUP 16
#else
#define QUANT_GROUP 32
#endif
#define QUANT_MINIMA WEIGHT_HAS_MINIMA
#define QUANT_OFFSET WEIGHT_QUANT_OFFSET

#define QUANT_INLINE inline __attribute__((always_inline))
// Features of a row of activations, padded with zeros.
#define PADDED_INPUTS ((inputs + QUANTS - 1) / QUANTS * QUANTS)
#define SPAN_AT(row, k) ((__global const uchar *)(row) + (ulong)((k) / QUANT_SPAN) * QUANT_SPAN_BYTES)

#define NIBBLES 0x0f0f0f0fu
#define TOP_BITS 0x80808080u

QUANT_INLINE uint word_at(__global const uchar *p) { return as_uint(vload4(0, p)); }
QUANT_INLINE uint4 words16(__global const uchar *p) { return as_uint4(vload16(0, p)); }
QUANT_INLINE uint8 words32(__global const uchar *p) { return (uint8)(words16(p), words16(p + 16)); }

#if !defined(WEIGHT_INT8)
// Two binary16 numbers as floats: the one at `p` and the one at `q`.
QUANT_INLINE float2 two_halves(__global const uchar *p, __global const uchar *q)
{
#if DOT_VARIANT == DOT_X86
    // PoCL would convert the numbers bit by bit.
    const uint4 words = (uint4)(as_ushort(vload2(0, p)) | (uint)as_ushort(vload2(0, q)) << 16, 0, 0, 0);
    float4 values;
    __asm__("vcvtph2ps %1, %0" : "=v"(values) : "v"(words));
    return values.xy;
#else
    return (float2)(block_half(p), block_half(q));
#endif
}

// The scales of two blocks of 32.
QUANT_INLINE float2 two_scales(__global const uchar *p, __global const uchar *q)
{
#if defined(WEIGHT_MXFP4)
    return (float2)(block_half_exponent(p), block_half_exponent(q));
#else
    return two_halves(p, q);
#endif
}
#endif

// Bits `shift` and above of 32 bytes as the first half, bits `shift + step` and above as the second.
QUANT_INLINE uint16 two_shifts(__global const uchar *p, const uint shift, const uint step, const uint mask)
{
    const uint8 bytes = words32(p);
    return (uint16)(bytes >> shift, bytes >> (shift + step)) & mask;
}

#ifdef BLOCK_TABLE
// The values that the quants of formats with a table stand for (blocks.cl), with the offset added.
#define TABLE_WORD(a, b, c, d)                                                                                         \
    (uint)((a) + QUANT_OFFSET) | (uint)((b) + QUANT_OFFSET) << 8 | (uint)((c) + QUANT_OFFSET) << 16                    \
        | (uint)((d) + QUANT_OFFSET) << 24
#if DOT_VARIANT == DOT_X86
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

// Formats whose 32 elements are the low halves of 16 bytes, then the high ones: the low halves of two blocks are
// unpacked together, so that the second and third 16 of QUANTS change places.
#if (WEIGHT_BLOCK_SIZE == 32 && !defined(WEIGHT_Q8_0)) || defined(WEIGHT_IQ4_XS)
#define QUANTS_CROSSED 1
#define CROSS_QUANTS(words) (words).s012389ab4567cdef
#else
#define QUANTS_CROSSED 0
#define CROSS_QUANTS(words) (words)
#endif

QUANT_INLINE uint16 crossed_nibbles(const uint4 first, const uint4 second)
{
    const uint8 bytes = (uint8)(first, second);
    return (uint16)(bytes & NIBBLES, (bytes >> 4) & NIBBLES);
}

// The fifth bits of two blocks as bytes of 0 or 16: a product puts four bits into the four bytes of a word.
QUANT_INLINE uint16 crossed_fifth_bits(const uint first, const uint second)
{
    const uint16 bits = (uint16)((uint4)(first), (uint4)(second), (uint4)(first), (uint4)(second));
    const uint16 quads = (bits >> (uint16)(0, 4, 8, 12, 0, 4, 8, 12, 16, 20, 24, 28, 16, 20, 24, 28)) & 15u;
    return ((quads * 0x00204081u) & 0x01010101u) << 4;
}

// ---- Quants: the `c`th QUANTS elements of a span, crossed where QUANTS_CROSSED. Those past `rest` are anything:
// activations are zero there.

#if defined(WEIGHT_INT8)
QUANT_INLINE uint16 unpack_quants(__global const uchar *span, const uint c, const uint rest)
{
    if (rest >= QUANTS)
        return (uint16)(words32(span), words32(span + 32)) ^ TOP_BITS;
    uchar bytes[64];
    for (uint i = 0; i < 64; ++i)
        bytes[i] = i < rest ? span[i] : 0;
    return (uint16)(as_uint4(vload16(0, bytes)), as_uint4(vload16(1, bytes)), as_uint4(vload16(2, bytes)),
                    as_uint4(vload16(3, bytes))) ^ TOP_BITS;
}
#elif defined(WEIGHT_Q8_0)
QUANT_INLINE uint16 unpack_quants(__global const uchar *span, const uint c, const uint rest)
{
    const uint8 second = rest < QUANTS ? (uint8)(0) : words32(span + WEIGHT_BLOCK_BYTES + 2);
    return (uint16)(words32(span + 2), second) ^ TOP_BITS;
}
#elif WEIGHT_BLOCK_SIZE == 32
QUANT_INLINE uint16 unpack_quants(__global const uchar *span, const uint c, const uint rest)
{
    __global const uchar *second = rest < QUANTS ? span : span + WEIGHT_BLOCK_BYTES;
    const uint16 quants = crossed_nibbles(
        words16(span + WEIGHT_BLOCK_BYTES - 16), words16(second + WEIGHT_BLOCK_BYTES - 16));
#if defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1)
    return quants
        | crossed_fifth_bits(word_at(span + WEIGHT_BLOCK_BYTES - 20), word_at(second + WEIGHT_BLOCK_BYTES - 20));
#elif defined(WEIGHT_IQ4_NL) || defined(WEIGHT_MXFP4)
    return look_up_table(quants);
#else
    return quants;
#endif
}
#else
#if defined(WEIGHT_TQ1_0)
// Products below 86, below 171 and above are trits of 0, 1 and 2 (blocks.cl).
QUANT_INLINE uint4 sixteen_trits(__global const uchar *block, const uint at)
{
    uchar16 products;
    if (at < 240) {
        products = vload16(0, block + trit_byte(at)) * (uchar)trit_power(at);
    } else {
        const uchar4 four = vload4(0, block + 48);
        products = (uchar16)(four, four * (uchar)3, four * (uchar)9, four * (uchar)27);
    }
    return as_uint4(-((products > (uchar16)(85)) + (products > (uchar16)(170))));
}
#endif
QUANT_INLINE uint16 unpack_quants(__global const uchar *block, const uint c, const uint rest)
{
#if defined(WEIGHT_Q2_K)
    return two_shifts(block + 16 + c / 2 * 32, c % 2 * 4, 2, 0x03030303u);
#elif defined(WEIGHT_TQ2_0)
    return two_shifts(block + c / 2 * 32, c % 2 * 4, 2, 0x03030303u);
#elif defined(WEIGHT_TQ1_0)
    return (uint16)(
        sixteen_trits(block, c * 64), sixteen_trits(block, c * 64 + 16), sixteen_trits(block, c * 64 + 32),
        sixteen_trits(block, c * 64 + 48));
#elif defined(WEIGHT_Q3_K)
    return two_shifts(block + 32 + c / 2 * 32, c % 2 * 4, 2, 0x03030303u)
        | two_shifts(block, 2 * c, 1, 0x01010101u) << 2;
#elif defined(WEIGHT_Q4_K)
    return two_shifts(block + 16 + c * 32, 0, 4, NIBBLES);
#elif defined(WEIGHT_Q5_K)
    return two_shifts(block + 48 + c * 32, 0, 4, NIBBLES) | two_shifts(block + 16, 2 * c, 1, 0x01010101u) << 4;
#elif defined(WEIGHT_Q6_K)
    __global const uchar *low = block + c / 2 * 64;
    return (((uint16)(words32(low), words32(low + 32)) >> (c % 2 * 4)) & NIBBLES)
        | two_shifts(block + 128 + c / 2 * 32, c % 2 * 4, 2, 0x03030303u) << 4;
#else
    return look_up_table(crossed_nibbles(words16(block + 8 + c * 32), words16(block + 24 + c * 32)));
#endif
}
#endif

// ---- Scales: lane g of `*scales` and, where there are any, `*minima`: those of a span's group g.

QUANT_INLINE void span_scales(
    __global const uchar *span, const uint rest, float16 *scales, float16 *minima)
{
    *minima = (float16)(0.0f);
#if defined(WEIGHT_INT8)
    *scales = (float16)(1.0f);
#elif WEIGHT_BLOCK_SIZE == 32
    __global const uchar *second = rest < QUANTS ? span : span + WEIGHT_BLOCK_BYTES;
    *scales = (float16)((float8)(two_scales(span, second), (float2)(0.0f), (float4)(0.0f)), (float8)(0.0f));
#if QUANT_MINIMA
    *minima = (float16)((float8)(two_halves(span + 2, second + 2), (float2)(0.0f), (float4)(0.0f)), (float8)(0.0f));
#endif
#elif defined(WEIGHT_TQ2_0)
    *scales = (float16)(two_halves(span + 64, span + 64).x);
#elif defined(WEIGHT_TQ1_0)
    *scales = (float16)(two_halves(span + 52, span + 52).x);
#elif defined(WEIGHT_Q2_K)
    const uint4 both = words16(span);
    const float2 factors = two_halves(span + 80, span + 82);
    *scales = convert_float16(as_uchar16(both & NIBBLES)) * factors.x;
    *minima = convert_float16(as_uchar16((both >> 4) & NIBBLES)) * -factors.y;
#elif defined(WEIGHT_Q3_K)
    const uint first = word_at(span + 96), second = word_at(span + 100), bits = word_at(span + 104);
    const uint4 low = (uint4)(first, second, first >> 4, second >> 4) & NIBBLES;
    const uint4 high = ((uint4)(bits, bits >> 2, bits >> 4, bits >> 6) & 0x03030303u) << 4;
    *scales = (convert_float16(as_uchar16(low | high)) - 32.0f) * two_halves(span + 108, span + 108).x;
#elif defined(WEIGHT_Q4_K) || defined(WEIGHT_Q5_K)
    const uint a = word_at(span + 4), b = word_at(span + 8), c = word_at(span + 12);
    const uint4 all = (uint4)(
        a & 0x3f3f3f3fu, (c & NIBBLES) | (a >> 2 & 0x30303030u), b & 0x3f3f3f3fu,
        (c >> 4 & NIBBLES) | (b >> 2 & 0x30303030u));
    const float16 values = convert_float16(as_uchar16(all));
    const float2 factors = two_halves(span, span + 2);
    *scales = values * factors.x;
    *minima = (float16)(values.hi, values.hi) * -factors.y;
#elif defined(WEIGHT_Q6_K)
    *scales = convert_float16(as_char16(words16(span + 192))) * two_halves(span + 208, span + 208).x;
#else
    const uint8 low = ((uint8)(word_at(span + 4)) >> (uint8)(0, 4, 8, 12, 16, 20, 24, 28)) & 15u;
    const uint bits = span[2] | span[3] << 8;
    const uint8 high = ((uint8)(bits) >> (uint8)(0, 2, 4, 6, 8, 10, 12, 14)) & 3u;
    const float8 values = (convert_float8(low | high << 4) - 32.0f) * two_halves(span, span).x;
    *scales = (float16)(values, values);
#endif
}

// Lane i: of the group that word i of the `c`th QUANTS belongs to.
QUANT_INLINE float16 spread_scales(const float16 groups, const uint c)
{
#if defined(WEIGHT_INT8)
    return groups;
#elif QUANT_GROUP == 16
    const float4 four = c == 0 ? groups.s0123 : c == 1 ? groups.s4567 : c == 2 ? groups.s89ab : groups.scdef;
    return four.xxxxyyyyzzzzwwww;
#else
    const float2 two = c == 0 ? groups.s01 : c == 1 ? groups.s23 : c == 2 ? groups.s45 : groups.s67;
    return QUANTS_CROSSED ? two.xxxxyyyyxxxxyyyy : two.xxxxxxxxyyyyyyyy;
#endif
}

// ---- Activations

// Rounds QUANTS elements, of which `count` are there, to quants of -127 to 127, four in a word. Lanes 4 i to 4 i + 3
// of `*scales`: the scale of the i'th 16; NaN where one of them is no finite number.
QUANT_INLINE uint16 quantise_int8(__global const float *x, const uint count, float16 *scales)
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
    *scales = (float16)((float4)(four[0]), (float4)(four[1]), (float4)(four[2]), (float4)(four[3]));
    return (uint16)(quants[0], quants[1], quants[2], quants[3]);
}

// The correction of the sums that weights need: the sum of the activations' quants times minus the offset, or times the
// scale.
QUANT_INLINE uint16 sum_corrections(const int16 sums, const float16 scales)
{
#if QUANT_MINIMA
    return as_uint16(convert_float16(sums) * scales);
#else
    return as_uint16(sums * -QUANT_OFFSET);
#endif
}
