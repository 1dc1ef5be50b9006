// Convolutions with activations quantised to int8: a scale for each pixel's run of 64 channels, |q| <= 127. Tiles are
// MR pixels x 32 channels; four channels of a pixel are broadcast at a time and multiplied with those of 16 outputs.
//
//     a pixel          u0 u1 …  s0 s1 …                  q + 128 of each channel, padded to whole runs; then scales
//     a panel          scales of the outputs, 32 floats; then of each tap, of each run:
//       corrections    c0 … c31                          32-bit: -128 times the sum of the run's weights
//       weights        n0: c0 c1 c2 c3 | n1: … | n31: …  for each four channels of the run
#pragma once
#include "../simd/int8.h"
#include "convolution_epilogue.inl"

enum {
    RUN = CONVOLUTION_RUN,
    /// NR, in vectors: a tile's integers and its sums, two vectors of weights and one pixel's fit 32 registers.
    INT8_VECTORS = 2,
    INT8_NR = INT8_VECTORS * VL,
    /// Bytes of the corrections of a run, or of the weights of four channels.
    INT8_LINE = INT8_NR * 4,
};

INLINE int64_t run_count(int64_t channels) { return (channels + RUN - 1) / RUN; }
INLINE int64_t quad_count(int64_t channels) { return (channels + 3) / 4; }

static int64_t convolution_pixel_bytes(int64_t channels) {
    return (run_count(channels) * (RUN + (int64_t)sizeof(float)) + 63) / 64 * 64;
}

static void quantise_pixel(const float *x, int64_t channels, void *pixel) {
    float *scales = (float *)((char *)pixel + run_count(channels) * RUN);
    for (int64_t run = 0; run < run_count(channels); run++) {
        vf part[RUN / VL], largest = splat(0);
        UNROLL for (int i = 0; i < RUN / VL; i++) {
            const int64_t rest = channels - run * RUN - i * VL;
            part[i] = rest >= VL ? load(x + run * RUN + i * VL) : rest > 0 ? load_part(x + run * RUN + i * VL, rest)
                                                                           : splat(0);
            largest = max_v(abs_v(part[i]), largest);
        }
        const float most = max_lanes(largest), inverse = most > 0 ? 127.0f / most : 0;
        char *to = (char *)pixel + run * RUN;
        UNROLL for (int i = 0; i < RUN / VL; i++)
            *(q16_unaligned *)(to + i * VL) = narrow(round_v(part[i] * inverse)) ^ (q16)((q16){0} + 0x80);
        scales[run] = most / 127.0f;
    }
}

static int64_t int8_panel_bytes(int64_t taps, int64_t channels) {
    return INT8_LINE * (1 + taps * (run_count(channels) + quad_count(channels)));
}

static void pack_convolution_int8(
    const int8_t *const *rows, const float *scales, int64_t count, int64_t taps, int64_t channels, void *panel) {
    char *to = panel;
    for (int64_t n = 0; n < INT8_NR; n++) ((float *)to)[n] = n < count ? scales[n] : 0;
    to += INT8_LINE;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t first = 0; first < channels; first += RUN) {
            const int64_t end = channels - first < RUN ? channels - first : RUN;
            int32_t *corrections = (int32_t *)to;
            char *weights = to + INT8_LINE;
            to = weights + quad_count(end) * INT8_LINE;
            memset(weights, 0, (size_t)(to - weights));
            for (int64_t n = 0; n < INT8_NR; n++) {
                int32_t sum = 0;
                for (int64_t c = 0; n < count && c < end; c++) {
                    const int8_t weight = rows[n][tap * channels + first + c];
                    weights[c / 4 * INT8_LINE + n * 4 + c % 4] = (char)weight;
                    sum += weight;
                }
                corrections[n] = -128 * sum;
            }
        }
}

// The products of a run of `quads` times four channels, added to the sums.
INLINE void add_run(
    const int T, const char *const x[CONVOLUTION_MR], int64_t at, int64_t scale_at, int64_t quads, const char *weights,
    const char *ahead, int64_t ahead_bytes, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    vri integers[CONVOLUTION_MR][INT8_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < INT8_VECTORS; v++) integers[t][v] = (vri)load_r(weights + v * 64);
    for (int64_t quad = 0; quad < quads; quad++) {
        weights += INT8_LINE;
        __builtin_prefetch(ahead, 0, 2);
        ahead += ahead_bytes;
        vri w[INT8_VECTORS];
        UNROLL for (int v = 0; v < INT8_VECTORS; v++) w[v] = (vri)load_r(weights + v * 64);
        UNROLL for (int t = 0; t < T; t++) {
            int32_t four;
            memcpy(&four, x[t] + at + quad * 4, sizeof four);
            const vri pixel = splat_ri(four);
            UNROLL for (int v = 0; v < INT8_VECTORS; v++) integers[t][v] = dot_r(integers[t][v], pixel, w[v]);
        }
    }
    UNROLL for (int t = 0; t < T; t++) {
        float scale;
        memcpy(&scale, x[t] + scale_at, sizeof scale);
        UNROLL for (int v = 0; v < INT8_VECTORS; v++)
            sums[t][v] = fma_v(__builtin_convertvector((vi)integers[t][v], vf), splat(scale), sums[t][v]);
    }
}

INLINE void multiply_int8_tile(const int T, const convolution_tile *tile) {
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < INT8_VECTORS; v++) sums[t][v] = splat(0);
    const float *output_scales = tile->panel;
    const char *weights = (const char *)tile->panel + INT8_LINE;
    const float *const *pixels = tile->pixels;
    const int64_t runs = run_count(tile->depth);
    const char *ahead = tile->ahead;
    if (tile->outputs > VL) prefetch_target(T, 2, &tile->target);
    else prefetch_target(T, 1, &tile->target);
    for (int64_t tap = 0; tap < tile->taps; tap++, pixels += CONVOLUTION_MR) {
        const char *x[CONVOLUTION_MR];
        UNROLL for (int t = 0; t < T; t++) x[t] = (const char *)pixels[t];
        for (int64_t run = 0; run < runs; run++) {
            const int64_t quads = run + 1 < runs ? RUN / 4 : quad_count(tile->depth - run * RUN);
            add_run(
                T, x, run * RUN, runs * RUN + run * (int64_t)sizeof(float), quads, weights, ahead, tile->ahead_bytes,
                sums);
            weights += (1 + quads) * INT8_LINE;
            ahead += quads * tile->ahead_bytes;
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < INT8_VECTORS; v++) sums[t][v] *= load(output_scales + v * VL);
    if (tile->outputs > VL) finish_tile(T, 2, tile, sums);
    else finish_tile(T, 1, tile, sums);
}

static void multiply_convolution_int8(const convolution_tile *tile) {
    switch (tile->rows) {
    case 1: multiply_int8_tile(1, tile); return;
    case 2: multiply_int8_tile(2, tile); return;
    case 3: multiply_int8_tile(3, tile); return;
    case 4: multiply_int8_tile(4, tile); return;
    case 5: multiply_int8_tile(5, tile); return;
    case 6: multiply_int8_tile(6, tile); return;
    default: return;
    }
}

static const convolution_int8_kernels convolution_int8 = {
    .panel_outputs = INT8_NR, .pixel_bytes = convolution_pixel_bytes, .quantise_pixel = quantise_pixel,
    .panel_bytes = int8_panel_bytes, .pack = pack_convolution_int8, .multiply = multiply_convolution_int8,
};
