// Convolutions with quantised activations (quantised_pixels.inl). Tiles are MR pixels x NR channels; a step of a
// pixel's channels, two or four, is broadcast at a time and multiplied with those of 16 outputs.
//
//     a panel          scales of the outputs; then of each tap:
//       corrections    c0 c1 …                           32-bit: -128 times the sum of the tap's weights
//       weights        n0: c0 c1 (c2 c3) | n1: … | …     for each step
#pragma once
#include "convolution_epilogue.inl"
#include "quantised_pixels.inl"

enum {
    /// Registers of a vector.
    VECTOR_PARTS = VL / REGISTER_LANES,
    /// Steps between which nothing but products is computed.
    STEP_BLOCK = 4,
};

#if defined(SIMD_VNNI)
INLINE vri load_weights(const char *from) { return (vri)load_r(from); }
INLINE vri add_step(vri sums, vri quants, vri weights) { return dot_r(sums, quants, weights); }
#else
INLINE vri load_weights(const char *from) { return widen_16_r(from); }
INLINE vri add_step(vri sums, vri quants, vri weights) {
    return sums + multiply_16_r((vr_16)quants, (vr_16)weights);
}
#endif

// ---- The weight

// Bytes of the scales, or of the corrections of a tap, and of the weights of a step.
INLINE int64_t panel_line_bytes(int64_t outputs) { return vector_count(outputs) * VL * 4; }
INLINE int64_t panel_step_bytes(int64_t outputs) { return vector_count(outputs) * VL * STEP; }
INLINE int64_t tap_bytes(int64_t channels, int64_t outputs) {
    return panel_line_bytes(outputs) + step_count(channels) * panel_step_bytes(outputs);
}

static int64_t int8_panel_bytes(int64_t taps, int64_t channels, int64_t outputs) {
    return panel_line_bytes(outputs) + taps * tap_bytes(channels, outputs);
}

static void pack_convolution_int8(
    const int8_t *const *rows, const float *scales, int64_t count, int64_t taps, int64_t channels, void *panel) {
    const int64_t line = panel_line_bytes(count), step = panel_step_bytes(count);
    memset(panel, 0, (size_t)int8_panel_bytes(taps, channels, count));
    memcpy(panel, scales, (size_t)count * sizeof *scales);
    char *to = (char *)panel + line;
    for (int64_t tap = 0; tap < taps; tap++, to += tap_bytes(channels, count)) {
        int32_t *corrections = (int32_t *)to;
        for (int64_t n = 0; n < count; n++) {
            int32_t sum = 0;
            for (int64_t c = 0; c < channels; c++) {
                const int8_t weight = rows[n][tap * channels + c];
                to[line + c / STEP * step + n * STEP + c % STEP] = (char)weight;
                sum += weight;
            }
            corrections[n] = -128 * sum;
        }
    }
}

// ---- Products

INLINE void add_products_of_step(
    const int T, const int V, const char *const x[CONVOLUTION_MR], int64_t step, const char *weights,
    vri integers[CONVOLUTION_MR][CONVOLUTION_VECTORS * VECTOR_PARTS]) {
    vri w[CONVOLUTION_VECTORS * VECTOR_PARTS];
    UNROLL for (int r = 0; r < V * VECTOR_PARTS; r++) w[r] = load_weights(weights + r * REGISTER_LANES * STEP);
    UNROLL for (int t = 0; t < T; t++) {
        int32_t quants;
        memcpy(&quants, x[t] + step * 4, sizeof quants);
        const vri pixel = splat_ri(quants);
        UNROLL for (int r = 0; r < V * VECTOR_PARTS; r++) {
            integers[t][r] = add_step(integers[t][r], pixel, w[r]);
            keep_r(&integers[t][r]);
        }
    }
}

