// The baseline of the architecture, by whatever the compiler makes of four lanes.
#include "targets.h"

#include "../kernels/float_set.inl"

const kernel_set *kernels_generic(void) { return &set; }
