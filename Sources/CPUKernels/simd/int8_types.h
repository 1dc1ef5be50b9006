// Vectors of 64 bytes for products of 8-bit integers: one register of AVX-512, two of AVX2. A quad is four bytes side
// by side, whose products go to one 32-bit sum.
#pragma once
#include "vector.h"

_Static_assert(VL == 16, "vectors of 64 bytes");

/// 64 quants, unsigned or signed.
typedef uint8_t vq __attribute__((vector_size(64)));
typedef uint8_t vq_unaligned __attribute__((vector_size(64), aligned(1), may_alias));
typedef int8_t vq_signed __attribute__((vector_size(64)));
typedef uint16_t vq_16 __attribute__((vector_size(64)));
typedef uint64_t vq_64 __attribute__((vector_size(64)));
/// Sums of products of two bytes.
typedef int16_t vpairs __attribute__((vector_size(64)));
typedef uint8_t q16 __attribute__((vector_size(16)));
typedef uint8_t q16_unaligned __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t q32 __attribute__((vector_size(32)));
typedef uint8_t q32_unaligned __attribute__((vector_size(32), aligned(1), may_alias));

/// Four words or floats.
typedef uint32_t words_4 __attribute__((vector_size(16)));
typedef float floats_4 __attribute__((vector_size(16)));

INLINE vq load_q(const void *p) { return *(const vq_unaligned *)p; }
INLINE void store_q(void *p, vq x) { *(vq_unaligned *)p = x; }
INLINE q16 read_16(const uint8_t *p) { return *(const q16_unaligned *)p; }
INLINE q32 read_32(const uint8_t *p) { return *(const q32_unaligned *)p; }
INLINE vq splat_q(const int x) { return (vq){0} + (uint8_t)x; }

#define NUMBERS_8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define NUMBERS_16(n) NUMBERS_8(n), NUMBERS_8(n + 8)
#define NUMBERS_32(n) NUMBERS_16(n), NUMBERS_16(n + 16)
INLINE vq both(q32 low, q32 high) { return __builtin_shufflevector(low, high, NUMBERS_32(0), NUMBERS_32(32)); }
INLINE q32 low_half(vq x) { return __builtin_shufflevector(x, x, NUMBERS_32(0)); }
INLINE q32 high_half(vq x) { return __builtin_shufflevector(x, x, NUMBERS_32(32)); }
/// The `i`th 16 bytes.
INLINE q16 quarter_q(vq x, const int i) {
    const q32 half = i < 2 ? low_half(x) : high_half(x);
    return i % 2 == 0 ? __builtin_shufflevector(half, half, NUMBERS_16(0))
                      : __builtin_shufflevector(half, half, NUMBERS_16(16));
}
INLINE q32 both_16(q16 low, q16 high) { return __builtin_shufflevector(low, high, NUMBERS_16(0), NUMBERS_16(16)); }
/// Each of them twice.
INLINE vq twice_each(q16 first, q16 second) {
    return __builtin_shufflevector(first, second, NUMBERS_16(0), NUMBERS_16(0), NUMBERS_16(16), NUMBERS_16(16));
}
