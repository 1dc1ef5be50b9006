// AVX-512 with the parts that every such server processor since 2017 has.
#include "kernels.h"
#include "selection.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#define VL 16
#define VECTOR_REGISTERS 32
#define HAS_FMA 1
#define HAS_F16 1
#include "kernel_set.h"

static const kernel_table table = KERNEL_TABLE(CPUK_AVX512);
#pragma clang attribute pop
const kernel_table *kernels_avx512(void) { return &table; }
#else
const kernel_table *kernels_avx512(void) { return NULL; }
#endif
