// int8 products with AVX-512 alone (Skylake's servers).
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#define SIMD_AVX512
#include "../kernels/int8_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx512_int8(void) { return &set; }
#else
const kernel_set *kernels_avx512_int8(void) { return NULL; }
#endif
