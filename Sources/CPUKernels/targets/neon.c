// NEON, which every 64-bit Arm processor has.
#include "targets.h"

#if defined(__aarch64__)
#define SIMD_NEON
#include "../kernels/float_set.inl"

const kernel_set *kernels_neon(void) { return &set; }
#else
const kernel_set *kernels_neon(void) { return NULL; }
#endif
