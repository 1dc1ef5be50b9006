// Many tokens: strips of 16 of them as 8-bit integers, against rows of levels. Included by integer_kernels.h.
//
// A group of a strip is 16 columns: for each quad of them a vector of the tokens' quads, then a vector of their scales
// and one of what the weights' offset or minimum needs (see integer_activations.h; a sum for a minimum of 32 elements
// is that of two groups, in both). Expanded rows are a line of levels of each row beside those of the others, and
// behind all lines their scales, and their minima, four of each for a line.
#pragma once

enum {
    QUADS_DEPTH = 2048,
    /// Sums of a tile: of TILE_SUMS / S rows and S strips. Two registers each, and half as many of these, with AVX2.
    TILE_SUMS = HAS_AVX512 ? 8 : 4,
    MAX_TILE_STRIPS = HAS_AVX512 ? 2 : 1,
    GROUP_VECTORS = X_GROUP / LANE + 2,
    /// Floats of a line's scales.
    LINE_SCALES = LEVELS / X_GROUP,
    /// Floats from the scales of PANEL_ROWS lines to the next ones.
    SCALES_STRIDE = PANEL_ROWS * LINE_SCALES,
    EXPANDED_BYTES = QUADS_DEPTH / LEVELS * (LINES_STRIDE + 2 * SCALES_STRIDE * 4),
};
_Static_assert(LEVELS == LINE, "a line of levels");

// ---- Activations

static int64_t strip_bytes(int64_t columns) { return padded_columns(columns) / X_GROUP * GROUP_VECTORS * LINE; }

// Four vectors of integers of a byte as one.
INLINE vu join_bytes(vi a, vi b, vi c, vi d) {
    const vu low = ((vu)a & 0xff) | ((vu)b << 8 & ~0xffu), high = ((vu)c << 16 & 0xff0000) | ((vu)d << 24 & ~0xff0000u);
    return (low & 0xffff) | (high & ~0xffffu);
}

// Rounds 16 columns of the tokens to a group, all but its sums, which are returned.
INLINE vi round_strip_group(
    const float *x, int64_t ldx, int64_t tokens, int64_t columns, char *group, vf *scale) {
    vf square[VL];
    for (int t = 0; t < VL; t++) {
        if (t >= tokens || columns <= 0) square[t] = splat(0);
        else square[t] = columns >= VL ? load(x + t * ldx) : load_part(x + t * ldx, columns);
    }
    transpose(square);
    // Of the bits, so that a NaN is the largest.
    vu top = splat_u(0);
    UNROLL for (int i = 0; i < VL; i++) top = __builtin_elementwise_max(top, (vu)abs_v(square[i]));
    const vf largest = (vf)top, inverse = select_v(largest > 0.0f, 127.0f / largest, splat(0));
    vi sums = splat_i(0), integers[VL];
    UNROLL for (int i = 0; i < VL; i++) integers[i] = round_v(square[i] * inverse);
    UNROLL for (int i = 0; i < VL; i += LANE) {
        const vq quads = (vq)join_bytes(integers[i], integers[i + 1], integers[i + 2], integers[i + 3]);
        sums = dot_quads(sums, splat_q(1), quads);
        store_q(group + i / LANE * LINE, quads);
    }
    *scale = largest / 127.0f;
    store((float *)(group + (GROUP_VECTORS - 2) * LINE), *scale);
    return sums;
}

static void make_strip(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *strip) {
    const bool joins = has_minimum((int)format) && group_of((int)format) == 2 * X_GROUP;
    for (int64_t k = begin; k < begin + padded_columns(end - begin); k += 2 * X_GROUP) {
        vi sums[2];
        UNROLL for (int half = 0; half < 2; half++) {
            const int64_t at = k + half * X_GROUP;
            vf scale;
            sums[half] = round_strip_group(
                x + at, ldx, tokens, columns - at, (char *)strip + at / X_GROUP * GROUP_VECTORS * LINE, &scale);
            sums[half] = weigh_sums(format, sums[half], scale);
        }
        if (joins) sums[0] = sums[1] = (vi)((vf)sums[0] + (vf)sums[1]);
        UNROLL for (int half = 0; half < 2; half++)
            store_q((char *)strip + ((k / X_GROUP + half) * GROUP_VECTORS + GROUP_VECTORS - 1) * LINE, (vq)sums[half]);
    }
}

