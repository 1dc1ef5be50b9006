// int8 products with AVX2 alone (Haswell to Comet Lake, Zen 1 to 3).
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
// Vectors of two registers are only passed to functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define SIMD_AVX2_WIDE
#include "../kernels/int8_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx2_int8(void) { return &set; }
#else
const kernel_set *kernels_avx2_int8(void) { return NULL; }
#endif
