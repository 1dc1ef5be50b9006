// AVX2 with FMA and half-precision conversion (2013 and later).
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define SIMD_AVX2
#include "../kernels/float_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx2(void) { return &set; }
#else
const kernel_set *kernels_avx2(void) { return NULL; }
#endif
