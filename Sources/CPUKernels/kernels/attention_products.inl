// FP32 products of a tile of attention: queries with packed keys, and softmax weights with values.
#pragma once
#include "outer_product.inl"
#include "softmax_tile.inl"

// keys[d * ATTENTION_KEY_TILE + j] of `count` rows that lie `stride` apart, rounded up to whole vectors of keys (the
// last key again).
static inline void pack_rows(const float *first, int64_t stride, int64_t count, int64_t size, float *keys) {
    for (int64_t j = 0; j < count; j += VL) {
        for (int64_t d = 0; d < size; d += VL) {
            vf square[VL];
            for (int i = 0; i < VL; i++) square[i] = load(first + (j + i < count ? j + i : count - 1) * stride + d);
            transpose(square);
            int64_t width = size - d < VL ? size - d : VL;
            for (int64_t i = 0; i < width; i++) store(keys + (d + i) * ATTENTION_KEY_TILE + j, square[i]);
        }
    }
}

// c[i * ldc + j] (+)= sum_k x[i * ldx + k] * w[k * ldw + j], i < QUERY_PANEL, j < NV * VL
INLINE void multiply_block(
    const int NV, const int64_t ldx, const bool accumulate, const float *x, const float *w, int64_t ldw,
    int64_t depth, float *c, int64_t ldc) {
    vf sums[QUERY_PANEL][TILE_VECTORS];
    UNROLL for (int i = 0; i < QUERY_PANEL; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = accumulate ? load(c + i * ldc + v * VL) : splat(0);
    add_products_of_rows(COLUMN_BLOCK, QUERY_PANEL, NV, TILE_VECTORS, x, ldx, w, ldw, depth, sums[0]);
    UNROLL for (int i = 0; i < QUERY_PANEL; i++)
        UNROLL for (int v = 0; v < NV; v++) store(c + i * ldc + v * VL, sums[i][v]);
}

INLINE void multiply_rows(
    const int64_t ldx, const bool accumulate, const float *x, const float *w, int64_t ldw, int64_t depth, float *c,
    int64_t ldc, int64_t width) {
    int64_t j = 0;
    for (; j + TILE_VECTORS * VL <= width; j += TILE_VECTORS * VL)
        multiply_block(TILE_VECTORS, ldx, accumulate, x, w + j, ldw, depth, c + j, ldc);
    for (; j < width; j += VL) multiply_block(1, ldx, accumulate, x, w + j, ldw, depth, c + j, ldc);
}

INLINE void put_weights(float *row, int64_t j, vf weights) { store(row + j, weights); }
