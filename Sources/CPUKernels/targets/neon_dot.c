// int8 products with NEON's dot products (FEAT_DotProd: Cortex-A55 and A76 on, Neoverse N1 on, Apple's M1 on).
#include "targets.h"

#if defined(__aarch64__)
// The system's headers come before the attribute, which must not apply to what they declare.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
// Vectors of four registers are only passed to functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define SIMD_NEON_WIDE
#include "../kernels/int8_set.inl"
#pragma clang attribute pop

const kernel_set *kernels_neon_dot(void) { return &set; }
#else
const kernel_set *kernels_neon_dot(void) { return NULL; }
#endif
