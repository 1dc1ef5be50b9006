// Products of 8-bit integers with AVX2 alone (Haswell to Comet Lake, Zen 1 to 3).
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
// Vectors of two registers are only passed to functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define VL 16
#define VECTOR_REGISTERS 16
#define HAS_FMA 1
#define HAS_F16 1
#define HAS_AVX512 0
#define HAS_DPBUSD 0
#include "integer_kernels.h"
#pragma clang attribute pop
const reduced_kernels *kernels_avx2_int8(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx2_int8(void) { return NULL; }
#endif
