// Whatever the compiler makes of four lanes on the baseline of the architecture.
#include "kernels.h"
#include "selection.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#define VL 4
#define VECTOR_REGISTERS 16
#define HAS_FMA 0
#define HAS_F16 0
#include "kernel_set.h"

static const kernel_table table = KERNEL_TABLE(CPUK_PORTABLE);
const kernel_table *kernels_portable(void) { return &table; }
