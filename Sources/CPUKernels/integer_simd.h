// Vectors of 64 bytes for products of 8-bit integers, where clang's vector extensions have no operator. With AVX2 a
// vector is two registers. Included after simd.h by kernels_<isa>.c, which defines HAS_AVX512, and HAS_DPBUSD for
// an instruction that adds products of four unsigned with four signed bytes to 32-bit sums.
//
// Without it the products of two bytes are added in 16 bits, saturated: exact for levels up to 128 with integers of
// -127 to 127.
#pragma once

_Static_assert(VL == 16, "vectors of 64 bytes");

/// Levels, unsigned or signed.
typedef uint8_t vq __attribute__((vector_size(64)));
typedef uint8_t vq_unaligned __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint16_t vq_16 __attribute__((vector_size(64)));
typedef uint64_t vq_64 __attribute__((vector_size(64)));
/// Sums of products of two bytes.
typedef int16_t vpairs __attribute__((vector_size(64)));
typedef uint8_t q16 __attribute__((vector_size(16)));
typedef uint8_t q16_unaligned __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t q32 __attribute__((vector_size(32)));
typedef uint8_t q32_unaligned __attribute__((vector_size(32), aligned(1), may_alias));

INLINE vq load_q(const void *p) { return *(const vq_unaligned *)p; }
INLINE void store_q(void *p, vq x) { *(vq_unaligned *)p = x; }
INLINE q16 read_16(const uint8_t *p) { return *(const q16_unaligned *)p; }
INLINE q32 read_32(const uint8_t *p) { return *(const q32_unaligned *)p; }

#define NUMBERS_8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define NUMBERS_16(n) NUMBERS_8(n), NUMBERS_8(n + 8)
#define NUMBERS_32(n) NUMBERS_16(n), NUMBERS_16(n + 16)
INLINE vq both(q32 low, q32 high) { return __builtin_shufflevector(low, high, NUMBERS_32(0), NUMBERS_32(32)); }
INLINE q32 low_half(vq x) { return __builtin_shufflevector(x, x, NUMBERS_32(0)); }
INLINE q32 high_half(vq x) { return __builtin_shufflevector(x, x, NUMBERS_32(32)); }
/// Each of them twice.
INLINE vq twice_each(q16 first, q16 second) {
    return __builtin_shufflevector(first, second, NUMBERS_16(0), NUMBERS_16(0), NUMBERS_16(16), NUMBERS_16(16));
}

// ---- One register, of which products of many tokens need as many as there are

enum { REGISTER_LANES = HAS_AVX512 ? VL : VL / 2 };
typedef float vr __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int32_t vri __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int16_t vr_16 __attribute__((vector_size(REGISTER_LANES * 4)));
typedef float vr_unaligned __attribute__((vector_size(REGISTER_LANES * 4), aligned(1), may_alias));

INLINE vr load_r(const void *p) { return *(const vr_unaligned *)p; }
INLINE void store_r(void *p, vr x) { *(vr_unaligned *)p = x; }
INLINE vri splat_ri(int32_t x) { return (vri){0} + x; }
INLINE vr splat_r(float x) {
#if HAS_AVX512
    return splat(x);
#else
    return (vr){x, x, x, x, x, x, x, x};
#endif
}
INLINE vr fma_r(vr a, vr b, vr c) { return __builtin_elementwise_fma(a, b, c); }

#if HAS_DPBUSD
// Adds the products of each quad of levels, unsigned, with its integers.
INLINE vri dot_r(vri sums, vri levels, vri integers) {
#if HAS_AVX512
    return (vri)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)levels, (__m512i)integers);
#else
    return (vri)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)levels, (__m256i)integers);
#endif
}
#else
// Sums of two products each.
INLINE vr_16 multiply_r(vri levels, vri integers) {
#if HAS_AVX512
    return (vr_16)_mm512_maddubs_epi16((__m512i)levels, (__m512i)integers);
#else
    return (vr_16)_mm256_maddubs_epi16((__m256i)levels, (__m256i)integers);
#endif
}
INLINE vri multiply_16_r(vr_16 a, vr_16 b) {
#if HAS_AVX512
    return (vri)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#else
    return (vri)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#endif
}
#endif

// ---- Two of AVX2

