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

/// One span of VL rows, and where its levels, scales and minima go.
typedef struct {
    const uint8_t *spans[VL];
    /// Lanes of rows that are there; the others repeat the last with scale zero.
    __mmask16 is_there;
    /// Columns from the span's first on.
    int64_t rest;
    char *levels;
    float *scales, *minima;
} span_rows;

INLINE vf halves_at(const span_rows *rows, int64_t offset) {
    uint16_t halves[VL];
    UNROLL for (int i = 0; i < VL; i++) halves[i] = read_u16(rows->spans[i] + offset);
    vh all;
    memcpy(&all, halves, sizeof all);
    return _mm512_maskz_mov_ps(rows->is_there, from_f16(all));
}

// Two blocks of 32, each with a binary16 scale (and minimum) in front.
INLINE void pack_block_scales(const int format, const span_rows *rows) {
    for (int block = 0; block < 2; block++) {
        const bool is_past = block * 32 >= rows->rest;
        const int64_t offset = block * span_bytes(format) / 2;
        store(rows->scales + block * QUADS_ROWS, is_past ? splat(0) : halves_at(rows, offset));
        if (has_minimum(format))
            store(rows->minima + block * QUADS_ROWS, is_past ? splat(0) : halves_at(rows, offset + 2));
    }
}

// Scales of a block of 256, computed a row at a time and turned.
INLINE void pack_super_scales(const int format, const span_rows *rows) {
    const int groups = 256 / group_of(format);
    vf scales[VL], minima[VL];
    for (int i = 0; i < VL; i++) {
        const span_scales values = scales_of(format, rows->spans[i], rows->rest);
        scales[i] = values.scales;
        minima[i] = values.minimums;
    }
    transpose(scales);
    UNROLL for (int g = 0; g < groups; g++)
        store(rows->scales + g * QUADS_ROWS, _mm512_maskz_mov_ps(rows->is_there, scales[g]));
    if (!has_minimum(format)) return;
    transpose(minima);
    UNROLL for (int g = 0; g < groups; g++)
        store(rows->minima + g * QUADS_ROWS, _mm512_maskz_mov_ps(rows->is_there, minima[g]));
}

INLINE void pack_levels(const int format, const span_rows *rows) {
    for (int c = 0; c < span_of(format) / LEVELS; c++) {
        vf square[VL];
        UNROLL for (int i = 0; i < VL; i++) square[i] = (vf)span_levels(format, rows->spans[i], c, rows->rest);
        transpose(square);
        char *to = rows->levels + c * LEVELS * QUADS_ROWS;
        UNROLL for (int i = 0; i < VL; i++) store((float *)(to + i * QUADS_ROWS * LANE), square[i]);
    }
}

// Packs columns `begin..<begin + depth` of VL rows from `row` on.
INLINE void pack_rows(
    const int format, const panel_rows *rows, int64_t row, int64_t begin, int64_t depth, char *tile) {
    const int64_t count = rows->count - row < VL ? rows->count - row : VL;
    span_rows span = {.is_there = count > 0 ? (__mmask16)((1u << count) - 1) : 0};
    float row_scales[VL] = {0};
    for (int64_t i = 0; i < count && format == CPUK_I8; i++) row_scales[i] = rows->scales[row + i];
    const vf scales = load(row_scales);
    for (int64_t k = 0; k < depth; k += span_of(format)) {
        const int64_t place = (begin + k) / span_of(format) * span_bytes(format);
        UNROLL for (int i = 0; i < VL; i++) {
            span.spans[i] = (const uint8_t *)rows->rows[row + i < rows->count ? row + i : rows->count - 1] + place;
            // The rows packed next, which mostly lie behind these.
            for (int64_t b = 0; b < span_bytes(format); b += 64)
                __builtin_prefetch(span.spans[i] + VL * rows->row_bytes + b, 0, 2);
        }
        span.rest = rows->columns - begin - k;
        // A row takes four bytes of a step's levels as it does of a group's scales.
        span.levels = tile + k * QUADS_ROWS;
        span.scales = (float *)(tile + tile_scales(depth)) + k / group_of(format) * QUADS_ROWS;
        span.minima = (float *)(tile + tile_minima(format, depth)) + k / group_of(format) * QUADS_ROWS;
        pack_levels(format, &span);
        if (format == CPUK_I8) UNROLL for (int g = 0; g < 2; g++) store(span.scales + g * QUADS_ROWS, scales);
        else if (span_of(format) == LEVELS) pack_block_scales(format, &span);
        else pack_super_scales(format, &span);
    }
}

INLINE void pack_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, char *panel) {
    for (int64_t row = 0; row < (rows->count + QUADS_ROWS - 1) / QUADS_ROWS * QUADS_ROWS; row += VL) {
        char *tile = panel + row / QUADS_ROWS * tile_bytes(format, depth);
        pack_rows(format, rows, row, begin, depth, tile + row % QUADS_ROWS * LANE);
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
