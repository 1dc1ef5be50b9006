// The step that products in FP32 are made of: columns of the tokens (or pixels, or queries) of a tile times vectors of
// weights, added to sums that stay in registers.
#pragma once
#include "../simd/vector_math.h"

enum {
    /// Columns between which nothing but products is computed: where another program's thread shares the core, every
    /// instruction beside them takes time.
    COLUMN_BLOCK = 8,
    /// The most vectors of weights side by side, and rows of a tile.
    MAX_PRODUCT_VECTORS = 4,
    MAX_PRODUCT_ROWS = 16,
};

// `sums[t * W + v] += x[t][k] * weights[v]`, t < T, v < V; W vectors is the room that a row's sums have.
INLINE void add_outer_product(
    const int T, const int V, const int W, const float *const *x, int64_t k, const vf *weights, vf *sums) {
    UNROLL for (int t = 0; t < T; t++) {
        const vf token = splat(x[t][k]);
        UNROLL for (int v = 0; v < V; v++) sums[t * W + v] = fma_v(token, weights[v], sums[t * W + v]);
    }
}

// The same for COUNT columns from `k` on, whose weights begin at `w[i * ldw]`, V vectors side by side.
INLINE void add_outer_products(
    const int COUNT, const int T, const int V, const int W, const float *const *x, int64_t k, const float *w,
    int64_t ldw, vf *sums) {
    UNROLL for (int i = 0; i < COUNT; i++) {
        vf weights[MAX_PRODUCT_VECTORS];
        UNROLL for (int v = 0; v < V; v++) weights[v] = load(w + i * ldw + v * VL);
        add_outer_product(T, V, W, x, k + i, weights, sums);
    }
}

// The same over `depth` columns, STEP at a time, of rows `ldx` apart.
INLINE void add_products_of_rows(
    const int STEP, const int T, const int V, const int W, const float *rows, int64_t ldx, const float *w, int64_t ldw,
    int64_t depth, vf *sums) {
    const float *x[MAX_PRODUCT_ROWS];
    UNROLL for (int t = 0; t < T; t++) x[t] = rows + t * ldx;
    int64_t k = 0;
    for (; k + STEP <= depth; k += STEP) add_outer_products(STEP, T, V, W, x, k, w + k * ldw, ldw, sums);
    for (; k < depth; k++) add_outer_products(1, T, V, W, x, k, w + k * ldw, ldw, sums);
}
