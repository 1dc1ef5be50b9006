// Many tokens: panels of levels, four elements of each of QUADS_ROWS rows a step, and their scales behind them.
// Included by kernels_avx512_vnni.c.
#pragma once

enum {
    QUADS_VECTORS = 2,
    QUADS_TOKENS = 4,
    QUADS_ROWS = QUADS_VECTORS * VL,
    QUADS_DEPTH = 2048,
    /// Levels, and scales and minima of groups of 16.
    QUADS_PANEL_BYTES = PANEL_ROWS * (QUADS_DEPTH + 2 * QUADS_DEPTH / 16 * 4),
};

INLINE int64_t tile_scales(int64_t depth) { return padded_columns(depth) * QUADS_ROWS; }
INLINE int64_t tile_minima(const int format, int64_t depth) {
    return tile_scales(depth) + padded_columns(depth) / group_of(format) * QUADS_ROWS * 4;
}
INLINE int64_t tile_bytes(const int format, int64_t depth) {
    const int64_t minima = tile_minima(format, depth);
    return has_minimum(format) ? 2 * minima - tile_scales(depth) : minima;
}

// Scales (or minima) of VL rows to `to[group * QUADS_ROWS + row]`.
INLINE void store_groups(vf *groups, const int count, float *to) {
    if (count > 2) {
        transpose(groups);
        UNROLL for (int g = 0; g < count; g++) store(to + g * QUADS_ROWS, groups[g]);
    } else {
        UNROLL for (int i = 0; i < VL; i++)
            UNROLL for (int g = 0; g < count; g++) to[g * QUADS_ROWS + i] = groups[i][g];
    }
}

// Packs one span of VL rows from `row` on. `k`: its first column, `at` that column's place in the panel.
INLINE void pack_span(
    const int format, const panel_rows *rows, int64_t row, int64_t k, int64_t at, int64_t depth, char *tile) {
    const int groups = span_of(format) / group_of(format);
    const int64_t rest = rows->columns - k;
    const uint8_t *spans[VL];
    vf scales[VL], minima[VL];
    for (int i = 0; i < VL; i++) {
        const bool is_there = row + i < rows->count;
        // Rows past the last repeat it with scale zero.
        const char *from = rows->rows[is_there ? row + i : rows->count - 1];
        spans[i] = (const uint8_t *)from + k / span_of(format) * span_bytes(format);
        const span_scales values = scales_of(format, spans[i], rest);
        scales[i] = !is_there ? splat(0) : format == CPUK_I8 ? splat(rows->scales[row + i]) : values.scales;
        minima[i] = is_there ? values.minimums : splat(0);
    }
    const int64_t group = at / group_of(format) * QUADS_ROWS;
    store_groups(scales, groups, (float *)(tile + tile_scales(depth)) + group);
    if (has_minimum(format)) store_groups(minima, groups, (float *)(tile + tile_minima(format, depth)) + group);
    UNROLL for (int c = 0; c < span_of(format) / LEVELS; c++) {
        vf square[VL];
        for (int i = 0; i < VL; i++) square[i] = (vf)span_levels(format, spans[i], c, rest);
        transpose(square);
        char *to = tile + (at + c * LEVELS) * QUADS_ROWS;
        UNROLL for (int i = 0; i < VL; i++) store((float *)(to + i * QUADS_ROWS * LANE), square[i]);
    }
}

INLINE void pack_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, char *panel) {
    for (int64_t row = 0; row < (rows->count + QUADS_ROWS - 1) / QUADS_ROWS * QUADS_ROWS; row += VL) {
        // A row takes four bytes of a step's levels as of a group's scales.
        char *tile = panel + row / QUADS_ROWS * tile_bytes(format, depth) + row % QUADS_ROWS * LANE;
        for (int64_t k = 0; k < depth; k += span_of(format))
            pack_span(format, rows, row, begin + k, k, depth, tile);
    }
}

/// What a tile multiplies: its part of the panel, and the records of its tokens.
typedef struct {
    const char *levels;
    const float *scales, *minima;
    const char *integers, *x_scales, *x_sums;
    int64_t stride, depth;
} quads_tile;

INLINE int32_t int_at(const char *p) { int32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE float float_at(const char *p) { float x; memcpy(&x, p, sizeof x); return x; }

// Integer products of the `group`th X_GROUP elements.
INLINE void multiply_group(
    const int format, const int T, const quads_tile *tile, int64_t group, __m512i quads[QUADS_TOKENS][QUADS_VECTORS]) {
    enum { STEPS = X_GROUP / LANE };
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < QUADS_VECTORS; v++)
            quads[t][v] = has_minimum(format) ? _mm512_setzero_si512()
                                              : _mm512_set1_epi32(int_at(tile->x_sums + t * tile->stride + group * 4));
    UNROLL for (int step = 0; step < STEPS; step++) {
        __m512i levels[QUADS_VECTORS];
        const char *from = tile->levels + (group * STEPS + step) * QUADS_ROWS * LANE;
        UNROLL for (int v = 0; v < QUADS_VECTORS; v++) levels[v] = _mm512_loadu_si512(from + v * LEVELS);
        UNROLL for (int t = 0; t < T; t++) {
            const __m512i token =
                _mm512_set1_epi32(int_at(tile->integers + t * tile->stride + (group * STEPS + step) * LANE));
            UNROLL for (int v = 0; v < QUADS_VECTORS; v++)
                quads[t][v] = _mm512_dpbusd_epi32(quads[t][v], levels[v], token);
        }
    }
}

