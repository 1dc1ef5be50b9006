// Activations as quants of int8 with a scale for as many as the weights of a row of a group have one for (QUANT_GROUP),
// for products with blocks of rows (row_blocks_cpu.cl).
//
// A token, features rounded up to whole QUANTS with zeros: PADDED_INPUTS / 4 words of quants, then for each 16 features
// their scale, then for each 16 their correction; where 32 have one, it is there twice. Needs dot.cl, quads_cpu.cl.
#define QUANTS 64u
#define PADDED_INPUTS ((inputs + QUANTS - 1) / QUANTS * QUANTS)
#define QUANTISED_SCALES (PADDED_INPUTS / 4)
#define QUANTISED_CORRECTIONS (QUANTISED_SCALES + PADDED_INPUTS / 16)
#define QUANTISED_WORDS (QUANTISED_CORRECTIONS + PADDED_INPUTS / 16)

// Vectors of 16 features that have one scale.
#define QUANT_VECTORS (QUANT_GROUP / 16u)

// The second size of steps, as a factor of the first's values.
#define SECOND_STEPS (125.5f / 127.0f)
// 1.5 * 2^23: numbers of its size have no fraction.
#define TO_WHOLE 12582912.0f

// Rounds QUANTS features, of which `count` are there, to quants of -127 to 127, four in a word. `*scales`: of each 16;
// NaN where one of them is no finite number. `*corrections`: what the weights' offset or minima need, the sum of a
// scale's quants times minus the offset, or times the scale.
//
// Values are rounded in steps of the largest magnitude over 127 or over 125.5, whichever leaves the smaller squares;
// the scale is then the one nearest to them in least squares (Sources/CPUKernels/kernels/scale_fit_int8.inl).
QUANT_INLINE uint16 quantise_int8(__global const float *x, const uint count, float4 *scales, uint4 *corrections)
{
    uint4 quants[4];
    float four[4];
    #pragma unroll
    for (uint i = 0; i < 4; i += QUANT_VECTORS) {
        float16 part[QUANT_VECTORS];
        uint16 bits = (uint16)(0u);
        #pragma unroll
        for (uint j = 0; j < QUANT_VECTORS; ++j) {
            const uint at = (i + j) * 16;
            part[j] = at < count ? load_partial16(x + at, count - at) : (float16)(0.0f);
            // Magnitudes are ordered as integers too, and NaN is the largest.
            bits = max(bits, as_uint16(part[j]) & 0x7fffffffu);
        }
        const uint8 a = max(bits.lo, bits.hi);
        const uint4 b = max(a.lo, a.hi);
        const uint2 c = max(b.lo, b.hi);
        const float step = quant_scale(as_float(max(c.x, c.y))), inverse = quant_inverse(step);
        float16 energy = (float16)(0.0f), products[2], squares[2];
        products[0] = products[1] = squares[0] = squares[1] = energy;
        #pragma unroll
        for (uint j = 0; j < QUANT_VECTORS; ++j) {
            part[j] *= inverse;
            energy = fma(part[j], part[j], energy);
            #pragma unroll
            for (uint s = 0; s < 2; ++s) {
                const float16 exact = s == 0 ? part[j] : part[j] * SECOND_STEPS;
                const float16 whole = exact + TO_WHOLE - TO_WHOLE, rest = exact - whole;
                products[s] = fma(rest, whole, products[s]);
                squares[s] = fma(rest, rest, squares[s]);
            }
        }
        const float total = sum16(energy);
        const float2 factors = (float2)(1.0f, SECOND_STEPS), square = (float2)(sum16(squares[0]), sum16(squares[1]));
        const float2 product = (float2)(sum16(products[0]), sum16(products[1]));
        const float2 moves = product / (total * factors * factors - 2.0f * product - square);
        const float2 left = (square - product * moves) / (factors * factors);
        const bool is_second = left.y < left.x;
        const float factor = is_second ? SECOND_STEPS : 1.0f, moved = is_second ? moves.y : moves.x;
        #pragma unroll
        for (uint j = 0; j < QUANT_VECTORS; ++j) {
            // The lowest bits of the sum are the nearest integer.
            quants[i + j] = as_uint4(convert_uchar16(as_uint16(part[j] * factor + TO_WHOLE) & 255u));
            four[i + j] = total > 0.0f ? step / factor * (1.0f + moved) : step;
        }
    }
    const uint16 all = (uint16)(quants[0], quants[1], quants[2], quants[3]);
    *scales = (float4)(four[0], four[1], four[2], four[3]);
    const int16 quads = dot_i8((int16)(0), (uint16)(0x01010101u), all);
    const int8 pairs = quads.even + quads.odd;
    const int4 each = pairs.even + pairs.odd, sums = QUANT_VECTORS == 2 ? each + each.yxwz : each;
#if QUANT_MINIMA
    *corrections = as_uint4(convert_float4(sums) * *scales);
#else
    *corrections = as_uint4(sums * -(QUANT_OFFSET - QUADS_OFFSET));
#endif
    return all;
}
