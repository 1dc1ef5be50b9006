// Products of 8-bit integers with AVX-VNNI where there is no AVX-512 (Alder Lake on).
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
// Vectors of two registers are only passed to functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define VL 16
#define VECTOR_REGISTERS 16
#define HAS_FMA 1
#define HAS_F16 1
#define HAS_AVX512 0
#define HAS_DPBUSD 1
#include "integer_kernels.h"
#pragma clang attribute pop
const reduced_kernels *kernels_avx_vnni(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx_vnni(void) { return NULL; }
#endif