INLINE vq splat_q(const int x) { return (vq){0} + (uint8_t)x; }

// What an instruction of AVX2 on half a vector makes of both.
#define BY_HALVES(instruction, a, b) \
    both((q32)instruction((__m256i)low_half(a), (__m256i)low_half(b)), \
         (q32)instruction((__m256i)high_half(a), (__m256i)high_half(b)))

// The entries of a table that the low four bits of each level name; the high ones are zero.
INLINE vq look_up(q16 table, vq levels) {
#if HAS_AVX512
    return (vq)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)levels);
#else
    return BY_HALVES(_mm256_shuffle_epi8, twice_each(table, table), levels);
#endif
}

// `value` in each byte whose bit is set.
INLINE vq spread_bits(uint32_t low, uint32_t high, const int value) {
#if HAS_AVX512
    return (vq)_mm512_maskz_set1_epi8(low | (uint64_t)high << 32, (char)value);
#else
    const __m256i places = _mm256_setr_epi64x(
        0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i a = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)low), places), bits);
    const __m256i b = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)high), places), bits);
    return both((q32)_mm256_cmpeq_epi8(a, bits), (q32)_mm256_cmpeq_epi8(b, bits)) & splat_q(value);
#endif
}

// The first `count` bytes, fewer than a vector; the rest zero.
INLINE vq load_part_q(const void *p, int64_t count) {
#if HAS_AVX512
    return (vq)_mm512_maskz_loadu_epi8((1ull << count) - 1, p);
#else
    vq x = {0};
    memcpy(&x, p, (size_t)count);
    return x;
#endif
}

// To nearest, ties to even; what is no 32-bit integer becomes the least one.
INLINE vi round_v(vf x) {
#if HAS_AVX512
    return (vi)_mm512_cvtps_epi32(x);
#else
    const q32 low = low_half((vq)x), high = high_half((vq)x);
    return (vi)both((q32)_mm256_cvtps_epi32((__m256)low), (q32)_mm256_cvtps_epi32((__m256)high));
#endif
}

// To 8 bits each, saturated.
INLINE q16 narrow(vi x) {
#if HAS_AVX512
    return (q16)_mm512_cvtsepi32_epi8((__m512i)x);
#else
    const __m256i pairs = _mm256_packs_epi32((__m256i)low_half((vq)x), (__m256i)high_half((vq)x));
    const __m256i in_order = _mm256_permute4x64_epi64(pairs, 0xd8);
    return (q16)_mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1));
#endif
}

#if HAS_DPBUSD
// Adds the products of each quad of levels, unsigned, with its integers.
INLINE vi dot_quads(vi sums, vq levels, vq integers) {
#if HAS_AVX512
    return (vi)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)levels, (__m512i)integers);
#else
    const q32 low = (q32)_mm256_dpbusd_avx_epi32(
        (__m256i)low_half((vq)sums), (__m256i)low_half(levels), (__m256i)low_half(integers));
    const q32 high = (q32)_mm256_dpbusd_avx_epi32(
        (__m256i)high_half((vq)sums), (__m256i)high_half(levels), (__m256i)high_half(integers));
    return (vi)both(low, high);
#endif
}
#else
INLINE vi dot_quads(vi sums, vq levels, vq integers) {
#if HAS_AVX512
    return sums + multiply_16_r(multiply_r((vi)levels, (vi)integers), (vr_16){0} + 1);
#else
    const vq pairs = BY_HALVES(_mm256_maddubs_epi16, levels, integers);
    return sums + (vi)BY_HALVES(_mm256_madd_epi16, pairs, (vq)((vpairs){0} + 1));
#endif
}

// Signed levels are multiplied as their magnitudes with integers that take their signs.
typedef int8_t vq_signed __attribute__((vector_size(64)));
INLINE vq magnitudes(vq levels) { return (vq)__builtin_elementwise_abs((vq_signed)levels); }
INLINE vq with_signs(vq integers, vq levels) {
#if HAS_AVX512
    const __mmask64 negative = _mm512_movepi8_mask((__m512i)levels);
    return (vq)_mm512_mask_sub_epi8((__m512i)integers, negative, _mm512_setzero_si512(), (__m512i)integers);
#else
    return BY_HALVES(_mm256_sign_epi8, integers, levels);
#endif
}
#endif
