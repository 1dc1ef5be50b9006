// Vectors of VL floats for one instruction set, on clang's vector extensions, and elementary functions. Included once
// by each kernels_<isa>.c, which defines VL, VECTOR_REGISTERS, HAS_FMA and HAS_F16 before.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef uint16_t vh __attribute__((vector_size(VL * 2)));
typedef int8_t vb __attribute__((vector_size(VL)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(1), may_alias));
typedef uint16_t vh_any __attribute__((vector_size(VL * 2), aligned(1), may_alias));
typedef int8_t vb_any __attribute__((vector_size(VL), aligned(1), may_alias));

// By lanes, not as a sum with zero: -0 stays, and a broadcast from memory costs no addition.
#if VL == 16
INLINE vf splat(float x) { return (vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
#elif VL == 8
INLINE vf splat(float x) { return (vf){x, x, x, x, x, x, x, x}; }
#else
INLINE vf splat(float x) { return (vf){x, x, x, x}; }
#endif
INLINE vu splat_u(uint32_t x) { return (vu){0} + x; }
INLINE vi splat_i(int32_t x) { return (vi){0} + x; }

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }

// The first `count` lanes, the rest zero.
INLINE vf load_part(const float *p, int64_t count) {
    vf x = {0};
    memcpy(&x, p, (size_t)count * 4);
    return x;
}
INLINE void store_part(float *p, vf x, int64_t count) { memcpy(p, &x, (size_t)count * 4); }

// a * b + c
INLINE vf fma_v(vf a, vf b, vf c) {
#if HAS_FMA
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

INLINE vf select_v(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }
// NaN in `a` is ignored, NaN in `b` stays.
INLINE vf max_v(vf a, vf b) { return select_v(a > b, a, b); }
INLINE vf abs_v(vf x) { return (vf)((vu)x & 0x7fffffffu); }
INLINE vf copy_sign(vf size, vf sign) { return (vf)(((vu)size & 0x7fffffffu) | ((vu)sign & 0x80000000u)); }

#if VL == 16
#define LANES(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#elif VL == 8
#define LANES(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#else
#define LANES(f) f(0), f(1), f(2), f(3)
#endif
// Butterflies at distance D: lanes without bit D keep `a` (or take it from above), lanes with it take `b`.
#define LOW_LANE(D, i) (((i) & (D)) ? VL + (i) - (D) : (i))
#define HIGH_LANE(D, i) (((i) & (D)) ? VL + (i) : (i) + (D))
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
#if VL >= 8
    if (distance == 4) return __builtin_shufflevector(a, b, LANES(LOW4));
#endif
#if VL >= 16
    if (distance == 8) return __builtin_shufflevector(a, b, LANES(LOW8));
#endif
    return a;
}

INLINE vf butterfly_high(const int distance, vf a, vf b) {
    if (distance == 1) return __builtin_shufflevector(a, b, LANES(HIGH1));
    if (distance == 2) return __builtin_shufflevector(a, b, LANES(HIGH2));
#if VL >= 8
    if (distance == 4) return __builtin_shufflevector(a, b, LANES(HIGH4));
#endif
#if VL >= 16
    if (distance == 8) return __builtin_shufflevector(a, b, LANES(HIGH8));
#endif
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

INLINE void sum_step(const int distance, vf x[VL]) {
    UNROLL for (int i = 0; i < distance; i++) {
        vf a = x[i], b = x[i + distance];
        x[i] = butterfly_low(distance, a, b) + butterfly_high(distance, a, b);
    }
}

// Lane i of the result is the sum of the lanes of x[i].
INLINE vf sum_each(vf x[VL]) {
    if (VL > 8) sum_step(8, x);
    if (VL > 4) sum_step(4, x);
    sum_step(2, x);
    sum_step(1, x);
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

#if HAS_F16
typedef _Float16 v_half __attribute__((vector_size(VL * 2)));
INLINE vf from_f16(vh x) { return __builtin_convertvector((v_half)x, vf); }
INLINE vh to_f16(vf x) { return (vh)__builtin_convertvector(x, v_half); }
#else
INLINE vf from_f16(vh x) {
    vu bits = __builtin_convertvector(x, vu);
    // Exponents are moved into place by a product, which also makes subnormals right.
    vf size = (vf)((bits & 0x7fffu) << 13) * 0x1p112f;
    vu special = (vu)((bits & 0x7c00u) == splat_u(0x7c00u));
    return (vf)((vu)size | (special & 0x7f800000u) | ((bits & 0x8000u) << 16));
}
INLINE vh to_f16(vf x) {
    vu sign = ((vu)x >> 16) & 0x8000u;
    vf size = abs_v(x);
    vu bits = (vu)size;
    // Normal results: round the 13 bits that fall away to even. Subnormal ones: let an addition round.
    vu normal = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1u)) >> 13;
    vu subnormal = (vu)(size + 0.5f) - 0x3f000000u;
    vu is_small = (vu)(size < splat(0x1p-14f));
    vu is_large = (vu)(size >= splat(65520.0f));
    vu is_nan = (vu)(bits > splat_u(0x7f800000u));
    vu result = (subnormal & is_small) | (normal & ~is_small);
    result = (result & ~is_large) | (is_large & 0x7c00u);
    result = (result & ~is_nan) | (is_nan & 0x7e00u);
    return __builtin_convertvector(result | sign, vh);
}
#endif

// Of one element; of blocks about.
INLINE int64_t format_bytes(const int format) {
    return format == CPUK_F32 ? 4 : format == CPUK_BF16 || format == CPUK_F16 ? 2 : 1;
}

INLINE vf widen(const char *levels) {
    return __builtin_convertvector(__builtin_convertvector(*(const vb_any *)levels, vi), vf);
}

#include "block_formats.h"

// VL elements from element `i` on.
INLINE vf load_as_float(const int format, const void *p, int64_t i) {
    const char *at = (const char *)p + i * format_bytes(format);
    switch (format) {
    case CPUK_F32: return *(const vf_any *)at;
    case CPUK_BF16: return from_bf16(*(const vh_any *)at);
    case CPUK_F16: return from_f16(*(const vh_any *)at);
    case CPUK_I8: return widen(at);
    default: return load_block_format(format, p, i);
    }
}

// Rows of blocks have no part of a vector at their end.
INLINE vf load_part_as_float(const int format, const void *p, int64_t i, int64_t count) {
    if (format >= CPUK_Q8_0) return splat(0);
    _Alignas(64) char buffer[VL * 4] = {0};
    memcpy(buffer, (const char *)p + i * format_bytes(format), (size_t)(count * format_bytes(format)));
    return load_as_float(format, buffer, 0);
}

INLINE void store_from_float(const int format, void *p, int64_t i, vf x) {
    char *at = (char *)p + i * format_bytes(format);
    if (format == CPUK_F32) *(vf_any *)at = x;
    else if (format == CPUK_BF16) *(vh_any *)at = to_bf16(x);
    else *(vh_any *)at = to_f16(x);
}

INLINE void store_part_from_float(const int format, void *p, int64_t i, vf x, int64_t count) {
    _Alignas(64) char buffer[VL * 4];
    store_from_float(format, buffer, 0, x);
    memcpy((char *)p + i * format_bytes(format), buffer, (size_t)(count * format_bytes(format)));
}

// e^r for |r| <= ln(2) / 2, to about 1e-7 relative.
INLINE vf exp_part_v(vf r) {
    vf p = splat(0.0013948624f);
    p = fma_v(p, r, splat(0.0083751595f));
    p = fma_v(p, r, splat(0.0416662171f));
    p = fma_v(p, r, splat(0.1666641533f));
    p = fma_v(p, r, splat(0.5f));
    p = fma_v(p, r, splat(1.0f));
    return fma_v(p, r, splat(1.0f));
}

// What the nearest whole multiple `n` of ln(2) leaves of x.
INLINE vf exp_rest_v(vf n, vf x) {
    return fma_v(n, splat(2.12194440e-4f), fma_v(n, splat(-0.693359375f), x));
}

#if VL == 16
// e^x to about 1e-7 relative: 2^n e^r. Overflows to infinity, underflows through denormals to zero, NaN stays.
INLINE vf exp_v(vf x) {
    // Of an infinity there is no rest. (Where one is a NaN, these are the second.)
    const vf bounded = _mm512_max_ps(splat(-128), _mm512_min_ps(splat(128), x));
    const vf n = _mm512_roundscale_ps(bounded * splat(1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_scalef_ps(exp_part_v(exp_rest_v(n, bounded)), n);
}

INLINE vf exp_negative_v(vf x) { return exp_v(x); }
#else
// e^x for x <= 0 to about 1e-7 relative: zero below -87, whatever the polynomial made of it; NaN stays.
INLINE vf exp_negative_v(vf x) {
    const vf magic = splat(12582912.0f);
    const vf shifted = fma_v(x, splat(1.44269504f), magic);
    const vf p = exp_part_v(exp_rest_v(shifted - magic, x));
    const vf scale = (vf)(((vu)shifted << 23) + 0x3f800000u);
    return select_v(x < -87.0f, splat(0), p * scale);
}

// e^x to about 1e-7 relative: 2^n e^r with |r| <= ln(2) / 2. Overflows to infinity, underflows to zero, NaN stays.
INLINE vf exp_v(vf x) {
    vf bounded = select_v(x > 89.0f, splat(89.0f), x);
    bounded = select_v(bounded < -104.0f, splat(-104.0f), bounded);
    const vf magic = splat(12582912.0f);
    const vf shifted = fma_v(bounded, splat(1.44269504f), magic);
    const vf p = exp_part_v(exp_rest_v(shifted - magic, bounded));
    // Two factors, since 2^n alone leaves the range of normal numbers at both ends.
    const vi exponent = (vi)shifted - (vi)magic, half = exponent >> 1;
    return p * (vf)((half + 127) << 23) * (vf)((exponent - half + 127) << 23);
}
#endif

INLINE vf tanh_v(vf x) {
    vf size = abs_v(x);
    vf z = x * x;
    vf p = splat(-0.0056647751f);
    p = fma_v(p, z, splat(0.0205956791f));
    p = fma_v(p, z, splat(-0.0537226796f));
    p = fma_v(p, z, splat(0.1333114952f));
    p = fma_v(p, z, splat(-0.3333326280f));
    vf small = fma_v(p * z, x, x);
    vf large = 1.0f - 2.0f / (exp_v(size + size) + 1.0f);
    return select_v(size < 0.625f, small, copy_sign(large, x));
}

// The standard normal distribution's cumulative function times x: (1 + erf(x / sqrt 2)) x / 2.
INLINE vf gelu_erf_v(vf x) {
    vf a = abs_v(x) * 0.70710678f;
    vf z = a * a;
    vf p = splat(7.8824975e-05f);
    p = fma_v(p, z, splat(-8.0188550e-04f));
    p = fma_v(p, z, splat(5.1893122e-03f));
    p = fma_v(p, z, splat(-2.6854329e-02f));
    p = fma_v(p, z, splat(1.1283597e-01f));
    p = fma_v(p, z, splat(-3.7612626e-01f));
    p = fma_v(p, z, splat(1.1283791f));
    vf near = fma_v(copy_sign(p * a, x), splat(0.5f), splat(0.5f));
    // erfc(a) = e^(-a^2) q(1 / (a + 2)) beyond 1.
    vf t = 1.0f / (a + 2.0f);
    vf q = splat(11.0815744f);
    q = fma_v(q, t, splat(-23.2616177f));
    q = fma_v(q, t, splat(13.2441044f));
    q = fma_v(q, t, splat(0.1535825f));
    q = fma_v(q, t, splat(2.3774281f));
    q = fma_v(q, t, splat(1.0921834f));
    q = fma_v(q, t, splat(0.5659717f));
    q = fma_v(q, t, splat(-3.6909729e-05f));
    vf half_tail = 0.5f * q * exp_v(-z);
    vf far = select_v(x < 0.0f, half_tail, 1.0f - half_tail);
    return x * select_v(a < 1.0f, near, far);
}

INLINE vf activate_v(const int activation, vf x) {
    switch (activation) {
    case CPUK_GELU_TANH: {
        // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
        vf u = x * fma_v(x * x, splat(0.0356774081f), splat(0.7978845608f));
        return x / (1.0f + exp_v(-2.0f * u));
    }
    case CPUK_GELU_ERF: return gelu_erf_v(x);
    case CPUK_SILU: return x / (1.0f + exp_v(-x));
    case CPUK_RELU: return select_v(x < 0.0f, splat(0.0f), x);
    default: return x;
    }
}
