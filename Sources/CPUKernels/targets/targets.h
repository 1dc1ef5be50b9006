// The kernel sets of the targets in this folder, each of which compiles kernels/ for one instruction set. NULL: not for
// the architecture that is built for.
#pragma once
#include "../kernels/kernel_set.h"

const kernel_set *kernels_generic(void);
const kernel_set *kernels_neon(void);
const kernel_set *kernels_neon_dot(void);
const kernel_set *kernels_avx2(void);
const kernel_set *kernels_avx512(void);
const kernel_set *kernels_avx2_int8(void);
const kernel_set *kernels_avx_vnni(void);
const kernel_set *kernels_avx512_int8(void);
const kernel_set *kernels_avx512_vnni(void);
const kernel_set *kernels_avx512_bf16(void);
const kernel_set *kernels_avx512_amx(void);
const kernel_set *kernels_amx_model(void);