// ---- Weights

INLINE int64_t expanded_scales(int64_t depth) { return padded_columns(depth) / LEVELS * LINES_STRIDE; }
INLINE int64_t expanded_minima(int64_t depth) {
    return expanded_scales(depth) + padded_columns(depth) / LEVELS * SCALES_STRIDE * 4;
}

INLINE __m128 quarter(vf x, const int number) {
    switch (number) {
    case 0: return __builtin_shufflevector(x, x, 0, 1, 2, 3);
    case 1: return __builtin_shufflevector(x, x, 4, 5, 6, 7);
    case 2: return __builtin_shufflevector(x, x, 8, 9, 10, 11);
    default: return __builtin_shufflevector(x, x, 12, 13, 14, 15);
    }
}

// The scales of the `c`th line of a span, each for `group_of` elements, from lane 0 on.
INLINE __m128 line_scales(const int format, vf groups, const int c) {
    if (span_of(format) == LEVELS) return quarter(groups, 0);
    const __m128 two_lines = quarter(groups, group_of(format) == X_GROUP ? c : c / 2);
    return group_of(format) != X_GROUP && c % 2 ? _mm_movehl_ps(two_lines, two_lines) : two_lines;
}

INLINE void expand_row(
    const int format, const char *row, float row_scale, int64_t columns, int64_t depth, char *lines, float *scales,
    float *minima) {
    for (int64_t k = 0; k < depth; k += span_of(format), row += span_bytes(format)) {
        const uint8_t *span = (const uint8_t *)row;
        span_scales values = scales_of(format, span, columns - k);
        if (format == CPUK_I8) values.scales = splat(row_scale);
        UNROLL for (int c = 0; c < span_of(format) / LEVELS; c++) {
            store_q(lines, span_levels(format, span, c, columns - k));
            _mm_storeu_ps(scales, line_scales(format, values.scales, c));
            if (has_minimum(format)) _mm_storeu_ps(minima, line_scales(format, values.minimums, c));
            lines += LINES_STRIDE;
            scales += SCALES_STRIDE;
            minima += SCALES_STRIDE;
        }
    }
}

INLINE void expand_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, char *expanded) {
    for (int64_t r = 0; r < whole_rows(rows); r++) {
        const float scale = format != CPUK_I8 ? 1 : rows->scales[r < rows->count ? r : rows->count - 1];
        expand_row(
            format, row_at(rows, r) + begin / span_of(format) * span_bytes(format), scale, rows->columns - begin, depth,
            expanded + r * LINE, (float *)(expanded + expanded_scales(depth)) + r * LINE_SCALES,
            (float *)(expanded + expanded_minima(depth)) + r * LINE_SCALES);
    }
}

#define EXPAND_CASE(format) \
    case format: expand_of(format, rows, begin, depth, expanded); return;
static void expand(const panel_rows *rows, int64_t begin, int64_t depth, void *expanded) {
    switch (rows->format) {
        EXPAND_CASE(CPUK_I8)
        EXPAND_CASE(CPUK_Q8_0)
        EXPAND_CASE(CPUK_Q4_0)
        EXPAND_CASE(CPUK_Q4_1)
        EXPAND_CASE(CPUK_Q5_0)
        EXPAND_CASE(CPUK_Q5_1)
        EXPAND_CASE(CPUK_Q2_K)
        EXPAND_CASE(CPUK_Q3_K)
        EXPAND_CASE(CPUK_Q4_K)
        EXPAND_CASE(CPUK_Q5_K)
        EXPAND_CASE(CPUK_Q6_K)
        EXPAND_CASE(CPUK_IQ4_NL)
        EXPAND_CASE(CPUK_IQ4_XS)
    default: return;
    }
}

// ---- Products

/// One line of each row of a tile, and the groups of the tile's strips that it is multiplied with.
typedef struct {
    const char *levels;
    const float *scales, *minima;
    const char *groups[MAX_TILE_STRIPS];
} quads_step;

// Sums of a tile: of all strips for a row, then of the next row.
#define FOR_EACH_SUM UNROLL for (int r = 0; r < TILE_SUMS / S; r++) UNROLL for (int s = 0; s < S; s++)

