// The kernels of avx512_amx.c with tiles and pairs in plain C, so that they are tested where there is no AMX.
#include "targets.h"

#if defined(__x86_64__)
// Before the attribute, which must not reach what the system declares.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#define SIMD_AVX512
#define SIMD_VNNI
#include "../kernels/tiles_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_amx_model(void) { return &set; }
#else
const kernel_set *kernels_amx_model(void) { return NULL; }
#endif
