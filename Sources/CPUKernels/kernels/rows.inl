// Ops on one row at a time: activations, lookup, rotation, conversion.
#pragma once
#include "../formats/dequantise.h"
#include "../simd/vector_math.h"
#include <math.h>

// ---- Activations

INLINE void activate_row_of(const int activation, const float *x, float *output, int64_t columns) {
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) store(output + i, activate_v(activation, load(x + i)));
    if (i < columns) store_part(output + i, activate_v(activation, load_part(x + i, columns - i)), columns - i);
}

static void activate_row(cpuk_activation activation, const float *x, float *output, int64_t columns) {
    switch (activation) {
    case CPUK_IDENTITY: activate_row_of(CPUK_IDENTITY, x, output, columns); return;
    case CPUK_GELU_TANH: activate_row_of(CPUK_GELU_TANH, x, output, columns); return;
    case CPUK_GELU_ERF: activate_row_of(CPUK_GELU_ERF, x, output, columns); return;
    case CPUK_SILU: activate_row_of(CPUK_SILU, x, output, columns); return;
    case CPUK_RELU: activate_row_of(CPUK_RELU, x, output, columns); return;
    case CPUK_LEAKY_RELU: activate_row_of(CPUK_LEAKY_RELU, x, output, columns); return;
    case CPUK_RELU6: activate_row_of(CPUK_RELU6, x, output, columns); return;
    case CPUK_TANH: activate_row_of(CPUK_TANH, x, output, columns); return;
    case CPUK_SIGMOID: activate_row_of(CPUK_SIGMOID, x, output, columns); return;
    case CPUK_QUICK_GELU: activate_row_of(CPUK_QUICK_GELU, x, output, columns); return;
    case CPUK_HARD_SIGMOID: activate_row_of(CPUK_HARD_SIGMOID, x, output, columns); return;
    case CPUK_HARD_SWISH: activate_row_of(CPUK_HARD_SWISH, x, output, columns); return;
    }
}

static void soft_cap_row(const float *x, float *output, int64_t columns, float cap) {
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) store(output + i, tanh_v(load(x + i) / cap) * cap);
    if (i < columns) store_part(output + i, tanh_v(load_part(x + i, columns - i) / cap) * cap, columns - i);
}

// ---- Lookup, rotation, conversion

INLINE void embed_row_of(
    const int format, const void *row, float scale, int64_t columns, bool accumulate, float *output) {
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t count = columns - i < VL ? columns - i : VL;
        vf value = count == VL ? dequantise(format, row, i) : dequantise_part(format, row, i, count);
        value *= scale;
        if (accumulate) value += count == VL ? load(output + i) : load_part(output + i, count);
        if (count == VL) store(output + i, value);
        else store_part(output + i, value, count);
    }
}

#define EMBED_CASE(ID, ...) \
    case CPUK_##ID: embed_row_of(CPUK_##ID, row, scale, columns, accumulate, output); return;
static void embed_row(
    cpuk_format format, const void *row, float scale, int64_t columns, bool accumulate, float *output) {
    switch (format) {
        NUMBER_FORMATS_OF_VALUES(EMBED_CASE)
        NUMBER_FORMATS_OF_BLOCKS(EMBED_CASE)
    default: return;
    }
}
#undef EMBED_CASE

static void weighted_sum_row(
    const float *x, int64_t stride, const float *weights, int64_t count, int64_t columns, const float *initial,
    float *output) {
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t lanes = columns - i < VL ? columns - i : VL;
        vf sum = !initial ? splat(0) : lanes == VL ? load(initial + i) : load_part(initial + i, lanes);
        for (int64_t j = 0; j < count; j++) {
            const float *row = x + j * stride + i;
            sum = fma_v(lanes == VL ? load(row) : load_part(row, lanes), splat(weights[j]), sum);
        }
        if (lanes == VL) store(output + i, sum);
        else store_part(output + i, sum, lanes);
    }
}

INLINE void add_products_of(
    const int format, const int T, const void *x, int64_t stride, const float *weights, int64_t weight_stride,
    int64_t count, int64_t columns, float *output, int64_t output_stride) {
    for (int64_t i = 0; i < columns; i += VL) {
        const int64_t lanes = columns - i < VL ? columns - i : VL;
        vf sums[4];
        UNROLL for (int t = 0; t < T; t++) {
            const float *before = output + t * output_stride + i;
            sums[t] = lanes == VL ? load(before) : load_part(before, lanes);
        }
        for (int64_t j = 0; j < count; j++) {
            const int64_t at = j * stride + i;
            const vf numbers = lanes == VL ? dequantise(format, x, at) : dequantise_part(format, x, at, lanes);
            UNROLL for (int t = 0; t < T; t++)
                sums[t] = fma_v(numbers, splat(weights[t * weight_stride + j]), sums[t]);
        }
        UNROLL for (int t = 0; t < T; t++) {
            float *after = output + t * output_stride + i;
            if (lanes == VL) store(after, sums[t]);
            else store_part(after, sums[t], lanes);
        }
    }
}