// Adds the products of a tap to the sums, or makes them of it where it is the only one: then integers and sums need
// not both be in registers.
INLINE void add_tap(
    const bool is_only, const int T, const int V, const float *const *pixels, int64_t steps, const char *weights,
    read_ahead_lines *ahead, int64_t ahead_bytes, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    quantised_pixel heads[CONVOLUTION_MR];
    const char *x[CONVOLUTION_MR];
    int32_t offsets = 0;
    UNROLL for (int t = 0; t < T; t++) {
        memcpy(&heads[t], pixels[t], sizeof heads[t]);
        x[t] = (const char *)pixels[t] + sizeof heads[t];
        offsets |= heads[t].offset;
    }
    const int registers = V * VECTOR_PARTS;
    vri integers[CONVOLUTION_MR][CONVOLUTION_VECTORS * VECTOR_PARTS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int r = 0; r < registers; r++) integers[t][r] = splat_ri(0);
    if (offsets)
        UNROLL for (int t = 0; t < T; t++)
            UNROLL for (int r = 0; r < registers; r++)
                integers[t][r] = (vri)load_r(weights + r * REGISTER_LANES * 4) & splat_ri(heads[t].offset);
    weights += V * VL * 4;
    int64_t step = 0;
    for (; step + STEP_BLOCK <= steps; step += STEP_BLOCK) {
        fetch_ahead(ahead, STEP_BLOCK * ahead_bytes);
        UNROLL for (int i = 0; i < STEP_BLOCK; i++, weights += V * VL * STEP)
            add_products_of_step(T, V, x, step + i, weights, integers);
    }
    fetch_ahead(ahead, (steps - step) * ahead_bytes);
    for (; step < steps; step++, weights += V * VL * STEP) add_products_of_step(T, V, x, step, weights, integers);
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) {
            const vf y = __builtin_convertvector(join_r(&integers[t][v * VECTOR_PARTS]), vf);
            const vf scale = splat(heads[t].scale);
            sums[t][v] = is_only ? y * scale : fma_v(y, scale, sums[t][v]);
        }
}

INLINE void add_taps(
    const int T, const int V, const convolution_tile *tile, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const int64_t steps = step_count(tile->depth);
    const char *weights = (const char *)tile->panel + V * VL * 4;
    read_ahead_lines ahead = {tile->ahead, tile->ahead};
    const float *const *pixels = tile->pixels;
    if (tile->taps == 1) {
        add_tap(true, T, V, pixels, steps, weights, &ahead, tile->ahead_bytes, sums);
        return;
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) sums[t][v] = splat(0);
    for (int64_t tap = 0; tap < tile->taps; tap++, pixels += CONVOLUTION_MR) {
        add_tap(false, T, V, pixels, steps, weights, &ahead, tile->ahead_bytes, sums);
        weights += (4 + steps * STEP) * V * VL;
    }
}

INLINE vf add_residual(
    const bool has_offset, vf y, const convolution_int8_tile *call, int64_t t, int64_t n) {
    const char *pixel = call->residual + t * call->residual_stride;
    return add_quants_of(has_offset, y, pixel, pixel + call->residual_at + n * QUANT_BYTES);
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
#if defined(SIMD_AVX512)
CONVOLUTION_INT8_VECTOR(2)
CONVOLUTION_INT8_VECTOR(3)
CONVOLUTION_INT8_VECTOR(4)
#endif
#undef CONVOLUTION_INT8_VECTOR
#undef CONVOLUTION_INT8_ROWS

static void multiply_convolution_int8(const convolution_int8_tile *tile) {
    switch (vector_count(tile->tile.outputs)) {
    case 1: multiply_convolution_int8_1(tile); return;
#if defined(SIMD_AVX512)
    case 2: multiply_convolution_int8_2(tile); return;
    case 3: multiply_convolution_int8_3(tile); return;
    case 4: multiply_convolution_int8_4(tile); return;
#endif
    default: return;
    }
}

static const convolution_int8_kernels convolution_int8 = {
    .panel_outputs = CONVOLUTION_NR, .vector = VL, .quant_bytes = QUANT_BYTES, .step = STEP,
    .pixel_bytes = convolution_pixel_bytes, .quantise = quantise_pixels, .max_pixels = max_quantised_pixels,
    .panel_bytes = int8_panel_bytes, .pack = pack_convolution_int8, .multiply = multiply_convolution_int8,
};
