// Integer products on AVX2. A vector of 64 bytes is two registers, and operations that AVX2 lacks take several
// instructions.
#pragma once
#include "int8_types.h"
#include <immintrin.h>

enum { REGISTER_LANES = VL / 2 };
typedef float vr __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int32_t vri __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int16_t vr_16 __attribute__((vector_size(REGISTER_LANES * 4)));

INLINE vr splat_r(float x) { return (vr){x, x, x, x, x, x, x, x}; }
// The registers of a vector, joined.
INLINE vi join_r(const vri *parts) { return (vi)both((q32)parts[0], (q32)parts[1]); }

// Sums of the products of two unsigned with two signed bytes, saturated in 16 bits.
INLINE vr_16 multiply_r(vri quants, vri integers) {
    return (vr_16)_mm256_maddubs_epi16((__m256i)quants, (__m256i)integers);
}
// Sums of two products of 16 bits.
INLINE vri multiply_16_r(vr_16 a, vr_16 b) { return (vri)_mm256_madd_epi16((__m256i)a, (__m256i)b); }

// Applies an instruction to both halves of a vector.
#define BY_HALVES(instruction, a, b) \
    both((q32)instruction((__m256i)low_half(a), (__m256i)low_half(b)), \
         (q32)instruction((__m256i)high_half(a), (__m256i)high_half(b)))

// The same for 64 bytes, and the sums of two such sums.
INLINE vpairs multiply_bytes(vq quants, vq integers) {
    return (vpairs)BY_HALVES(_mm256_maddubs_epi16, quants, integers);
}
INLINE vi add_pairs(vpairs pairs) { return (vi)BY_HALVES(_mm256_madd_epi16, (vq)pairs, (vq)((vpairs){0} + 1)); }

// Looks up the low four bits of each quant in a table. The high bits are zero.
INLINE vq look_up(q16 table, vq quants) { return BY_HALVES(_mm256_shuffle_epi8, twice_each(table, table), quants); }

// `value` in each byte whose bit is set.
INLINE vq spread_bits(uint32_t low, uint32_t high, const int value) {
    const __m256i places = _mm256_setr_epi64x(
        0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i a = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)low), places), bits);
    const __m256i b = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)high), places), bits);
    return both((q32)_mm256_cmpeq_epi8(a, bits), (q32)_mm256_cmpeq_epi8(b, bits)) & splat_q(value);
}

// The first `count` bytes, fewer than a vector; the rest zero.
INLINE vq load_part_q(const void *p, int64_t count) {
    vq x = {0};
    memcpy(&x, p, (size_t)count);
    return x;
}

// Rounds to nearest, ties to even. What does not fit a 32-bit integer becomes the smallest one.
INLINE vi round_v(vf x) {
    const q32 low = low_half((vq)x), high = high_half((vq)x);
    return (vi)both((q32)_mm256_cvtps_epi32((__m256)low), (q32)_mm256_cvtps_epi32((__m256)high));
}

// To 8 bits each, saturated.
INLINE q16 narrow(vi x) {
    const __m256i pairs = _mm256_packs_epi32((__m256i)low_half((vq)x), (__m256i)high_half((vq)x));
    const __m256i in_order = _mm256_permute4x64_epi64(pairs, 0xd8);
    return (q16)_mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1));
}

// Whether a lane of a comparison holds.
INLINE bool any_v(vi mask) {
    return _mm256_movemask_epi8(_mm256_or_si256((__m256i)low_half((vq)mask), (__m256i)high_half((vq)mask))) != 0;
}

// To 16 bits each, unsigned and saturated.
INLINE vh narrow_16(vi x) {
    const __m256i pairs = _mm256_packus_epi32((__m256i)low_half((vq)x), (__m256i)high_half((vq)x));
    return (vh)_mm256_permute4x64_epi64(pairs, 0xd8);
}

// To 8 bits each, unsigned, of numbers below 32,768.
INLINE q16 narrow_unsigned(vi x) {
    const __m256i words = (__m256i)narrow_16(x);
    return (q16)_mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
INLINE vq narrow_four(vi a, vi b, vi c, vi d) {
    return both(both_16(narrow_unsigned(a), narrow_unsigned(b)), both_16(narrow_unsigned(c), narrow_unsigned(d)));
}

// Sixteen signed bytes as 16 bits each.
INLINE vri widen_16_r(const void *p) { return (vri)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)); }

INLINE vq with_signs(vq integers, vq quants) { return BY_HALVES(_mm256_sign_epi8, integers, quants); }

#if defined(SIMD_VNNI)
enum { HAS_DOT_QUADS = 1, DOT_IS_SIGNED = 0 };
INLINE vri dot_r(vri sums, vri quants, vri integers) {
    return (vri)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)quants, (__m256i)integers);
}
INLINE vi dot_quads(vi sums, vq quants, vq integers) {
    const vri low = dot_r((vri)low_half((vq)sums), (vri)low_half(quants), (vri)low_half(integers));
    const vri high = dot_r((vri)high_half((vq)sums), (vri)high_half(quants), (vri)high_half(integers));
    return (vi)both((q32)low, (q32)high);
}
#else
enum { HAS_DOT_QUADS = 0, DOT_IS_SIGNED = 0 };
INLINE vri dot_r(vri sums, vri quants, vri integers) {
    return sums + multiply_16_r(multiply_r(quants, integers), (vr_16){0} + 1);
}
INLINE vi dot_quads(vi sums, vq quants, vq integers) {
    return sums + add_pairs(multiply_bytes(quants, integers));
}
#endif

// Completes a sum before what follows. Else the compiler takes sums of several steps apart, for which there are no
// registers.
INLINE void keep_r(vri *sum) { __asm__("" : "+x"(*sum)); }

// Computes all eight sums of a tile before what follows, which the compiler may not move before them. Otherwise it
// would go through a tile row by row, and load the tokens anew for each row, since 16 registers do not hold them.
#define KEEP_ORDER(sums)                                                                                              \
    __asm__(                                                                                                          \
        "" : "+x"(sums[0]), "+x"(sums[1]), "+x"(sums[2]), "+x"(sums[3]), "+x"(sums[4]), "+x"(sums[5]),                \
        "+x"(sums[6]), "+x"(sums[7]))
