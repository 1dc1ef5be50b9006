// Pixels of maps that are quantised to 8 bits, a scale for each pixel, and max pools of them.
//
//     a pixel          its scale and offset, 16 bytes; q0 q1 …, unsigned, padded to a multiple of 16
//
// Quants are bytes or, where no instruction multiplies quads of these, take 16 bits.
#pragma once
#include "../simd/int8.h"
#include "convolution.h"

#include <math.h>

enum {
    /// Channels of a step, whose quants are four bytes.
    STEP = HAS_DOT_QUADS ? 4 : 2,
    QUANT_BYTES = 4 / STEP,
};

INLINE int64_t step_count(int64_t channels) { return (channels + STEP - 1) / STEP; }
INLINE int64_t vector_count(int64_t outputs) { return (outputs + VL - 1) / VL; }

static int64_t convolution_pixel_bytes(int64_t channels) {
    return (int64_t)sizeof(quantised_pixel) + vector_count(channels) * VL * QUANT_BYTES;
}

#if defined(SIMD_VNNI)
INLINE void put_four_quants(char *to, const vi quants[4]) {
    store_q(to, narrow_four(quants[0], quants[1], quants[2], quants[3]));
}
INLINE void put_quants(char *to, vi quants) { *(q16_unaligned *)to = narrow_unsigned(quants); }
INLINE vi quants_at(const char *from) { return __builtin_convertvector(*(const q16_unaligned *)from, vi); }
#else
INLINE void put_quants(char *to, vi quants) { *(vh_any *)to = narrow_16(quants); }
INLINE void put_four_quants(char *to, const vi quants[4]) {
    UNROLL for (int i = 0; i < 4; i++) put_quants(to + i * VL * QUANT_BYTES, quants[i]);
}
INLINE vi quants_at(const char *from) { return __builtin_convertvector(*(const vh_any *)from, vi); }
#endif

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
        put_four_quants(to + c * QUANT_BYTES, quants);
    }
    for (; c < channels; c += VL)
        put_quants(to + c * QUANT_BYTES, round_v(fma_v(load_rest(x + c, channels - c), factor, offset)));
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
    vi integers = quants_at(quants);
    if (has_offset) integers -= head.offset & 128;
    return fma_v(__builtin_convertvector(integers, vf), splat(head.scale), y);
}

INLINE vf add_quants(vf y, const char *pixel, const char *quants) { return add_quants_of(true, y, pixel, quants); }

static void max_quantised_pixels(
    const char *const *pixels, int64_t count, bool goes_on, int64_t channels, float *y) {
    for (int64_t c = 0; c < channels; c += VL) {
        vf largest = goes_on ? load(y + c) : splat(-INFINITY);
        for (int64_t p = 0; p < count; p++)
            largest = max_v(
                add_quants(splat(0), pixels[p], pixels[p] + sizeof(quantised_pixel) + c * QUANT_BYTES), largest);
        store(y + c, largest);
    }
}
