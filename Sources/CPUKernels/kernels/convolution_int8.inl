// Convolutions with activations quantised to 8 bits, a scale for each pixel. Tiles are MR pixels x NR channels; four
// channels of a pixel are broadcast at a time and multiplied with those of 16 outputs.
//
//     a pixel          its scale and offset, 16 bytes; q0 q1 …, unsigned, padded to a multiple of 16
//     a panel          scales of the outputs; then of each tap:
//       corrections    c0 c1 …                           32-bit: -128 times the sum of the tap's weights
//       weights        n0: c0 c1 c2 c3 | n1: … | …       for each four channels
#pragma once
#include "../simd/int8.h"
#include "convolution_epilogue.inl"

#include <math.h>

INLINE int64_t quad_count(int64_t channels) { return (channels + 3) / 4; }
INLINE int64_t vector_count(int64_t outputs) { return (outputs + VL - 1) / VL; }

static int64_t convolution_pixel_bytes(int64_t channels) {
    return (int64_t)sizeof(quantised_pixel) + vector_count(channels) * VL;
}

// The head and the quants of a pixel whose largest number is `most`.
INLINE void write_quants(const float *x, int64_t channels, float most, bool has_negative, void *pixel) {
    const float steps = has_negative ? 127 : 255, inverse = most > 0 ? steps / most : 0;
    const quantised_pixel head = {.scale = most / steps, .offset = has_negative ? -1 : 0};
    memcpy(pixel, &head, sizeof head);
    char *to = (char *)pixel + sizeof head;
    const vf factor = splat(inverse), offset = splat(has_negative ? 128 : 0);
    int64_t c = 0;
    for (; c + 4 * VL <= channels; c += 4 * VL) {
        vi quants[4];
        UNROLL for (int i = 0; i < 4; i++) quants[i] = round_v(fma_v(load(x + c + i * VL), factor, offset));
        store_q(to + c, narrow_four(quants[0], quants[1], quants[2], quants[3]));
    }
    for (; c < channels; c += VL)
        *(q16_unaligned *)(to + c) =
            narrow_unsigned(round_v(fma_v(load_rest(x + c, channels - c), factor, offset)));
}

static void quantise_pixel(const float *x, int64_t channels, void *pixel) {
    vf highest = splat(0), lowest = splat(0);
    for (int64_t c = 0; c < channels; c += VL) {
        const vf y = load_rest(x + c, channels - c);
        highest = max_v(y, highest);
        lowest = select_v(y < lowest, y, lowest);
    }
    write_quants(x, channels, max_lanes(max_v(-lowest, highest)), any_v(lowest < 0.0f), pixel);
}

// Four pixels at once, whose chains of largest numbers run side by side.
INLINE void quantise_four(
    const bool is_positive, const float *x, int64_t stride, int64_t channels, char *pixels, int64_t pixel_bytes) {
    vf highest[4], lowest[4];
    UNROLL for (int t = 0; t < 4; t++) highest[t] = lowest[t] = splat(0);
    for (int64_t c = 0; c < channels; c += VL)
        UNROLL for (int t = 0; t < 4; t++) {
            const vf y = load(x + t * stride + c);
            highest[t] = max_v(y, highest[t]);
            if (!is_positive) lowest[t] = select_v(y < lowest[t], y, lowest[t]);
        }
    bool has_negative[4];
    UNROLL for (int t = 0; t < 4; t++) {
        has_negative[t] = !is_positive && any_v(lowest[t] < 0.0f);
        highest[t] = max_v(-lowest[t], highest[t]);
    }
    // Each quarter of a vector then holds the largest number of one pixel.
    const vf even = max_v(butterfly_low(8, highest[0], highest[1]), butterfly_high(8, highest[0], highest[1]));
    const vf odd = max_v(butterfly_low(8, highest[2], highest[3]), butterfly_high(8, highest[2], highest[3]));
    vf most = max_v(butterfly_low(4, even, odd), butterfly_high(4, even, odd));
    most = max_v(butterfly_low(2, most, most), butterfly_high(2, most, most));
    most = max_v(butterfly_low(1, most, most), butterfly_high(1, most, most));
    UNROLL for (int t = 0; t < 4; t++)
        write_quants(x + t * stride, channels, most[t % 2 * 8 + t / 2 * 4], has_negative[t], pixels + t * pixel_bytes);
}

static void quantise_pixels(
    const float *x, int64_t stride, int64_t count, bool is_positive, int64_t channels, char *pixels) {
    const int64_t pixel_bytes = convolution_pixel_bytes(channels);
    for (; count >= 4 && channels % VL == 0; count -= 4, x += 4 * stride, pixels += 4 * pixel_bytes) {
        if (is_positive) quantise_four(true, x, stride, channels, pixels, pixel_bytes);
        else quantise_four(false, x, stride, channels, pixels, pixel_bytes);
    }
    for (; count > 0; count--, x += stride, pixels += pixel_bytes) quantise_pixel(x, channels, pixels);
}

