// What strips of all rounded formats share: expanded rows lie a line of LINE bytes of each beside those of the others,
// so that whatever a row's length, the rows of a tile fall in different sets of the cache. Included by
// kernels_avx512_<extension>.c, after simd.h.
#pragma once

enum {
    /// Floats from the products of one strip to those of the next.
    PRODUCTS_STRIDE = PANEL_ROWS * LANE_TOKENS,
    LINE = 64,
    /// Bytes from the lines of PANEL_ROWS rows to the next ones: off a power of two for the same reason.
    LINES_STRIDE = (PANEL_ROWS + 1) * LINE,
};
_Static_assert(LANE_TOKENS == VL && TURNED_ROWS == VL, "products are turned as squares of vectors");

/// Prefetches a share of what is read ahead at each step of a product.
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

// Rows of a tile that is not whole repeat the last one; their products are not used.
INLINE const char *row_at(const panel_rows *rows, int64_t r) {
    return rows->rows[r < rows->count ? r : rows->count - 1];
}
INLINE int64_t whole_rows(const panel_rows *rows) {
    return (rows->count + TURNED_ROWS - 1) / TURNED_ROWS * TURNED_ROWS;
}

static void turn(const float *products, int64_t rows, float *y) {
    for (int64_t r = 0; r < rows; r += VL) {
        vf square[VL];
        UNROLL for (int i = 0; i < VL; i++) square[i] = load(products + (r + i) * VL);
        transpose(square);
        UNROLL for (int t = 0; t < VL; t++) store(y + t * PANEL_ROWS + r, square[t]);
    }
}
