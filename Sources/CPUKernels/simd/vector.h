// Vectors of VL floats for one instruction set, on clang's vector extensions. The target that is compiled chooses the
// instruction set by defining one of SIMD_NEON, SIMD_AVX2 and SIMD_AVX512, and for integer products SIMD_NEON_WIDE,
// SIMD_AVX2_WIDE or SIMD_AVX512; without any of them it is the generic one.
#pragma once
#if defined(SIMD_AVX512)
#include "vector_avx512.h"
#elif defined(SIMD_AVX2_WIDE) || defined(SIMD_NEON_WIDE)
#include "vector_wide.h"
#elif defined(SIMD_AVX2)
#include "vector_avx2.h"
#elif defined(SIMD_NEON)
#include "vector_neon.h"
#else
#include "vector_generic.h"
#endif
#include <string.h>

INLINE vu splat_u(uint32_t x) { return (vu){0} + x; }
INLINE vi splat_i(int32_t x) { return (vi){0} + x; }

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }

// The first `count` lanes, followed by zeros.
INLINE vf load_part(const float *p, int64_t count) {
    vf x = {0};
    memcpy(&x, p, (size_t)count * 4);
    return x;
}
INLINE void store_part(float *p, vf x, int64_t count) { memcpy(p, &x, (size_t)count * 4); }
// The next lanes of a row of which `rest` numbers are left, followed by zeros.
INLINE vf load_rest(const float *p, int64_t rest) { return rest >= VL ? load(p) : load_part(p, rest); }

// `count` rounded up to whole vectors.
INLINE int64_t whole_vectors(int64_t count) { return (count + VL - 1) / VL * VL; }

INLINE vf select_v(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }
// A NaN in `a` is ignored, a NaN in `b` stays.
INLINE vf max_v(vf a, vf b) { return select_v(a > b, a, b); }
INLINE vf abs_v(vf x) { return (vf)((vu)x & 0x7fffffffu); }
INLINE vf copy_sign(vf size, vf sign) { return (vf)(((vu)size & 0x7fffffffu) | ((vu)sign & 0x80000000u)); }

// Butterflies at distance D: lanes without bit D keep `a` (or take it from above), lanes with it take `b`.
// (Distances of VL and more are never taken, but their numbers must name lanes.)
#define LOW_LANE(D, i) ((((i) & (D)) ? VL + (i) - (D) : (i)) % (2 * VL))
#define HIGH_LANE(D, i) ((((i) & (D)) ? VL + (i) : (i) + (D)) % (2 * VL))
#define LOW1(i) LOW_LANE(1, i)
#define LOW2(i) LOW_LANE(2, i)
#define LOW4(i) LOW_LANE(4, i)
#define LOW8(i) LOW_LANE(8, i)
#define HIGH1(i) HIGH_LANE(1, i)
#define HIGH2(i) HIGH_LANE(2, i)
#define HIGH4(i) HIGH_LANE(4, i)
#define HIGH8(i) HIGH_LANE(8, i)

INLINE vf butterfly_low(const int distance, vf a, vf b) {
    if (distance == 1) return __builtin_shufflevector(a, b, LANES(LOW1));
    if (distance == 2) return __builtin_shufflevector(a, b, LANES(LOW2));
    if (distance == 4) return __builtin_shufflevector(a, b, LANES(LOW4));
    if (distance == 8) return __builtin_shufflevector(a, b, LANES(LOW8));
    return a;
}

INLINE vf butterfly_high(const int distance, vf a, vf b) {
    if (distance == 1) return __builtin_shufflevector(a, b, LANES(HIGH1));
    if (distance == 2) return __builtin_shufflevector(a, b, LANES(HIGH2));
    if (distance == 4) return __builtin_shufflevector(a, b, LANES(HIGH4));
    if (distance == 8) return __builtin_shufflevector(a, b, LANES(HIGH8));
    return b;
}

INLINE void transpose_step(const int distance, vf rows[VL]) {
    UNROLL for (int i = 0; i < VL; i++) {
        if (i & distance) continue;
        vf a = rows[i], b = rows[i + distance];
        rows[i] = butterfly_low(distance, a, b);
        rows[i + distance] = butterfly_high(distance, a, b);
    }
}

// Transposes VL vectors as a square.
INLINE void transpose(vf rows[VL]) {
    if (VL > 8) transpose_step(8, rows);
    if (VL > 4) transpose_step(4, rows);
    transpose_step(2, rows);
    transpose_step(1, rows);
}

// x[i] becomes the butterfly sum of x[i] and x[i + count].
INLINE void sum_pairs(const int distance, const int count, vf *x) {
    UNROLL for (int i = 0; i < count; i++) {
        vf a = x[i], b = x[i + count];
        x[i] = butterfly_low(distance, a, b) + butterfly_high(distance, a, b);
    }
}

// Lane i of the result is the sum of the lanes of x[i].
INLINE vf sum_each(vf x[VL]) {
    if (VL > 8) sum_pairs(8, 8, x);
    if (VL > 4) sum_pairs(4, 4, x);
    sum_pairs(2, 2, x);
    sum_pairs(1, 1, x);
    return x[0];
}

INLINE void max_step(const int distance, vf x[VL]) {
    UNROLL for (int i = 0; i < distance; i++) {
        vf a = x[i], b = x[i + distance];
        x[i] = max_v(butterfly_low(distance, a, b), butterfly_high(distance, a, b));
    }
}

// Lane i of the result is the largest lane of x[i].
INLINE vf max_each(vf x[VL]) {
    if (VL > 8) max_step(8, x);
    if (VL > 4) max_step(4, x);
    max_step(2, x);
    max_step(1, x);
    return x[0];
}

INLINE float sum_lanes(vf x) {
    if (VL > 8) x = butterfly_low(8, x, x) + butterfly_high(8, x, x);
    if (VL > 4) x = butterfly_low(4, x, x) + butterfly_high(4, x, x);
    x = butterfly_low(2, x, x) + butterfly_high(2, x, x);
    x = butterfly_low(1, x, x) + butterfly_high(1, x, x);
    return x[0];
}

INLINE float max_lanes(vf x) {
    if (VL > 8) x = max_v(butterfly_low(8, x, x), butterfly_high(8, x, x));
    if (VL > 4) x = max_v(butterfly_low(4, x, x), butterfly_high(4, x, x));
    x = max_v(butterfly_low(2, x, x), butterfly_high(2, x, x));
    x = max_v(butterfly_low(1, x, x), butterfly_high(1, x, x));
    return x[0];
}

INLINE vf from_bf16(vh x) { return (vf)(__builtin_convertvector(x, vu) << 16); }

INLINE vh to_bf16(vf x) {
    vu bits = (vu)x;
    vu rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    vu quiet = (bits >> 16) | 0x40u;
    vu is_nan = (vu)((bits & 0x7fffffffu) > splat_u(0x7f800000u));
    return __builtin_convertvector((quiet & is_nan) | (rounded & ~is_nan), vh);
}

INLINE vi lane_numbers(void) {
    vi lanes;
    UNROLL for (int lane = 0; lane < VL; lane++) lanes[lane] = lane;
    return lanes;
}