INLINE void add_products_as(
    const int format, const void *x, int64_t stride, const float *weights, int64_t weight_stride, int64_t count,
    int64_t columns, int64_t tokens, float *output, int64_t output_stride) {
    int64_t t = 0;
#define ADD_PRODUCTS(T)                                                                                               \
    for (; t + T <= tokens; t += T)                                                                                   \
        add_products_of(                                                                                              \
            format, T, x, stride, weights + t * weight_stride, weight_stride, count, columns,                         \
            output + t * output_stride, output_stride)
    ADD_PRODUCTS(4);
    ADD_PRODUCTS(2);
    ADD_PRODUCTS(1);
#undef ADD_PRODUCTS
}

#define ADD_PRODUCTS_CASE(ID)                                                                                         \
    case CPUK_##ID:                                                                                                   \
        add_products_as(                                                                                              \
            CPUK_##ID, x, stride, weights, weight_stride, count, columns, tokens, output, output_stride);             \
        return;
static void add_products_row(
    cpuk_format format, const void *x, int64_t stride, const float *weights, int64_t weight_stride, int64_t count,
    int64_t columns, int64_t tokens, float *output, int64_t output_stride) {
    switch (format) {
        ADD_PRODUCTS_CASE(F32)
        ADD_PRODUCTS_CASE(BF16)
        ADD_PRODUCTS_CASE(F16)
    default: return;
    }
}
#undef ADD_PRODUCTS_CASE

static void rope_head(
    const float *x, int64_t head_size, const float *cosines, const float *sines, int64_t rotary_size,
    bool interleaved, float *output) {
    const int64_t pairs = rotary_size / 2;
    int64_t i = 0;
    if (interleaved) {
        for (; i < pairs; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            output[2 * i] = a * cosines[i] - b * sines[i];
            output[2 * i + 1] = b * cosines[i] + a * sines[i];
        }
    } else {
        for (; i + VL <= pairs; i += VL) {
            vf a = load(x + i), b = load(x + pairs + i), c = load(cosines + i), s = load(sines + i);
            store(output + i, a * c - b * s);
            store(output + pairs + i, b * c + a * s);
        }
        for (; i < pairs; i++) {
            float a = x[i], b = x[pairs + i];
            output[i] = a * cosines[i] - b * sines[i];
            output[pairs + i] = b * cosines[i] + a * sines[i];
        }
    }
    if (output != x)
        memcpy(output + rotary_size, x + rotary_size, (size_t)(head_size - rotary_size) * sizeof(float));
}

static void store_row(cpuk_format format, const float *x, int64_t count, void *output) {
    int64_t i = 0;
    switch (format) {
    case CPUK_BF16:
        for (; i + VL <= count; i += VL) store_as(CPUK_BF16, output, i, load(x + i));
        if (i < count) store_part_as(CPUK_BF16, output, i, load_part(x + i, count - i), count - i);
        return;
    case CPUK_F16:
        for (; i + VL <= count; i += VL) store_as(CPUK_F16, output, i, load(x + i));
        if (i < count) store_part_as(CPUK_F16, output, i, load_part(x + i, count - i), count - i);
        return;
    default: memcpy(output, x, (size_t)count * sizeof(float));
    }
}

// Rounds to the nearest quant, ties to even: adding 1.5 * 2^23 leaves the integer in the low bits.
INLINE vb to_quants(vf x) {
    const vf magic = splat(12582912.0f);
    return __builtin_convertvector((vi)(x + magic) - (vi)magic, vb);
}

static float quantise_row(const float *x, int64_t count, int8_t *quants) {
    vf top = splat(0), zeros = splat(0);
    int64_t i = 0;
    for (; i < count; i += VL) {
        vf value = count - i >= VL ? load(x + i) : load_part(x + i, count - i);
        top = max_v(abs_v(value), top);
        zeros += value * 0.0f;
    }
    // A NaN or an infinity times zero is NaN.
    if (isnan(sum_lanes(zeros))) {
        memset(quants, 0, (size_t)count);
        return NAN;
    }
    const float largest = max_lanes(top);
    const float scale = largest < 0x1p-118f ? 0 : largest / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0;
    for (i = 0; i + VL <= count; i += VL) *(vb_any *)(quants + i) = to_quants(load(x + i) * inverse);
    if (i < count) {
        vb part = to_quants(load_part(x + i, count - i) * inverse);
        memcpy(quants + i, &part, (size_t)(count - i));
    }
    return scale;
}
