// Products of 8-bit integers with AVX-512 alone (Skylake's servers).
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#define VL 16
#define VECTOR_REGISTERS 32
#define HAS_FMA 1
#define HAS_F16 1
#define HAS_AVX512 1
#define HAS_DPBUSD 0
#include "integer_kernels.h"
#pragma clang attribute pop
const reduced_kernels *kernels_avx512_int8(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx512_int8(void) { return NULL; }
#endif
