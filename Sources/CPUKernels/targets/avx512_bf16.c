// Products in BF16 with AVX512_BF16 (Cooper Lake, Sapphire Rapids and Zen 4 on).
#include "targets.h"

#if defined(__x86_64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c"))), apply_to = function)
#define SIMD_AVX512
#define SIMD_BF16
#include "../kernels/bf16_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_avx512_bf16(void) { return &set; }
#else
const kernel_set *kernels_avx512_bf16(void) { return NULL; }
#endif
