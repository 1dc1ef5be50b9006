// Quants of weights for products of integers: unpacked to unsigned bytes, with the scales that belong to them:
//     w = scale * (quant - offset)   or   w = scale * quant + minimum
// with a scale (and minimum) for each group of 16 or 32 values. Quants of 8 bits are given an offset of 128, so that
// they are unsigned, where there is an instruction for unsigned ones only; they stay signed where it takes signed ones,
// and where there is none and sums of such quants would not be exact. Layouts: ggml-quants.c of ggml; their sizes are
// those of the table (NumberFormats.h).
#pragma once
#include "../include/CPUKernels.h"
#include "../simd/int8.h"

/// The quants of one vector of 64 bytes.
enum { QUANTS = 64 };

/// The formats whose quants can be unpacked. Others are dequantised and multiplied as floats.
#define FOR_EACH_FORMAT_OF_QUANTS(X)                                                                                  \
    X(I8) X(Q8_0) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS) \
    X(MXFP4) X(TQ2_0) X(TQ1_0)

INLINE bool has_quants(const int format) {
    switch (format) {
#define CASE(ID) case CPUK_##ID:
        FOR_EACH_FORMAT_OF_QUANTS(CASE) return true;
#undef CASE
    default: return false;
    }
}

/// How many values share a scale: 16 or 32. Where more do, as in a row of I8, the scale is repeated for each 32.
INLINE int group_of(const int format) { return number_format_group_size(format) == 16 ? 16 : 32; }

/// Values that are unpacked together, a span: a block of 256, or the QUANTS of two blocks of 32.
INLINE int span_of(const int format) { return number_format_block_size(format) == 256 ? 256 : QUANTS; }

INLINE int64_t span_bytes(const int format) {
    return span_of(format) / number_format_block_size(format) * number_format_block_bytes(format);
}

INLINE bool has_minimum(const int format) { return number_format_has_minima(format); }

/// Whether minima are applied once for a span, by sums of activations in the order of its groups.
INLINE bool has_span_minima(const int format) { return has_minimum(format) && span_of(format) == 256; }

/// Whether quants use all 8 bits.
INLINE bool has_8_bit_quants(const int format) { return number_format_quant_offset(format) == 128; }

/// Added to signed quants of 8 bits: 128 makes them unsigned.
enum { OFFSET_OF_8_BITS = HAS_DOT_QUADS && !DOT_IS_SIGNED ? 128 : 0 };

/// The offset of a format: what is subtracted from its unpacked quants.
INLINE int quant_offset(const int format) {
    return has_8_bit_quants(format) ? OFFSET_OF_8_BITS : number_format_quant_offset(format);
}

/// How many vectors of products of two quants with two integers up to 127 a 16-bit sum holds: quants of 8 bits are up
/// to 128, others up to 63, 31 (in MXFP4 24) or 15.
INLINE int pairs_in_16_bits(const int format) {
    if (has_8_bit_quants(format)) return 1;
    switch (format) {
    case CPUK_Q6_K: return 2;
    case CPUK_Q5_0: case CPUK_Q5_1: case CPUK_Q5_K: case CPUK_MXFP4: return 4;
    default: return 8;
    }
}