INLINE int32_t int_at(const char *p) { int32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE vf group_vector(const quads_step *step, int s, int group, int vector) {
    return load((const float *)(step->groups[s] + (group * GROUP_VECTORS + vector) * LINE));
}

INLINE vq quad_levels(const quads_step *step, int r, int group, int quad) {
    return (vq)splat_i(int_at(step->levels + r * LINE + group * X_GROUP + quad * LANE));
}

#if HAS_DPBUSD
// Adds the integer products of the `group`th X_GROUP elements of a line.
INLINE void add_group(const int format, const int S, const quads_step *step, const int group, vi quads[TILE_SUMS]) {
    (void)format;
    UNROLL for (int quad = 0; quad < X_GROUP / LANE; quad++) {
        vq tokens[MAX_TILE_STRIPS];
        UNROLL for (int s = 0; s < S; s++) tokens[s] = (vq)group_vector(step, s, group, quad);
        UNROLL for (int r = 0; r < TILE_SUMS / S; r++) {
            const vq levels = quad_levels(step, r, group, quad);
            UNROLL for (int s = 0; s < S; s++) quads[r * S + s] = dot_quads(quads[r * S + s], levels, tokens[s]);
        }
    }
}
#else
// How many quads' products fit in 16 bits: all of levels up to 31, two of levels up to 63, one of signed ones.
INLINE int quads_together(const int format) {
    return has_wide_levels(format) ? 1 : format == CPUK_Q6_K ? 2 : X_GROUP / LANE;
}

// Adds the integer products of the `group`th X_GROUP elements of a line.
INLINE void add_group(const int format, const int S, const quads_step *step, const int group, vi quads[TILE_SUMS]) {
    vpairs pairs[TILE_SUMS];
    UNROLL for (int quad = 0; quad < X_GROUP / LANE; quad++) {
        vq tokens[MAX_TILE_STRIPS];
        UNROLL for (int s = 0; s < S; s++) tokens[s] = (vq)group_vector(step, s, group, quad);
        UNROLL for (int r = 0; r < TILE_SUMS / S; r++) {
            const vq levels = quad_levels(step, r, group, quad);
            const vq factors = has_wide_levels(format) ? magnitudes(levels) : levels;
            UNROLL for (int s = 0; s < S; s++) {
                const int i = r * S + s;
                const vpairs products = multiply_pairs(
                    factors, has_wide_levels(format) ? with_signs(tokens[s], levels) : tokens[s]);
                pairs[i] = quad % quads_together(format) == 0 ? products : pairs[i] + products;
                if ((quad + 1) % quads_together(format) == 0) quads[i] = add_pairs(quads[i], pairs[i]);
            }
        }
    }
}
#endif

// Integer products of the `group`th X_GROUP elements of a line.
INLINE void multiply_group(
    const int format, const int S, const quads_step *step, const int group, vi quads[TILE_SUMS]) {
    FOR_EACH_SUM {
        quads[r * S + s] =
            offset_of(format) == 0 ? splat_i(0) : (vi)group_vector(step, s, group, GROUP_VECTORS - 1);
    }
    add_group(format, S, step, group, quads);
}

// Adds the products of two groups to `sums`. Where both have the same scale of weights, it is applied once.
INLINE void multiply_pair(
    const int format, const int S, const quads_step *step, const int pair, vf sums[TILE_SUMS]) {
    const bool is_shared = group_of(format) == 2 * X_GROUP;
    vf both[TILE_SUMS];
    UNROLL for (int half = 0; half < 2; half++) {
        const int group = 2 * pair + half, scale = is_shared ? pair : group;
        vi quads[TILE_SUMS];
        multiply_group(format, S, step, group, quads);
        vf x_scales[MAX_TILE_STRIPS];
        UNROLL for (int s = 0; s < S; s++) x_scales[s] = group_vector(step, s, group, GROUP_VECTORS - 2);
        FOR_EACH_SUM {
            const int i = r * S + s;
            const vf products = __builtin_convertvector(quads[i], vf), w_scale = splat(step->scales[r * LINE_SCALES + scale]);
            if (!is_shared) sums[i] = fma_v(products, x_scales[s] * w_scale, sums[i]);
            else if (half == 0) both[i] = products * x_scales[s];
            else sums[i] = fma_v(fma_v(products, x_scales[s], both[i]), w_scale, sums[i]);
        }
        if (!has_minimum(format) || (is_shared && half == 0)) continue;
        vf x_sums[MAX_TILE_STRIPS];
        UNROLL for (int s = 0; s < S; s++) x_sums[s] = group_vector(step, s, group, GROUP_VECTORS - 1);
        FOR_EACH_SUM {
            sums[r * S + s] = fma_v(x_sums[s], splat(step->minima[r * LINE_SCALES + scale]), sums[r * S + s]);
        }
    }
}

INLINE void multiply_tile(
    const int format, const int S, quads_step step, int64_t lines, bool accumulate, prefetcher *ahead,
    float *products) {
    vf sums[TILE_SUMS];
    FOR_EACH_SUM { sums[r * S + s] = accumulate ? load(products + s * PRODUCTS_STRIDE + r * VL) : splat(0); }
    for (int64_t line = 0; line < lines; line++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < LEVELS / X_GROUP / 2; pair++) multiply_pair(format, S, &step, pair, sums);
        step.levels += LINES_STRIDE;
        step.scales += SCALES_STRIDE;
        step.minima += SCALES_STRIDE;
        UNROLL for (int s = 0; s < S; s++) step.groups[s] += LEVELS / X_GROUP * GROUP_VECTORS * LINE;
    }
    FOR_EACH_SUM { store(products + s * PRODUCTS_STRIDE + r * VL, sums[r * S + s]); }
}