// `y` and what a vector of quants behind the head of a pixel stands for.
INLINE vf add_quants_of(const bool has_offset, vf y, const char *pixel, const char *quants) {
    quantised_pixel head;
    memcpy(&head, pixel, sizeof head);
    vi integers = __builtin_convertvector(*(const q16_unaligned *)quants, vi);
    if (has_offset) integers -= head.offset & 128;
    return fma_v(__builtin_convertvector(integers, vf), splat(head.scale), y);
}

INLINE vf add_quants(vf y, const char *pixel, const char *quants) { return add_quants_of(true, y, pixel, quants); }

static void max_quantised_pixels(
    const char *const *pixels, int64_t count, bool goes_on, int64_t channels, float *y) {
    for (int64_t c = 0; c < channels; c += VL) {
        vf largest = goes_on ? load(y + c) : splat(-INFINITY);
        for (int64_t p = 0; p < count; p++)
            largest = max_v(add_quants(splat(0), pixels[p], pixels[p] + sizeof(quantised_pixel) + c), largest);
        store(y + c, largest);
    }
}

// ---- The weight

// Bytes of the corrections of a tap, or of the weights of four channels.
INLINE int64_t panel_line_bytes(int64_t outputs) { return vector_count(outputs) * VL * 4; }

static int64_t int8_panel_bytes(int64_t taps, int64_t channels, int64_t outputs) {
    return panel_line_bytes(outputs) * (1 + taps * (1 + quad_count(channels)));
}

static void pack_convolution_int8(
    const int8_t *const *rows, const float *scales, int64_t count, int64_t taps, int64_t channels, void *panel) {
    const int64_t line = panel_line_bytes(count);
    memset(panel, 0, (size_t)int8_panel_bytes(taps, channels, count));
    memcpy(panel, scales, (size_t)count * sizeof *scales);
    char *to = (char *)panel + line;
    for (int64_t tap = 0; tap < taps; tap++, to += line * (1 + quad_count(channels))) {
        int32_t *corrections = (int32_t *)to;
        for (int64_t n = 0; n < count; n++) {
            int32_t sum = 0;
            for (int64_t c = 0; c < channels; c++) {
                const int8_t weight = rows[n][tap * channels + c];
                to[(1 + c / 4) * line + n * 4 + c % 4] = (char)weight;
                sum += weight;
            }
            corrections[n] = -128 * sum;
        }
    }
}

// ---- Products

// Adds the products of a tap to the sums, or makes them of it where it is the only one: then integers and sums need
// not both be in registers.
INLINE void add_tap(
    const bool is_only, const int T, const int V, const float *const *pixels, int64_t quads, const char *weights,
    const char *ahead, int64_t ahead_bytes, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    quantised_pixel heads[CONVOLUTION_MR];
    const char *x[CONVOLUTION_MR];
    int32_t offsets = 0;
    UNROLL for (int t = 0; t < T; t++) {
        memcpy(&heads[t], pixels[t], sizeof heads[t]);
        x[t] = (const char *)pixels[t] + sizeof heads[t];
        offsets |= heads[t].offset;
    }
    vri integers[CONVOLUTION_MR][CONVOLUTION_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) integers[t][v] = splat_ri(0);
    if (offsets)
        UNROLL for (int t = 0; t < T; t++)
            UNROLL for (int v = 0; v < V; v++)
                integers[t][v] = (vri)load_r(weights + v * 64) & splat_ri(heads[t].offset);
    for (int64_t quad = 0; quad < quads; quad++) {
        weights += V * 64;
        __builtin_prefetch(ahead, 0, 2);
        ahead += ahead_bytes;
        vri w[CONVOLUTION_VECTORS];
        UNROLL for (int v = 0; v < V; v++) w[v] = (vri)load_r(weights + v * 64);
        UNROLL for (int t = 0; t < T; t++) {
            int32_t four;
            memcpy(&four, x[t] + quad * 4, sizeof four);
            const vri pixel = splat_ri(four);
            UNROLL for (int v = 0; v < V; v++) integers[t][v] = dot_r(integers[t][v], pixel, w[v]);
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) {
            const vf y = __builtin_convertvector((vi)integers[t][v], vf), scale = splat(heads[t].scale);
            sums[t][v] = is_only ? y * scale : fma_v(y, scale, sums[t][v]);
        }
}

INLINE void add_taps(
    const int T, const int V, const convolution_tile *tile, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const int64_t quads = quad_count(tile->depth);
    const char *weights = (const char *)tile->panel + V * 64, *ahead = tile->ahead;
    const float *const *pixels = tile->pixels;
    if (tile->taps == 1) {
        add_tap(true, T, V, pixels, quads, weights, ahead, tile->ahead_bytes, sums);
        return;
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) sums[t][v] = splat(0);
    for (int64_t tap = 0; tap < tile->taps; tap++, pixels += CONVOLUTION_MR) {
        add_tap(false, T, V, pixels, quads, weights, ahead, tile->ahead_bytes, sums);
        weights += (1 + quads) * V * 64;
        ahead += quads * tile->ahead_bytes;
    }
}

INLINE vf add_residual(
    const bool has_offset, vf y, const convolution_int8_tile *call, int64_t t, int64_t n) {
    const char *pixel = call->residual + t * call->residual_stride;
    return add_quants_of(has_offset, y, pixel, pixel + call->residual_at + n);
}

INLINE void add_residuals(
    const bool has_offset, const int T, const int V, const convolution_int8_tile *call,
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) sums[t][v] = add_residual(has_offset, sums[t][v], call, t, v * VL);
}

