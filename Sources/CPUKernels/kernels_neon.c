// NEON, which every 64-bit Arm processor has.
#include "kernels.h"
#include "selection.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__)
#define VL 4
#define VECTOR_REGISTERS 32
#define HAS_FMA 1
#define HAS_F16 1
#include "kernel_set.h"

static const kernel_table table = KERNEL_TABLE(CPUK_NEON);
const kernel_table *kernels_neon(void) { return &table; }
#else
const kernel_table *kernels_neon(void) { return NULL; }
#endif
