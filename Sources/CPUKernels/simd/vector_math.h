// Elementary functions of vectors, to about 1e-7 relative where nothing else is said.
#pragma once
#include "../include/CPUKernels.h"
#include "vector.h"
#if defined(HAS_SCALEF)
#include <immintrin.h>
#endif

// e^r for |r| <= ln(2) / 2, to about 1e-7 relative.
INLINE vf exp_polynomial(vf r) {
    vf p = splat(0.0013948624f);
    p = fma_v(p, r, splat(0.0083751595f));
    p = fma_v(p, r, splat(0.0416662171f));
    p = fma_v(p, r, splat(0.1666641533f));
    p = fma_v(p, r, splat(0.5f));
    p = fma_v(p, r, splat(1.0f));
    return fma_v(p, r, splat(1.0f));
}

// x - n ln(2), in two steps, since ln(2) has more digits than a float.
INLINE vf exp_remainder(vf n, vf x) {
    return fma_v(n, splat(2.12194440e-4f), fma_v(n, splat(-0.693359375f), x));
}

#if defined(HAS_SCALEF)
// e^x to about 1e-7 relative: 2^n e^r. Overflows to infinity, underflows through denormals to zero, NaN stays.
INLINE vf exp_v(vf x) {
    // Infinities are bounded, since infinity less a multiple of ln(2) has no remainder. Where one operand of a minimum
    // or maximum is NaN, the instruction returns the second one: a NaN in x stays.
    const vf bounded = _mm512_max_ps(splat(-128), _mm512_min_ps(splat(128), x));
    const vf n = _mm512_roundscale_ps(bounded * splat(1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_scalef_ps(exp_polynomial(exp_remainder(n, bounded)), n);
}

// e^x for x <= 0: zero where it would be no normal number, since processors take a hundred times as long for those.
// Hidden keys of attention, whose scores are minus infinity, come here.
INLINE vf exp_negative_v(vf x) {
    const vf lowest = splat(-87);
    const vf bounded = _mm512_max_ps(lowest, x);
    const vf n = _mm512_roundscale_ps(bounded * splat(1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vf power = _mm512_scalef_ps(exp_polynomial(exp_remainder(n, bounded)), n);
    return _mm512_mask_mov_ps(power, _mm512_cmp_ps_mask(x, lowest, _CMP_LT_OQ), splat(0));
}

// 1 / x to the last bit or two, for numbers that are neither zero nor infinite.
INLINE vf reciprocal_v(vf x) {
    const vf r = _mm512_rcp14_ps(x);
    return fma_v(r, fma_v(-x, r, splat(1)), r);
}
#else
INLINE vf reciprocal_v(vf x) { return 1.0f / x; }


// e^x for x <= 0 to about 1e-7 relative: zero below -87, where 2^n is no longer a normal number; NaN stays.
INLINE vf exp_negative_v(vf x) {
    const vf magic = splat(12582912.0f);
    const vf shifted = fma_v(x, splat(1.44269504f), magic);
    const vf p = exp_polynomial(exp_remainder(shifted - magic, x));
    const vf scale = (vf)(((vu)shifted << 23) + 0x3f800000u);
    return select_v(x < -87.0f, splat(0), p * scale);
}

// e^x to about 1e-7 relative: 2^n e^r with |r| <= ln(2) / 2. Overflows to infinity, underflows to zero, NaN stays.
INLINE vf exp_v(vf x) {
    vf bounded = select_v(x > 89.0f, splat(89.0f), x);
    bounded = select_v(bounded < -104.0f, splat(-104.0f), bounded);
    const vf magic = splat(12582912.0f);
    const vf shifted = fma_v(bounded, splat(1.44269504f), magic);
    const vf p = exp_polynomial(exp_remainder(shifted - magic, bounded));
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

// The standard normal distribution's cumulative function times x: (1 + erf(x / sqrt 2)) x / 2. The function is taken as
// 1/2 + x p(x^2) / q(x^2), fitted up to 5.4, to 2e-7 absolute: as exact as 1 + erf in FP32. Below it is zero.
INLINE vf gelu_erf_v(vf x) {
    const float end = 5.4f;
    vf a = select_v(x > end, splat(end), select_v(x < -end, splat(-end), x));
    vf z = a * a;
    vf p = splat(1.1610046e-10f);
    p = fma_v(p, z, splat(-2.2256748e-08f));
    p = fma_v(p, z, splat(3.1334416e-06f));
    p = fma_v(p, z, splat(1.5896185e-04f));
    p = fma_v(p, z, splat(4.435059e-03f));
    p = fma_v(p, z, splat(3.4785505e-02f));
    p = fma_v(p, z, splat(3.9894217e-01f));
    vf q = splat(5.867731e-05f);
    q = fma_v(q, z, splat(1.7636155e-03f));
    q = fma_v(q, z, splat(2.843023e-02f));
    q = fma_v(q, z, splat(2.5385928e-01f));
    q = fma_v(q, z, splat(1.0f));
    vf probability = fma_v(a * p, reciprocal_v(q), splat(0.5f));
    return x * select_v(x < -end, splat(0.0f), probability);
}

/// min(max(x + 3, 0), 6) / 6
INLINE vf hard_sigmoid_v(vf x) {
    vf y = x + 3.0f;
    return select_v(y < 0.0f, splat(0.0f), select_v(y > 6.0f, splat(6.0f), y)) * (1.0f / 6.0f);
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
    case CPUK_LEAKY_RELU: return select_v(x < 0.0f, x * 0.2f, x);
    case CPUK_RELU6: return select_v(x < 0.0f, splat(0.0f), select_v(x > 6.0f, splat(6.0f), x));
    case CPUK_TANH: return tanh_v(x);
    case CPUK_SIGMOID: return 1.0f / (1.0f + exp_v(-x));
    case CPUK_QUICK_GELU: return x / (1.0f + exp_v(-1.702f * x));
    case CPUK_HARD_SIGMOID: return hard_sigmoid_v(x);
    case CPUK_HARD_SWISH: return x * hard_sigmoid_v(x);
    default: return x;
    }
}
