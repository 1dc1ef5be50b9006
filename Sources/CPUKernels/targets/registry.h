// The registry of kernel sets, in the order of preference.
#pragma once
#include "../include/CPUKernels.h"
#include "../kernels/kernel_set.h"

/// The kernels of set `index`; NULL where this machine cannot run it.
const kernel_set *kernels_of_set(int index);
