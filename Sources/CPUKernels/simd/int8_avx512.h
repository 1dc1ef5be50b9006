// Integer products on AVX-512: a vector of 64 bytes is one register.
#pragma once
#include "int8_types.h"
#include <immintrin.h>

enum { REGISTER_LANES = VL };
typedef float vr __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int32_t vri __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int16_t vr_16 __attribute__((vector_size(REGISTER_LANES * 4)));

INLINE vr splat_r(float x) { return splat(x); }
// The registers of a vector, joined.
INLINE vi join_r(const vri *parts) { return parts[0]; }

// Sums of the products of two unsigned with two signed bytes, saturated in 16 bits.
INLINE vr_16 multiply_r(vri quants, vri integers) {
    return (vr_16)_mm512_maddubs_epi16((__m512i)quants, (__m512i)integers);
}
// Sums of two products of 16 bits.
INLINE vri multiply_16_r(vr_16 a, vr_16 b) { return (vri)_mm512_madd_epi16((__m512i)a, (__m512i)b); }

// The same under the names that all targets have, and the sums of two such sums.
INLINE vpairs multiply_bytes(vq quants, vq integers) { return (vpairs)multiply_r((vri)quants, (vri)integers); }
INLINE vi add_pairs(vpairs pairs) { return multiply_16_r((vr_16)pairs, (vr_16){0} + 1); }

// Looks up the low four bits of each quant in a table. The high bits are zero.
INLINE vq look_up(q16 table, vq quants) {
    return (vq)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)quants);
}

// `value` in each byte whose bit is set.
INLINE vq spread_bits(uint32_t low, uint32_t high, const int value) {
    return (vq)_mm512_maskz_set1_epi8(low | (uint64_t)high << 32, (char)value);
}

// The first `count` bytes, fewer than a vector; the rest zero.
INLINE vq load_part_q(const void *p, int64_t count) { return (vq)_mm512_maskz_loadu_epi8((1ull << count) - 1, p); }

// Rounds to nearest, ties to even. What does not fit a 32-bit integer becomes the smallest one.
INLINE vi round_v(vf x) { return (vi)_mm512_cvtps_epi32(x); }

// Whether a lane of a comparison holds.
INLINE bool any_v(vi mask) { return _mm512_movepi32_mask((__m512i)mask) != 0; }

// To 8 bits each, saturated.
INLINE q16 narrow(vi x) { return (q16)_mm512_cvtsepi32_epi8((__m512i)x); }

// Four vectors to 8 bits each, unsigned and saturated.
INLINE vq narrow_four(vi a, vi b, vi c, vi d) {
    const __m512i low = _mm512_packus_epi32((__m512i)a, (__m512i)b), high = _mm512_packus_epi32((__m512i)c, (__m512i)d);
    // Packing leaves four lanes of each vector side by side.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return (vq)_mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
}

// To 8 bits each, unsigned; 255 for negative numbers and larger ones.
INLINE q16 narrow_unsigned(vi x) { return (q16)_mm512_cvtusepi32_epi8((__m512i)x); }

INLINE vq with_signs(vq integers, vq quants) {
    const __mmask64 negative = _mm512_movepi8_mask((__m512i)quants);
    return (vq)_mm512_mask_sub_epi8((__m512i)integers, negative, _mm512_setzero_si512(), (__m512i)integers);
}

#if defined(SIMD_VNNI)
enum { HAS_DOT_QUADS = 1, DOT_IS_SIGNED = 0 };
INLINE vri dot_r(vri sums, vri quants, vri integers) {
    return (vri)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)quants, (__m512i)integers);
}
INLINE vi dot_quads(vi sums, vq quants, vq integers) { return dot_r(sums, (vri)quants, (vri)integers); }
#else
enum { HAS_DOT_QUADS = 0, DOT_IS_SIGNED = 0 };
INLINE vri dot_r(vri sums, vri quants, vri integers) {
    return sums + multiply_16_r(multiply_r(quants, integers), (vr_16){0} + 1);
}
INLINE vi dot_quads(vi sums, vq quants, vq integers) { return dot_r(sums, (vri)quants, (vri)integers); }
#endif

// With 32 registers the compiler's own order is good (compare int8_avx2.h).
INLINE void keep_r(vri *sum) { (void)sum; }
#define KEEP_ORDER(sums)