INLINE uint16_t read_u16(const uint8_t *p) { uint16_t x; memcpy(&x, p, sizeof x); return x; }
INLINE uint32_t read_u32(const uint8_t *p) { uint32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE uint64_t read_u64(const uint8_t *p) { uint64_t x; memcpy(&x, p, sizeof x); return x; }

// ---- Quants

// Bytes shifted right by the bits that `shifts` has for eight of them together. `mask` clears the bits that come in
// from their neighbours.
INLINE vq shifted(vq bytes, vq_64 shifts, const int mask) { return (vq)((vq_64)bytes >> shifts) & splat_q(mask); }

// Quants of two blocks: the low halves of the first one's 16 bytes, then their high halves; then those of the second.
INLINE vq nibbles(const uint8_t *first, const uint8_t *second) {
    return shifted(twice_each(read_16(first), read_16(second)), (vq_64){0, 0, 4, 4, 0, 0, 4, 4}, 15);
}

// The values that the quants of IQ4_NL and IQ4_XS name.
INLINE vq look_up_iq4(vq quants) {
    typedef int8_t table_16 __attribute__((vector_size(16)));
    const table_16 table = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return look_up((q16)table + (uint8_t)OFFSET_OF_8_BITS, quants);
}

// Twice the values of E2M1, which the quants of MXFP4 are, and the format's offset: 12.
INLINE vq look_up_e2m1(vq quants) {
    return look_up((q16){12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0}, quants);
}

INLINE vq with_fifth_bits(vq quants, const uint8_t *first, const uint8_t *second) {
    return quants | spread_bits(read_u32(first), read_u32(second), 16);
}

// Two blocks of 32 values.
INLINE vq unpack_blocks_of_32(const int format, const uint8_t *first, const uint8_t *second) {
    switch (format) {
    case CPUK_Q8_0: return both(read_32(first + 2), read_32(second + 2)) ^ splat_q(OFFSET_OF_8_BITS);
    case CPUK_Q4_0: return nibbles(first + 2, second + 2);
    case CPUK_Q4_1: return nibbles(first + 4, second + 4);
    case CPUK_Q5_0: return with_fifth_bits(nibbles(first + 6, second + 6), first + 2, second + 2);
    case CPUK_Q5_1: return with_fifth_bits(nibbles(first + 8, second + 8), first + 4, second + 4);
    case CPUK_IQ4_NL: return look_up_iq4(nibbles(first + 2, second + 2));
    case CPUK_MXFP4: return look_up_e2m1(nibbles(first + 1, second + 1));
    default: return splat_q(0);
    }
}

// Bits `shift` and above of 32 bytes as the first half, bits `shift + step` and above as the second.
INLINE vq two_shifts(const uint8_t *p, int shift, const int step, const int mask) {
    const uint64_t a = (uint64_t)shift, b = (uint64_t)(shift + step);
    return shifted(both(read_32(p), read_32(p)), (vq_64){a, a, a, a, b, b, b, b}, mask);
}

// A byte holds the two high bits of four quants. One shift brings those of the first half to bits 4 and 5, another
// those of the second.
INLINE vq unpack_q6_k(const uint8_t *block, int c) {
    const q32 bits = read_32(block + 128 + c / 2 * 32);
    const vq low = load_q(block + c / 2 * 64), high = both(bits, bits);
    if (c % 2 == 1)
        return ((vq)((vq_16)low >> 4) & splat_q(15)) | shifted(high, (vq_64){0, 0, 0, 0, 2, 2, 2, 2}, 0x30);
    const vq left = (vq)((vq_64)high << (vq_64){4, 4, 4, 4, 2, 2, 2, 2});
    return (low & splat_q(15)) | (left & splat_q(0x30));
}

// Trits of TQ1_0 (dequantise.h): the byte of each, times a power of 3, of which 8 bits stay, is below 86, below 171 or
// above.
INLINE vq unpack_tq1_0(const uint8_t *block, int c) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    uint8_t products[QUANTS];
    for (int j = 0; j < QUANTS; j++) {
        const int i = c * QUANTS + j;
        products[j] = (uint8_t)(i < 160 ? block[i % 32] * powers[i / 32]
                                : i < 240 ? block[32 + i % 16] * powers[(i - 160) / 16]
                                          : block[48 + i % 4] * powers[(i - 240) / 4]);
    }
    const vq all = load_q(products);
    return (vq){0} - (vq)(all > splat_q(85)) - (vq)(all > splat_q(170));
}

// The `c`th QUANTS of a block of 256.
INLINE vq unpack_block_of_256(const int format, const uint8_t *block, int c) {
    switch (format) {
    case CPUK_Q2_K: return two_shifts(block + 16 + c / 2 * 32, c % 2 * 4, 2, 3);
    case CPUK_TQ2_0: return two_shifts(block + c / 2 * 32, c % 2 * 4, 2, 3);
    case CPUK_TQ1_0: return unpack_tq1_0(block, c);
    case CPUK_Q3_K: {
        const vq low = two_shifts(block + 32 + c / 2 * 32, c % 2 * 4, 2, 3);
        return low | (vq)((vq_16)two_shifts(block, 2 * c, 1, 1) << 2);
    }
    case CPUK_Q4_K: return two_shifts(block + 16 + c * 32, 0, 4, 15);
    case CPUK_Q5_K: {
        const vq low = two_shifts(block + 48 + c * 32, 0, 4, 15);
        return low | (vq)((vq_16)two_shifts(block + 16, 2 * c, 1, 1) << 4);
    }
    case CPUK_IQ4_XS: return look_up_iq4(nibbles(block + 8 + c * 32, block + 24 + c * 32));
    case CPUK_Q6_K: return unpack_q6_k(block, c);
    default: return splat_q(0);
    }
}

