// Convolutions with FP32 activations: tiles of MR pixels x NR channels. A pixel's channels are broadcast one after
// another, from where they lie, and multiplied with the panel's vectors, so that nothing is copied and no lanes are
// summed.
#pragma once
#include "convolution_epilogue.inl"
#include "outer_product.inl"

static void pack_convolution(const float *rows, int64_t stride, int64_t count, int64_t columns, float *panel) {
    const int64_t width = (count + VL - 1) / VL * VL;
    for (int64_t n = 0; n < width; n += VL)
        for (int64_t k = 0; k < columns; k += VL) {
            const int64_t rest = columns - k < VL ? columns - k : VL;
            vf square[VL];
            for (int i = 0; i < VL; i++)
                square[i] = n + i < count ? load_part(rows + (n + i) * stride + k, rest) : splat(0);
            transpose(square);
            for (int64_t i = 0; i < rest; i++) store(panel + (k + i) * width + n, square[i]);
        }
}

INLINE void multiply_tile(const int T, const int V, const convolution_tile *tile) {
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++)
            sums[t][v] = tile->before ? load(tile->before + t * CONVOLUTION_NR + v * VL) : splat(0);
    const float *weights = tile->panel;
    const float *const *pixels = tile->pixels;
    read_ahead_lines ahead = {tile->ahead, tile->ahead};
    const int64_t ahead_bytes = COLUMN_BLOCK * tile->ahead_bytes;
    const float *const *next = tile->next_pixels;
    if (!tile->after) prefetch_target(T, V, &tile->target);
    for (int64_t tap = 0; tap < tile->taps; tap++, pixels += CONVOLUTION_MR) {
        const float *x[CONVOLUTION_MR];
        UNROLL for (int t = 0; t < T; t++) x[t] = pixels[t] + tile->offset;
        int64_t c = 0;
        for (; c + COLUMN_BLOCK <= tile->depth; c += COLUMN_BLOCK) {
            fetch_ahead(&ahead, ahead_bytes);
            if (next && c % LINE_FLOATS == 0)
                UNROLL for (int t = 0; t < T; t++) __builtin_prefetch(next[t] + tile->offset + c, 0, 3);
            add_outer_products(COLUMN_BLOCK, T, V, CONVOLUTION_VECTORS, x, c, weights, V * VL, sums[0]);
            weights += COLUMN_BLOCK * V * VL;
        }
        fetch_ahead(&ahead, (tile->depth - c) * tile->ahead_bytes);
        for (; c < tile->depth; c++, weights += V * VL)
            add_outer_products(1, T, V, CONVOLUTION_VECTORS, x, c, weights, V * VL, sums[0]);
    }
    if (tile->after) store_sums(T, V, sums, tile->after);
    else finish_tile(T, V, tile, sums);
}

#define CONVOLUTION_ROWS(T, V)                                                                                        \
    case T: multiply_tile(T, V, tile); return;
#define CONVOLUTION_VECTOR(V)                                                                                         \
    static void multiply_convolution_##V(const convolution_tile *tile) {                                              \
        switch (tile->rows) {                                                                                         \
            CONVOLUTION_ROWS(1, V)                                                                                    \
            CONVOLUTION_ROWS(2, V)                                                                                    \
            CONVOLUTION_ROWS(3, V)                                                                                    \
            CONVOLUTION_ROWS(4, V)                                                                                    \
            CONVOLUTION_ROWS(5, V)                                                                                    \
            CONVOLUTION_ROWS(6, V)                                                                                    \
        default: return;                                                                                              \
        }                                                                                                             \
    }
CONVOLUTION_VECTOR(1)
CONVOLUTION_VECTOR(2)
#if defined(SIMD_AVX512) || defined(SIMD_NEON)
CONVOLUTION_VECTOR(3)
CONVOLUTION_VECTOR(4)
#endif
#undef CONVOLUTION_VECTOR
#undef CONVOLUTION_ROWS

static void multiply_convolution(const convolution_tile *tile) {
    switch ((tile->outputs + VL - 1) / VL) {
    case 1: multiply_convolution_1(tile); return;
    case 2: multiply_convolution_2(tile); return;
#if defined(SIMD_AVX512) || defined(SIMD_NEON)
    case 3: multiply_convolution_3(tile); return;
    case 4: multiply_convolution_4(tile); return;
#endif
    default: return;
    }
}
