// What follows the sums of a tile of a convolution, while they are in registers.
#pragma once
#include "convolution.h"
#include "epilogue.inl"

enum {
    /// As many as registers hold the sums of; vectors of 16 lanes are two of 16 registers.
    CONVOLUTION_VECTORS = VECTOR_REGISTERS >= 32 ? 4 : VL > 8 ? 1 : 2,
    CONVOLUTION_NR = CONVOLUTION_VECTORS * VL,
};

// What is read next is prefetched line by line: `end` moves on as tiles are computed.
typedef struct {
    const char *line, *end;
} read_ahead_lines;

INLINE void fetch_ahead(read_ahead_lines *ahead, int64_t bytes) {
    ahead->end += bytes;
    for (; ahead->line < ahead->end; ahead->line += LINE_FLOATS * sizeof(float)) __builtin_prefetch(ahead->line, 0, 2);
}

// Results are written, and what is added to them is read, when the sums are complete: both are fetched while these are
// made.
INLINE void prefetch_target(const int T, const int V, const product_target *target) {
    const float *to = target->data, *from = target->residual;
    // A loop, whose addresses need few registers.
#pragma clang loop unroll(disable)
    for (int t = 0; t < T; t++, to += target->stride) {
        UNROLL for (int n = 0; n < V * VL; n += LINE_FLOATS) __builtin_prefetch(to + n, 1, 3);
        if (!from) continue;
        UNROLL for (int n = 0; n < V * VL; n += LINE_FLOATS) __builtin_prefetch(from + n, 0, 3);
        from += target->residual_stride;
    }
}

// The epilogue of a vector of sums whose activation is none or ReLU.
INLINE vf finish_vector(
    const int activation, vf y, const float *bias, const float *residual, bool adds_first, int64_t lanes) {
    if (bias) y += lanes == VL ? load(bias) : load_part(bias, lanes);
    const vf other = !residual ? splat(0) : lanes == VL ? load(residual) : load_part(residual, lanes);
    if (adds_first) return activate_v(activation, y + other);
    y = activate_v(activation, y);
    return residual ? y + other : y;
}

INLINE void finish_tile_of(
    const int activation, const int T, const int V, const convolution_tile *tile,
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const product_target *target = &tile->target;
    const float *bias = tile->epilogue && tile->epilogue->bias ? tile->epilogue->bias + tile->first_output : NULL;
    UNROLL for (int t = 0; t < T; t++) {
        float *to = target->data + t * target->stride;
        const float *residual = target->residual ? target->residual + t * target->residual_stride : NULL;
        UNROLL for (int v = 0; v < V; v++) {
            const int64_t n = v * VL, lanes = v == V - 1 ? tile->outputs - n : VL;
            const vf y = finish_vector(
                activation, sums[t][v], bias ? bias + n : NULL, residual ? residual + n : NULL,
                target->adds_residual_first, lanes);
            if (lanes == VL) store(to + n, y);
            else store_part(to + n, y, lanes);
        }
    }
}

// Other activations, row by row.
static void finish_rows(const convolution_tile *tile, float *y) {
    const product_target *target = &tile->target;
    for (int64_t t = 0; t < tile->rows; t++, y += CONVOLUTION_NR) {
        const float *residual = target->residual ? target->residual + t * target->residual_stride : NULL;
        if (residual && target->adds_residual_first) {
            for (int64_t n = 0; n < tile->outputs; n++) y[n] += residual[n];
            residual = NULL;
        }
        apply_epilogue(
            tile->epilogue, tile->first_output, tile->outputs, y, NULL, residual, target->data + t * target->stride);
    }
}

// Indices of `sums` are constants throughout, so that they stay in registers.
INLINE void store_sums(
    const int T, const int V, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS], float *to) {
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++) store(to + t * CONVOLUTION_NR + v * VL, sums[t][v]);
}

INLINE void finish_tile(
    const int T, const int V, const convolution_tile *tile, vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const cpuk_activation activation = tile->epilogue ? tile->epilogue->activation : CPUK_IDENTITY;
    if (activation == CPUK_IDENTITY) {
        finish_tile_of(CPUK_IDENTITY, T, V, tile, sums);
    } else if (activation == CPUK_RELU) {
        finish_tile_of(CPUK_RELU, T, V, tile, sums);
    } else {
        float y[CONVOLUTION_MR * CONVOLUTION_NR];
        store_sums(T, V, sums, y);
        finish_rows(tile, y);
    }
}
