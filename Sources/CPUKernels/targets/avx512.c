// AVX-512 with the parts that every such server processor since 2017 has.
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#define SIMD_AVX512
#include "../kernels/float_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx512(void) { return &set; }
#else
const kernel_set *kernels_avx512(void) { return NULL; }
#endif
