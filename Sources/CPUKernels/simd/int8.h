// Products of 8-bit integers, on vectors of 64 bytes. SIMD_VNNI says that there is an instruction which adds the
// products of four unsigned with four signed bytes to 32-bit sums (AVX512_VNNI, AVX-VNNI); NEON's dot products take
// signed bytes on both sides.
//
// Without either the products of two bytes are added in 16 bits, saturated: exact for quants up to 128 with integers of
// -127 to 127.
#pragma once
#if defined(SIMD_AVX512)
#include "int8_avx512.h"
#elif defined(SIMD_NEON_WIDE)
#include "int8_neon.h"
#else
#include "int8_avx2.h"
#endif

// vr, vri, vr_16: vectors of one register. Products of many tokens need as many sums as there are registers.
typedef float vr_unaligned __attribute__((vector_size(REGISTER_LANES * 4), aligned(1), may_alias));

INLINE vr load_r(const void *p) { return *(const vr_unaligned *)p; }
INLINE void store_r(void *p, vr x) { *(vr_unaligned *)p = x; }
INLINE vri splat_ri(int32_t x) { return (vri){0} + x; }
INLINE vr fma_r(vr a, vr b, vr c) { return __builtin_elementwise_fma(a, b, c); }

// Signed quants are multiplied as their magnitudes with integers that take their signs.
INLINE vq magnitudes(vq quants) { return (vq)__builtin_elementwise_abs((vq_signed)quants); }