// Adds the products of two groups to `sums`. Where both have the same scale of weights, it is applied once.
INLINE void multiply_pair(
    const int format, const int T, const quads_tile *tile, int64_t group, vf sums[QUADS_TOKENS][QUADS_VECTORS]) {
    const bool is_shared = group_of(format) == 2 * X_GROUP;
    vf both[QUADS_TOKENS][QUADS_VECTORS];
    UNROLL for (int half = 0; half < 2; half++) {
        __m512i quads[QUADS_TOKENS][QUADS_VECTORS];
        multiply_group(format, T, tile, group + half, quads);
        const float *scales = tile->scales + (is_shared ? group / 2 : group + half) * QUADS_ROWS;
        UNROLL for (int t = 0; t < T; t++) {
            const vf x_scale = splat(float_at(tile->x_scales + t * tile->stride + (group + half) * 4));
            UNROLL for (int v = 0; v < QUADS_VECTORS; v++) {
                const vf products = _mm512_cvtepi32_ps(quads[t][v]);
                if (!is_shared) sums[t][v] = fma_v(products, load(scales + v * VL) * x_scale, sums[t][v]);
                else if (half == 0) both[t][v] = products * x_scale;
                else sums[t][v] = fma_v(fma_v(products, x_scale, both[t][v]), load(scales + v * VL), sums[t][v]);
            }
        }
    }
    if (!has_minimum(format)) return;
    UNROLL for (int half = 0; half < (is_shared ? 1 : 2); half++) {
        const float *minima = tile->minima + (is_shared ? group / 2 : group + half) * QUADS_ROWS;
        UNROLL for (int t = 0; t < T; t++) {
            const vf x_sum = splat(float_at(tile->x_sums + t * tile->stride + (group + half) * 4));
            UNROLL for (int v = 0; v < QUADS_VECTORS; v++)
                sums[t][v] = fma_v(load(minima + v * VL), x_sum, sums[t][v]);
        }
    }
}

INLINE void multiply_quads(const int format, const int T, const quads_tile *tile, bool accumulate, float *y) {
    vf sums[QUADS_TOKENS][QUADS_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < QUADS_VECTORS; v++)
            sums[t][v] = accumulate ? load(y + t * PANEL_ROWS + v * VL) : splat(0);
    for (int64_t group = 0; group < padded_columns(tile->depth) / X_GROUP; group += 2)
        multiply_pair(format, T, tile, group, sums);
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < QUADS_VECTORS; v++) store(y + t * PANEL_ROWS + v * VL, sums[t][v]);
}

#define MULTIPLY_QUADS_CASE(T) \
    case T: multiply_quads(format, T, &tile, begin > 0, y + t * PANEL_ROWS + r); break;
// `format` stands for all formats whose groups and minima are as its own.
INLINE void multiply_of(
    const int format, const panel_rows *rows, const char *panel, const activation_records *x, int64_t tokens,
    int64_t begin, int64_t depth, float *y) {
    const int64_t groups = (tokens + QUADS_TOKENS - 1) / QUADS_TOKENS;
    for (int64_t r = 0; r < rows->count; r += QUADS_ROWS)
        for (int64_t group = 0; group < groups; group++) {
            const int64_t t = group * tokens / groups;
            const char *part = panel + r / QUADS_ROWS * tile_bytes(format, depth), *record = x->data + t * x->stride;
            const quads_tile tile = {
                .levels = part, .scales = (const float *)(part + tile_scales(depth)),
                .minima = (const float *)(part + tile_minima(format, depth)), .integers = record + begin,
                .x_scales = record + record_scales(x->columns) + begin / X_GROUP * 4,
                .x_sums = record + record_sums(x->columns, false) + begin / X_GROUP * 4,
                .stride = x->stride, .depth = depth};
            switch ((group + 1) * tokens / groups - t) {
                MULTIPLY_QUADS_CASE(1)
                MULTIPLY_QUADS_CASE(2)
                MULTIPLY_QUADS_CASE(3)
                MULTIPLY_QUADS_CASE(4)
            default: break;
            }
        }
}

// Formats whose panels look alike share one copy of the code.
static void multiply(
    const panel_rows *rows, const void *panel, const activation_records *x, int64_t tokens, int64_t begin,
    int64_t depth, float *y) {
    switch (rows->format) {
    case CPUK_Q4_1: case CPUK_Q5_1: case CPUK_Q4_K: case CPUK_Q5_K:
        multiply_of(CPUK_Q4_K, rows, panel, x, tokens, begin, depth, y);
        return;
    case CPUK_Q2_K: multiply_of(CPUK_Q2_K, rows, panel, x, tokens, begin, depth, y); return;
    case CPUK_Q3_K: case CPUK_Q6_K: multiply_of(CPUK_Q6_K, rows, panel, x, tokens, begin, depth, y); return;
    default: multiply_of(CPUK_Q8_0, rows, panel, x, tokens, begin, depth, y); return;
    }
}

#define PACK_CASE(format) \
    case format: pack_of(format, rows, begin, depth, panel); return;
static void pack(const panel_rows *rows, int64_t begin, int64_t depth, void *panel) {
    switch (rows->format) {
        PACK_CASE(CPUK_I8)
        PACK_CASE(CPUK_Q8_0)
        PACK_CASE(CPUK_Q4_0)
        PACK_CASE(CPUK_Q4_1)
        PACK_CASE(CPUK_Q5_0)
        PACK_CASE(CPUK_Q5_1)
        PACK_CASE(CPUK_Q2_K)
        PACK_CASE(CPUK_Q3_K)
        PACK_CASE(CPUK_Q4_K)
        PACK_CASE(CPUK_Q5_K)
        PACK_CASE(CPUK_Q6_K)
        PACK_CASE(CPUK_IQ4_NL)
        PACK_CASE(CPUK_IQ4_XS)
    default: return;
    }
}
