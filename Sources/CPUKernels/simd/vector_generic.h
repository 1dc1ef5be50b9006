// Four lanes, in whatever instructions the compiler finds in the baseline of the architecture.
#pragma once
#include "types.h"

enum { VL = 4, VECTOR_REGISTERS = 16 };
#define LANES(f) LANES_4(f)
DECLARE_VECTORS(4);

INLINE vf splat(float x) { return (vf){x, x, x, x}; }

// a * b + c, rounded twice.
INLINE vf fma_v(vf a, vf b, vf c) { return a * b + c; }

INLINE vf from_f16(vh x) {
    vu bits = __builtin_convertvector(x, vu);
    // Exponents are moved into place by a product, which also makes subnormals right.
    vf size = (vf)((bits & 0x7fffu) << 13) * 0x1p112f;
    vu special = (vu)((bits & 0x7c00u) == (vu){0} + 0x7c00u);
    return (vf)((vu)size | (special & 0x7f800000u) | ((bits & 0x8000u) << 16));
}

INLINE vh to_f16(vf x) {
    vu sign = ((vu)x >> 16) & 0x8000u;
    vf size = (vf)((vu)x & 0x7fffffffu);
    vu bits = (vu)size;
    // Normal results: round the 13 bits that fall away to even. Subnormal ones: let an addition round.
    vu normal = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1u)) >> 13;
    vu subnormal = (vu)(size + 0.5f) - 0x3f000000u;
    vu is_small = (vu)(size < splat(0x1p-14f));
    vu is_large = (vu)(size >= splat(65520.0f));
    vu is_nan = (vu)(bits > (vu){0} + 0x7f800000u);
    vu result = (subnormal & is_small) | (normal & ~is_small);
    result = (result & ~is_large) | (is_large & 0x7c00u);
    result = (result & ~is_nan) | (is_nan & 0x7e00u);
    return __builtin_convertvector(result | sign, vh);
}
