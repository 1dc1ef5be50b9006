// Sums and maxima of pixels, channel by channel: what pooling, depthwise convolutions and folding are made of.
#pragma once
#include "../simd/vector_math.h"
#include "row_kernels.h"

INLINE vf load_lanes(const float *p, int64_t count) { return count == VL ? load(p) : load_part(p, count); }

INLINE void sum_pixels_of(
    const int activation, const float *const *x, const float *const *weights, int64_t count, const float *initial,
    bool ends, float scale, const float *bias, int64_t channels, float *output) {
    for (int64_t c = 0; c < channels; c += VL) {
        const int64_t lanes = channels - c < VL ? channels - c : VL;
        vf sum = initial ? load_lanes(initial + c, lanes) : splat(0);
        if (weights) {
            for (int64_t j = 0; j < count; j++)
                sum = fma_v(load_lanes(x[j] + c, lanes), load_lanes(weights[j] + c, lanes), sum);
        } else {
            for (int64_t j = 0; j < count; j++) sum += load_lanes(x[j] + c, lanes);
        }
        if (ends) {
            sum *= scale;
            if (bias) sum += load_lanes(bias + c, lanes);
            sum = activate_v(activation, sum);
        }
        if (lanes == VL) store(output + c, sum);
        else store_part(output + c, sum, lanes);
    }
}

#define SUM_PIXELS_CASE(ID)                                                                                           \
    case CPUK_##ID:                                                                                                   \
        sum_pixels_of(CPUK_##ID, x, weights, count, initial, ends, scale, bias, channels, output);                    \
        return;
static void sum_pixels(
    const float *const *x, const float *const *weights, int64_t count, const float *initial, bool ends, float scale,
    const float *bias, cpuk_activation activation, int64_t channels, float *output) {
    switch (activation) {
        SUM_PIXELS_CASE(IDENTITY)
        SUM_PIXELS_CASE(GELU_TANH)
        SUM_PIXELS_CASE(GELU_ERF)
        SUM_PIXELS_CASE(SILU)
        SUM_PIXELS_CASE(RELU)
        SUM_PIXELS_CASE(LEAKY_RELU)
        SUM_PIXELS_CASE(RELU6)
        SUM_PIXELS_CASE(TANH)
        SUM_PIXELS_CASE(SIGMOID)
        SUM_PIXELS_CASE(QUICK_GELU)
        SUM_PIXELS_CASE(HARD_SIGMOID)
        SUM_PIXELS_CASE(HARD_SWISH)
    }
}
#undef SUM_PIXELS_CASE

static void max_pixels(
    const float *const *x, int64_t count, const float *initial, int64_t channels, float *output) {
    for (int64_t c = 0; c < channels; c += VL) {
        const int64_t lanes = channels - c < VL ? channels - c : VL;
        vf largest = load_lanes(initial ? initial + c : x[0] + c, lanes);
        for (int64_t j = initial ? 0 : 1; j < count; j++) largest = max_v(load_lanes(x[j] + c, lanes), largest);
        if (lanes == VL) store(output + c, largest);
        else store_part(output + c, largest, lanes);
    }
}
