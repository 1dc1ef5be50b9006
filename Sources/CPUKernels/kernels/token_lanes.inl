// What GEMM kernels share whose vectors hold a token in each lane. An element of a row of weights is multiplied with a
// whole vector of tokens, so that weights are not transposed and no lanes are summed. Products of a row and a panel of
// A are then VL floats side by side, and are transposed before the epilogue.
//
// A panel of B keeps rows as rows: a line of LINE bytes of each of them, then the next line of each. Whatever a row's
// length, the rows of a tile then fall in different sets of the cache.
//
//     rows of weights       r0: a0 a1 a2 …     r1: b0 b1 b2 …     r63: z0 z1 z2 …     (a0, b0: LINE bytes each)
//     panel of B            a0 b0 … z0 (LINE bytes unused)  a1 b1 … z1 (LINE bytes unused)  a2 b2 …
//                           |<-------- LINES_STRIDE ------->|
#pragma once
#include "../simd/vector.h"
#include "matmul.h"

enum {
    /// Floats from the products of one panel of A to those of the next.
    PRODUCTS_STRIDE = NC * VL,
    LINE = 64,
    /// Bytes from the lines of NC rows to the next ones. Not a power of two, so that lines fall in different cache
    /// sets.
    LINES_STRIDE = (NC + 1) * LINE,
};
_Static_assert(TRANSPOSED_ROWS == VL, "products are transposed as squares of vectors");

/// Prefetches a share of the weights that are read ahead, at each step of a product.
typedef struct {
    const char *at, *end;
    int64_t share;
} prefetcher;

INLINE prefetcher prefetch_in(read_ahead ahead, int64_t steps) {
    const int64_t lines = (ahead.bytes + LINE * steps - 1) / (LINE * steps);
    return (prefetcher){.at = ahead.from, .end = ahead.from + ahead.bytes, .share = lines * LINE};
}

INLINE void prefetch_step(prefetcher *p) {
    if (p->at >= p->end) return;
    for (int64_t i = 0; i < p->share; i += LINE) __builtin_prefetch(p->at + i, 0, 2);
    p->at += p->share;
}

// In a partial tile the last row is repeated; the products of the repeats are not used.
INLINE const char *row_of(const weight_rows *rows, int64_t r) {
    return rows->rows[r < rows->count ? r : rows->count - 1];
}
INLINE int64_t rounded_rows(const weight_rows *rows) {
    return (rows->count + TRANSPOSED_ROWS - 1) / TRANSPOSED_ROWS * TRANSPOSED_ROWS;
}

static inline void transpose_products(const float *products, int64_t rows, float *y) {
    for (int64_t r = 0; r < rows; r += VL) {
        vf square[VL];
        UNROLL for (int i = 0; i < VL; i++) square[i] = load(products + (r + i) * VL);
        transpose(square);
        UNROLL for (int t = 0; t < VL; t++) store(y + t * NC + r, square[t]);
    }
}