// The `c`th QUANTS of a span of which only `rest` values are there. The others are zero, or equal to the offset.
INLINE vq unpack_quants(const int format, const uint8_t *span, int c, int64_t rest) {
    if (span_of(format) == 256) return unpack_block_of_256(format, span, c);
    if (format == CPUK_I8) return (rest >= QUANTS ? load_q(span) : load_part_q(span, rest)) ^ splat_q(OFFSET_OF_8_BITS);
    if (rest >= QUANTS) return unpack_blocks_of_32(format, span, span + span_bytes(format) / 2);
    return both(low_half(unpack_blocks_of_32(format, span, span)), (q32){0});
}

// ---- Scales

typedef struct {
    /// Lane g belongs to the span's group g. Lanes past the last group are unspecified.
    vf scales, minima;
} span_scales;

INLINE vf from_bytes(uint64_t low, uint64_t high) {
    typedef uint64_t two_words __attribute__((vector_size(16)));
    return __builtin_convertvector(__builtin_convertvector((q16)(two_words){low, high}, vi), vf);
}

INLINE float half_at(const uint8_t *p) { _Float16 x; memcpy(&x, p, sizeof x); return (float)x; }

// Four binary16 numbers.
INLINE floats_4 from_four_halves(uint32_t first, uint32_t second) {
    typedef uint32_t words_2 __attribute__((vector_size(8)));
    typedef _Float16 halves_4 __attribute__((vector_size(8)));
    return __builtin_convertvector((halves_4)(words_2){first, second}, floats_4);
}

#define FOUR(n) n, n, n, n