// Behind ReLU, where most residuals come from, no pixel has an offset.
INLINE bool has_residual_offset(const int T, const convolution_int8_tile *call) {
    int32_t offsets = 0;
    UNROLL for (int t = 0; t < T; t++) {
        quantised_pixel head;
        memcpy(&head, call->residual + t * call->residual_stride, sizeof head);
        offsets |= head.offset;
    }
    return offsets != 0;
}

// The epilogue of whole vectors with no activation or ReLU, without a residual of floats.
INLINE void finish_whole_vectors(
    const int T, const int V, const convolution_int8_tile *call, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const convolution_tile *tile = &call->tile;
    const float *bias = tile->epilogue->bias;
    const vf least = splat(tile->epilogue->activation == CPUK_RELU ? 0 : -INFINITY);
    UNROLL for (int v = 0; v < V; v++) {
        const vf scales = load(tile->panel + v * VL);
        const vf offsets = bias ? load(bias + tile->first_output + v * VL) : splat(0);
        UNROLL for (int t = 0; t < T; t++) sums[t][v] = fma_v(sums[t][v], scales, offsets);
    }
    if (call->residual) {
        if (has_residual_offset(T, call)) add_residuals(true, T, V, call, sums);
        else add_residuals(false, T, V, call, sums);
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++)
            store(tile->target.data + t * tile->target.stride + v * VL,
                select_v(sums[t][v] < least, least, sums[t][v]));
}

INLINE void multiply_int8_tile(const int T, const int V, const convolution_int8_tile *call) {
    const convolution_tile *tile = &call->tile;
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS];
    if (!call->is_kept) prefetch_target(T, V, &tile->target);
    if (call->residual)
        UNROLL for (int t = 0; t < T; t++)
            __builtin_prefetch(call->residual + t * call->residual_stride + call->residual_at, 0, 3);
    add_taps(T, V, tile, sums);
    const cpuk_activation activation = tile->epilogue->activation;
    const bool is_simple = activation == CPUK_IDENTITY || activation == CPUK_RELU;
    if (is_simple && !tile->target.residual && tile->outputs == V * VL) {
        finish_whole_vectors(T, V, call, sums);
        return;
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) {
            sums[t][v] *= load(tile->panel + v * VL);
            if (call->residual) sums[t][v] = add_residual(true, sums[t][v], call, t, v * VL);
        }
    finish_tile(T, V, tile, sums);
}

#define CONVOLUTION_INT8_ROWS(T, V)                                                                                   \
    case T: multiply_int8_tile(T, V, tile); return;
#define CONVOLUTION_INT8_VECTOR(V)                                                                                    \
    static void multiply_convolution_int8_##V(const convolution_int8_tile *tile) {                                    \
        switch (tile->tile.rows) {                                                                                    \
            CONVOLUTION_INT8_ROWS(1, V)                                                                               \
            CONVOLUTION_INT8_ROWS(2, V)                                                                               \
            CONVOLUTION_INT8_ROWS(3, V)                                                                               \
            CONVOLUTION_INT8_ROWS(4, V)                                                                               \
            CONVOLUTION_INT8_ROWS(5, V)                                                                               \
            CONVOLUTION_INT8_ROWS(6, V)                                                                               \
        default: return;                                                                                              \
        }                                                                                                             \
    }
CONVOLUTION_INT8_VECTOR(1)
CONVOLUTION_INT8_VECTOR(2)
CONVOLUTION_INT8_VECTOR(3)
CONVOLUTION_INT8_VECTOR(4)
#undef CONVOLUTION_INT8_VECTOR
#undef CONVOLUTION_INT8_ROWS

static void multiply_convolution_int8(const convolution_int8_tile *tile) {
    switch (vector_count(tile->tile.outputs)) {
    case 1: multiply_convolution_int8_1(tile); return;
    case 2: multiply_convolution_int8_2(tile); return;
    case 3: multiply_convolution_int8_3(tile); return;
    case 4: multiply_convolution_int8_4(tile); return;
    default: return;
    }
}

static const convolution_int8_kernels convolution_int8 = {
    .panel_outputs = CONVOLUTION_NR, .vector = VL, .pixel_bytes = convolution_pixel_bytes, .quantise = quantise_pixels,
    .max_pixels = max_quantised_pixels,
    .panel_bytes = int8_panel_bytes, .pack = pack_convolution_int8, .multiply = multiply_convolution_int8,
};