/// What all tiles of a product share.
typedef struct {
    const char *expanded;
    int64_t rows, begin, depth;
    prefetcher ahead;
} quads_product;

INLINE void multiply_strips_of(
    const int format, const int S, quads_product *product, const char *strips, int64_t stride, float *products) {
    const int64_t depth = product->depth;
    for (int64_t r = 0; r < product->rows; r += TILE_SUMS / S) {
        quads_step first = {
            .levels = product->expanded + r * LINE,
            .scales = (const float *)(product->expanded + expanded_scales(depth)) + r * LINE_SCALES,
            .minima = (const float *)(product->expanded + expanded_minima(depth)) + r * LINE_SCALES};
        UNROLL for (int s = 0; s < S; s++)
            first.groups[s] = strips + s * stride + product->begin / X_GROUP * GROUP_VECTORS * LINE;
        multiply_tile(
            format, S, first, padded_columns(depth) / LEVELS, product->begin > 0, &product->ahead, products + r * VL);
    }
}

// `format` stands for all formats whose groups and minima are as its own.
INLINE void multiply_of(
    const int format, const panel_rows *rows, const char *expanded, const activation_records *strips, int64_t count,
    int64_t begin, int64_t depth, read_ahead ahead, float *products) {
    quads_product product = {.expanded = expanded, .rows = whole_rows(rows), .begin = begin, .depth = depth};
    product.ahead = prefetch_in(ahead, padded_columns(depth) / LEVELS * product.rows * count / TILE_SUMS);
    int64_t s = 0;
    if (MAX_TILE_STRIPS == 2) for (; s + 2 <= count; s += 2)
        multiply_strips_of(
            format, 2, &product, strips->data + s * strips->stride, strips->stride, products + s * PRODUCTS_STRIDE);
    for (; s < count; s++)
        multiply_strips_of(
            format, 1, &product, strips->data + s * strips->stride, strips->stride, products + s * PRODUCTS_STRIDE);
}

// Formats whose expanded rows look alike share one copy of the code.
static void multiply(
    const panel_rows *rows, const void *expanded, const activation_records *strips, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    switch (rows->format) {
    case CPUK_Q4_1: case CPUK_Q5_1: case CPUK_Q4_K: case CPUK_Q5_K:
        multiply_of(CPUK_Q4_K, rows, expanded, strips, count, begin, depth, ahead, products);
        return;
    case CPUK_Q2_K: multiply_of(CPUK_Q2_K, rows, expanded, strips, count, begin, depth, ahead, products); return;
#if !HAS_DPBUSD
    case CPUK_Q4_0: case CPUK_Q5_0:
        multiply_of(CPUK_Q4_0, rows, expanded, strips, count, begin, depth, ahead, products);
        return;
#endif
    case CPUK_Q3_K: case CPUK_Q6_K:
        multiply_of(CPUK_Q6_K, rows, expanded, strips, count, begin, depth, ahead, products);
        return;
    default: multiply_of(CPUK_Q8_0, rows, expanded, strips, count, begin, depth, ahead, products); return;
    }
}