// Scales and minima of Q4_K and Q5_K: 6 bits each, eight of each, behind the binary16 factors of both. Those of the
// last four groups have their upper two bits where the first four leave room.
INLINE span_scales scales_6_bit(const uint8_t *block) {
    typedef uint16_t pairs_8 __attribute__((vector_size(16)));
    const q16 head = read_16(block), none = {0};
    const words_4 low_bytes = (words_4)__builtin_shufflevector(
        head, head, 4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    const pairs_8 high_bytes = (pairs_8)__builtin_shufflevector(
        head, none, FOUR(16), 4, 5, 6, 7, FOUR(16), 8, 9, 10, 11);
    const words_4 low = low_bytes >> (words_4){0, 0, 0, 4}
                        & (words_4){0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f};
    const words_4 high = (words_4)(high_bytes >> 2) & 0x30303030u;
    const vi integers = __builtin_convertvector((q16)(low | high), vi);
    const floats_4 factors = from_four_halves(read_u32(block), 0);
    const vf all = __builtin_convertvector(integers, vf)
        * __builtin_shufflevector(factors, factors, FOUR(0), FOUR(0), FOUR(1), FOUR(1));
    return (span_scales){all, -__builtin_shufflevector(all, all, NUMBERS_8(8), NUMBERS_8(8))};
}

INLINE span_scales scales_q3_k(const uint8_t *block) {
    const uint64_t low = read_u64(block + 96), bits = read_u32(block + 104), mask = 0x0f0f0f0f0f0f0f0full;
    const uint64_t first = ((bits & 0x03030303u) << 4) | ((bits >> 2 & 0x03030303u) << 36);
    const uint64_t second = ((bits >> 4 & 0x03030303u) << 4) | ((bits >> 6 & 0x03030303u) << 36);
    return (span_scales){
        .scales = (from_bytes((low & mask) | first, (low >> 4 & mask) | second) - 32.0f) * half_at(block + 108)};
}

// A scale of 6 bits: four in one half of a byte, two in a quarter of another.
INLINE span_scales scales_iq4_xs(const uint8_t *block) {
    typedef int32_t lanes_8 __attribute__((vector_size(32)));
    typedef float floats_8 __attribute__((vector_size(32)));
    const lanes_8 fours = {0, 4, 8, 12, 16, 20, 24, 28}, twos = {0, 2, 4, 6, 8, 10, 12, 14};
    const lanes_8 low = (((lanes_8){0} + (int32_t)read_u32(block + 4)) >> fours) & 15;
    const lanes_8 high = (((lanes_8){0} + read_u16(block + 2)) >> twos) & 3;
    const floats_8 scales = (__builtin_convertvector(low | high << 4, floats_8) - 32.0f) * half_at(block);
    return (span_scales){.scales = __builtin_shufflevector(scales, scales, NUMBERS_8(0), NUMBERS_8(0))};
}

// Four binary16 numbers in the first lanes.
INLINE vf from_halves(uint32_t first, uint32_t second) {
    const floats_4 all = from_four_halves(first, second);
    return __builtin_shufflevector(all, all, 0, 1, 2, 3, FOUR(0), FOUR(0), FOUR(0));
}

// Half of the power of two that an E8M0 byte stands for; the first two are subnormal.
INLINE float half_exponent_at(const uint8_t *p) {
    const uint32_t bits = *p < 2 ? 0x00200000u << *p : (uint32_t)(*p - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE span_scales scales_of(const int format, const uint8_t *span, int64_t rest) {
    const uint8_t *second = span + span_bytes(format) / 2;
    switch (format) {
    case CPUK_I8: return (span_scales){.scales = splat(1)};
    case CPUK_Q4_1: case CPUK_Q5_1: {
        const vf all = from_halves(read_u32(span), rest < QUANTS ? 0 : read_u32(second));
        return (span_scales){
            __builtin_shufflevector(all, all, 0, 2, 0, 2, FOUR(0), FOUR(0), FOUR(0)),
            __builtin_shufflevector(all, all, 1, 3, 1, 3, FOUR(0), FOUR(0), FOUR(0))};
    }
    case CPUK_Q2_K: {
        const uint64_t a = read_u64(span), b = read_u64(span + 8), mask = 0x0f0f0f0f0f0f0f0full;
        return (span_scales){
            from_bytes(a & mask, b & mask) * half_at(span + 80),
            from_bytes(a >> 4 & mask, b >> 4 & mask) * -half_at(span + 82)};
    }
    case CPUK_Q3_K: return scales_q3_k(span);
    case CPUK_Q4_K: case CPUK_Q5_K: return scales_6_bit(span);
    case CPUK_Q6_K: {
        typedef int8_t scales_16 __attribute__((vector_size(16)));
        const vi integers = __builtin_convertvector((scales_16)read_16(span + 192), vi);
        return (span_scales){.scales = __builtin_convertvector(integers, vf) * half_at(span + 208)};
    }
    case CPUK_IQ4_XS: return scales_iq4_xs(span);
    case CPUK_MXFP4: {
        vf scales = splat(0);
        scales[0] = half_exponent_at(span);
        if (rest >= QUANTS) scales[1] = half_exponent_at(second);
        return (span_scales){.scales = scales};
    }
    case CPUK_TQ2_0: return (span_scales){.scales = splat(half_at(span + 64))};
    case CPUK_TQ1_0: return (span_scales){.scales = splat(half_at(span + 52))};
    default: {
        const uint32_t other = rest < QUANTS ? 0 : read_u16(second);
        return (span_scales){.scales = from_halves(read_u16(span) | other << 16, 0)};
    }
    }
}

// The scales of groups, one for each quad: lane i belongs to the group of values 4 i to 4 i + 3 of the `c`th QUANTS.
INLINE vf spread_scales(const int format, vf groups, const int c) {
#define BY_16(c) __builtin_shufflevector(groups, groups, FOUR(4 * c), FOUR(4 * c + 1), FOUR(4 * c + 2), FOUR(4 * c + 3))
#define BY_32(c) __builtin_shufflevector(groups, groups, FOUR(2 * c), FOUR(2 * c), FOUR(2 * c + 1), FOUR(2 * c + 1))
    if (format == CPUK_I8) return groups;
    switch (c) {
    case 0: return group_of(format) == 16 ? BY_16(0) : BY_32(0);
    case 1: return group_of(format) == 16 ? BY_16(1) : BY_32(1);
    case 2: return group_of(format) == 16 ? BY_16(2) : BY_32(2);
    default: return group_of(format) == 16 ? BY_16(3) : BY_32(3);
    }
}
