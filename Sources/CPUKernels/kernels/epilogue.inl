// The epilogue of a product, row by row: bias, activation, gate and residual. Included by sets of floats.
#pragma once
#include "../simd/vector_math.h"
#include "matmul.h"

INLINE vf epilogue_v(
    const epilogue *e, const int activation, vf y, vf up, vf bias, vf gate_bias, bool has_residual, vf residual) {
    vf value = activate_v(activation, y + bias);
    if (e->gated) value *= up + gate_bias;
    return has_residual ? value + residual : value;
}

INLINE void apply_epilogue_of(
    const epilogue *e, const int activation, int64_t n0, int64_t count, const float *y, const float *up,
    const float *residual, float *output) {
    const vf zero = splat(0);
    int64_t n = 0;
    for (; n + VL <= count; n += VL) {
        vf bias = e->bias ? load(e->bias + n0 + n) : zero;
        vf gate_bias = e->gated && e->gate_bias ? load(e->gate_bias + n0 + n) : zero;
        vf other = e->gated ? load(up + n) : zero;
        vf before = residual ? load(residual + n) : zero;
        store(output + n, epilogue_v(e, activation, load(y + n), other, bias, gate_bias, residual, before));
    }
    if (n < count) {
        int64_t rest = count - n;
        vf bias = e->bias ? load_part(e->bias + n0 + n, rest) : zero;
        vf gate_bias = e->gated && e->gate_bias ? load_part(e->gate_bias + n0 + n, rest) : zero;
        vf other = e->gated ? load_part(up + n, rest) : zero;
        vf before = residual ? load_part(residual + n, rest) : zero;
        vf value = epilogue_v(e, activation, load_part(y + n, rest), other, bias, gate_bias, residual, before);
        store_part(output + n, value, rest);
    }
}

static inline void apply_epilogue(
    const epilogue *e, int64_t n0, int64_t count, const float *y, const float *up, const float *residual,
    float *output) {
    switch (e->activation) {
    case CPUK_IDENTITY: apply_epilogue_of(e, CPUK_IDENTITY, n0, count, y, up, residual, output); return;
    case CPUK_GELU_TANH: apply_epilogue_of(e, CPUK_GELU_TANH, n0, count, y, up, residual, output); return;
    case CPUK_GELU_ERF: apply_epilogue_of(e, CPUK_GELU_ERF, n0, count, y, up, residual, output); return;
    case CPUK_SILU: apply_epilogue_of(e, CPUK_SILU, n0, count, y, up, residual, output); return;
    case CPUK_RELU: apply_epilogue_of(e, CPUK_RELU, n0, count, y, up, residual, output); return;
    case CPUK_LEAKY_RELU: apply_epilogue_of(e, CPUK_LEAKY_RELU, n0, count, y, up, residual, output); return;
    case CPUK_RELU6: apply_epilogue_of(e, CPUK_RELU6, n0, count, y, up, residual, output); return;
    case CPUK_TANH: apply_epilogue_of(e, CPUK_TANH, n0, count, y, up, residual, output); return;
    case CPUK_SIGMOID: apply_epilogue_of(e, CPUK_SIGMOID, n0, count, y, up, residual, output); return;
    case CPUK_QUICK_GELU: apply_epilogue_of(e, CPUK_QUICK_GELU, n0, count, y, up, residual, output); return;
    case CPUK_HARD_SIGMOID: apply_epilogue_of(e, CPUK_HARD_SIGMOID, n0, count, y, up, residual, output); return;
    case CPUK_HARD_SWISH: apply_epilogue_of(e, CPUK_HARD_SWISH, n0, count, y, up, residual, output); return;
    }
}
