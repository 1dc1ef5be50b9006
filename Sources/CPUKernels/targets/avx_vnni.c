// int8 products with AVX-VNNI, where there is no AVX-512 (Alder Lake on).
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
// Vectors of two registers are only passed to functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define SIMD_AVX2_WIDE
#define SIMD_VNNI
#include "../kernels/int8_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx_vnni(void) { return &set; }
#else
const kernel_set *kernels_avx_vnni(void) { return NULL; }
#endif
