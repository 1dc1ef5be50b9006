// What GEMM kernels share that pack both A and B (BF16 and int8): a panel of A holds MR = 16 tokens, which lie side by
// side in the lanes of vectors.
#pragma once
#include "token_lanes.inl"

enum { MR = 16 };
_Static_assert(MR == VL, "a lane for each token");
