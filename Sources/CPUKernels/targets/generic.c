// The baseline of the architecture, in whatever instructions the compiler finds for four lanes.
#include "targets.h"

#include "../kernels/float_set.inl"

const kernel_set *kernels_generic(void) { return &set; }
