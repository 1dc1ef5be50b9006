// AVX2 with FMA and half-precision conversion (2013 and later).
#include "kernels.h"
#include "selection.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define VL 8
#define VECTOR_REGISTERS 16
#define HAS_FMA 1
#define HAS_F16 1
#include "kernel_set.h"

static const kernel_table table = KERNEL_TABLE(CPUK_AVX2);
#pragma clang attribute pop
const kernel_table *kernels_avx2(void) { return &table; }
#else
const kernel_table *kernels_avx2(void) { return NULL; }
#endif
