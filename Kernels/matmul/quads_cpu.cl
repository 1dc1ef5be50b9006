// Adds to `integers`, lane by lane, the products of quads of weights' quants with quads of a token's:
//
//     sums = start_quads(integers)
//     sums = add_quads(sums, quants, token)     QUADS_TOGETHER times
//     integers = finish_quads(integers, sums)
//
// A lane is a row of a block of rows (row_blocks_cpu.cl). What is added is Σ (quant - QUADS_OFFSET) * token, for tokens
// of -127 to 127. Needs dot.cl, row_blocks_cpu.cl.

// Quads that have one scale.
#define PART_QUADS (QUANT_GROUP / 4u)

#if DOT_VARIANT == DOT_AVX2 && QUANT_BITS <= 5 && QUANT_OFFSET != 128
// Two products a lane of 16 bits at a time, which has room for 16 of up to 15 * 127, or for 8 of up to 31 * 127.
#define QUADS_TOGETHER (QUANT_BITS == 5 ? 4u : PART_QUADS)
#define QUADS_OFFSET 0
QUANT_INLINE uint16 start_quads(const int16 integers) { return (uint16)(0u); }
QUANT_INLINE uint16 add_quads(const uint16 sums, const uint16 quants, const uint16 token)
{
    return add_products_of_bytes(sums, quants, token);
}
QUANT_INLINE int16 finish_quads(const int16 integers, const uint16 sums)
{
    return integers + multiply_pairs(sums, (uint16)(0x00010001u));
}

#else
#define QUADS_TOGETHER PART_QUADS
QUANT_INLINE uint16 start_quads(const int16 integers) { return as_uint16(integers); }
QUANT_INLINE int16 finish_quads(const int16 integers, const uint16 sums) { return as_int16(sums); }
#if DOT_VARIANT != DOT_AVX2
#define QUADS_OFFSET 0
QUANT_INLINE uint16 add_quads(const uint16 sums, const uint16 quants, const uint16 token)
{
    return as_uint16(dot_i8(as_int16(sums), quants, token));
}
#elif QUANT_OFFSET != 128
// Two products of up to 63 * 127 fit 16 bits.
#define QUADS_OFFSET 0
QUANT_INLINE uint16 add_quads(const uint16 sums, const uint16 quants, const uint16 token)
{
    return as_uint16(dot_small_i8(as_int16(sums), quants, token));
}
#else
// Signed quants: magnitudes of up to 128 are multiplied with tokens that have taken on their signs.
#define QUADS_OFFSET 128
QUANT_INLINE uint16 add_quads(const uint16 sums, const uint16 quants, const uint16 token)
{
    const uint16 weights = quants ^ 0x80808080u;
    return as_uint16(dot_small_i8(as_int16(sums), apply_signs(weights, weights), apply_signs(token, weights)));
}
#endif
#endif
