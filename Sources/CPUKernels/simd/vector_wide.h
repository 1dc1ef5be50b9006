// Vectors of sixteen lanes, which are several registers: two of AVX2, four of NEON. Integer products are written for
// vectors of 64 bytes, whatever the registers are (int8.h).
#pragma once
#include "types.h"

enum { VL = 16, VECTOR_REGISTERS = 16 };
#define LANES(f) LANES_16(f)
DECLARE_VECTORS(16);

INLINE vf splat(float x) { return (vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

// a * b + c, rounded once.
INLINE vf fma_v(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

typedef _Float16 v_half __attribute__((vector_size(VL * 2)));
INLINE vf from_f16(vh x) { return __builtin_convertvector((v_half)x, vf); }
INLINE vh to_f16(vf x) { return (vh)__builtin_convertvector(x, v_half); }
