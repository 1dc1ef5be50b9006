// Pairs of BF16, side by side in 32 bits, for products of two at a time. SIMD_BF16 says that there are instructions
// for them (AVX512_BF16); without it they are computed plainly, with the same roundings but for subnormal numbers,
// which the instructions take as zero.
#pragma once
#include "vector.h"
#include <immintrin.h>

_Static_assert(VL == 16, "a vector holds 16 pairs");

#if defined(SIMD_BF16)
INLINE __m256i round_to_bf16(vf x) { return (__m256i)_mm512_cvtneps_pbh((__m512)x); }
/// 32 numbers: those of `low`, then those of `high`.
INLINE __m512i join_bf16(vf low, vf high) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }
/// Adds both products of each lane.
INLINE vf dot_pairs(vf sums, __m512i a, __m512i b) {
    return (vf)_mm512_dpbf16_ps((__m512)sums, (__m512bh)a, (__m512bh)b);
}
#else
INLINE __m256i round_to_bf16(vf x) { return (__m256i)to_bf16(x); }
INLINE __m512i join_bf16(vf low, vf high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(round_to_bf16(low)), round_to_bf16(high), 1);
}
INLINE vf first_of_pairs(__m512i pairs) { return (vf)((vu)pairs << 16); }
INLINE vf second_of_pairs(__m512i pairs) { return (vf)((vu)pairs & 0xffff0000u); }
INLINE vf dot_pairs(vf sums, __m512i a, __m512i b) {
    sums = fma_v(first_of_pairs(a), first_of_pairs(b), sums);
    return fma_v(second_of_pairs(a), second_of_pairs(b), sums);
}
#endif

/// An element of `first` with that of `second` in each lane.
INLINE __m512i interleave_bf16(vf first, vf second) {
    typedef uint16_t halves __attribute__((vector_size(64)));
    const halves joined = (halves)join_bf16(first, second);
#define FIRST_AND_SECOND(lane) lane, VL + (lane)
    return (__m512i)__builtin_shufflevector(joined, joined, LANES(FIRST_AND_SECOND));
#undef FIRST_AND_SECOND
}
