// Many tokens: strips of 16 of them as 8-bit integers, against rows of levels. Included by integer_kernels.h.
//
// A group of a strip is 16 columns: for each quad of them a vector of the tokens' quads, then a vector of their scales
// and one of what the weights' offset or minimum needs (see integer_activations.h; a sum for a minimum of 32 elements
// is that of two groups, in both). Expanded rows are a line of levels of each row beside those of the others, and
// behind all lines their scales, and their minima, four of each for a line.
//
// Levels of 8 bits are multiplied in pairs where there is no instruction for quads of them: as 16 bits each, and the
// tokens' integers too.
#pragma once

enum {
    QUADS_DEPTH = 2048,
    MIN_STRIP_TOKENS = !HAS_DPBUSD ? 9 : HAS_AVX512 ? 5 : 7,
    /// Registers that hold one number of each token of a strip.
    STRIP_REGISTERS = VL / REGISTER_LANES,
    /// Sums of a tile: of TILE_SUMS / S rows and S registers of tokens.
    TILE_SUMS = 8,
    MAX_TILE_TOKENS = 2,
    MAX_GROUP_VECTORS = (HAS_DPBUSD ? X_GROUP / LANE : X_GROUP / 2) + 2,
    MAX_LINE = HAS_DPBUSD ? LINE : 2 * LINE,
    /// Floats of a line's scales.
    LINE_SCALES = LEVELS / X_GROUP,
    /// Floats from the scales of PANEL_ROWS lines to the next ones.
    SCALES_STRIDE = PANEL_ROWS * LINE_SCALES,
    EXPANDED_BYTES = QUADS_DEPTH / LEVELS * (MAX_LINE / LINE * LINES_STRIDE + 2 * SCALES_STRIDE * 4),
};
_Static_assert(LEVELS == LINE, "a line of levels");

INLINE bool is_paired(const int format) { return !HAS_DPBUSD && has_wide_levels(format); }
/// Bytes of a group of a strip; its scales and sums are the last two vectors.
INLINE int64_t group_bytes(const int format) { return ((is_paired(format) ? X_GROUP / 2 : X_GROUP / LANE) + 2) * LINE; }
/// Bytes of LEVELS elements of an expanded row, and from those of PANEL_ROWS rows to the next ones.
INLINE int64_t line_bytes(const int format) { return is_paired(format) ? 2 * LINE : LINE; }
INLINE int64_t lines_stride(const int format) { return is_paired(format) ? 2 * LINES_STRIDE : LINES_STRIDE; }

// ---- Activations

static int64_t strip_bytes(int64_t columns) { return padded_columns(columns) / X_GROUP * MAX_GROUP_VECTORS * LINE; }

// Four vectors of integers of a byte as one.
INLINE vu join_bytes(vi a, vi b, vi c, vi d) {
    const vu low = ((vu)a & 0xff) | ((vu)b << 8 & ~0xffu), high = ((vu)c << 16 & 0xff0000) | ((vu)d << 24 & ~0xff0000u);
    return (low & 0xffff) | (high & ~0xffffu);
}

// Stores integers as quads and returns the sums of all, or as pairs, which need none.
INLINE vi store_integers(bool paired, const vi integers[VL], char *group) {
    vi sums = splat_i(0);
    if (paired) {
        UNROLL for (int i = 0; i < VL; i += 2)
            store_q(group + i / 2 * LINE, (vq)((integers[i] & 0xffff) | integers[i + 1] << 16));
        return sums;
    }
    UNROLL for (int i = 0; i < VL; i += LANE) {
        const vq quads = (vq)join_bytes(integers[i], integers[i + 1], integers[i + 2], integers[i + 3]);
        sums = dot_quads(sums, splat_q(1), quads);
        store_q(group + i / LANE * LINE, quads);
    }
    return sums;
}

// Rounds 16 columns of the tokens to a group, all but its sums, which are returned.
INLINE vi round_strip_group(
    const float *x, int64_t ldx, int64_t tokens, int64_t columns, bool paired, char *group, vf *scale) {
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
    vi integers[VL];
    UNROLL for (int i = 0; i < VL; i++) integers[i] = round_v(square[i] * inverse);
    *scale = largest / 127.0f;
    return store_integers(paired, integers, group);
}

static void make_strip(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *strip) {
    const bool joins = has_minimum((int)format) && group_of((int)format) == 2 * X_GROUP;
    const int64_t bytes = group_bytes((int)format);
    for (int64_t k = begin; k < begin + padded_columns(end - begin); k += 2 * X_GROUP) {
        vi sums[2];
        UNROLL for (int half = 0; half < 2; half++) {
            const int64_t at = k + half * X_GROUP;
            char *group = (char *)strip + at / X_GROUP * bytes;
            vf scale;
            sums[half] = round_strip_group(x + at, ldx, tokens, columns - at, is_paired((int)format), group, &scale);
            sums[half] = weigh_sums(format, sums[half], scale);
            store((float *)(group + bytes - 2 * LINE), scale);
        }
        if (joins) sums[0] = sums[1] = (vi)((vf)sums[0] + (vf)sums[1]);
        UNROLL for (int half = 0; half < 2; half++)
            store_q((char *)strip + (k / X_GROUP + half + 1) * bytes - LINE, (vq)sums[half]);
    }
}

// ---- Weights

INLINE int64_t expanded_scales(const int format, int64_t depth) {
    return padded_columns(depth) / LEVELS * lines_stride(format);
}
INLINE int64_t expanded_minima(const int format, int64_t depth) {
    return expanded_scales(format, depth) + padded_columns(depth) / LEVELS * SCALES_STRIDE * 4;
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

INLINE void store_levels(const int format, vq levels, char *line) {
    typedef int8_t half_line __attribute__((vector_size(LINE / 2)));
    if (!is_paired(format)) {
        store_q(line, levels);
        return;
    }
    store_q(line, (vq)__builtin_convertvector((half_line)low_half(levels), vpairs));
    store_q(line + LINE, (vq)__builtin_convertvector((half_line)high_half(levels), vpairs));
}

INLINE void expand_row(
    const int format, const char *row, float row_scale, int64_t columns, int64_t depth, char *lines, float *scales,
    float *minima) {
    for (int64_t k = 0; k < depth; k += span_of(format), row += span_bytes(format)) {
        const uint8_t *span = (const uint8_t *)row;
        span_scales values = scales_of(format, span, columns - k);
        if (format == CPUK_I8) values.scales = splat(row_scale);
        UNROLL for (int c = 0; c < span_of(format) / LEVELS; c++) {
            store_levels(format, span_levels(format, span, c, columns - k), lines);
            _mm_storeu_ps(scales, line_scales(format, values.scales, c));
            if (has_minimum(format)) _mm_storeu_ps(minima, line_scales(format, values.minimums, c));
            lines += lines_stride(format);
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
            expanded + r * line_bytes(format), (float *)(expanded + expanded_scales(format, depth)) + r * LINE_SCALES,
            (float *)(expanded + expanded_minima(format, depth)) + r * LINE_SCALES);
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

#include "integer_groups.h"

// Adds the products of two groups to `sums`. Where both have the same scale of weights, it is applied once.
INLINE void multiply_pair(
    const int format, const int S, const quads_step *step, const int pair, vr sums[TILE_SUMS]) {
    const bool is_shared = group_of(format) == 2 * X_GROUP;
    vr both[TILE_SUMS];
    UNROLL for (int half = 0; half < 2; half++) {
        const int group = 2 * pair + half, scale = is_shared ? pair : group;
        vri quads[TILE_SUMS];
        multiply_group(format, S, step, group, quads);
        vr x_scales[MAX_TILE_TOKENS];
        UNROLL for (int s = 0; s < S; s++) x_scales[s] = group_scales(format, step, s, group);
        FOR_EACH_SUM {
            const int i = r * S + s;
            const vr products = __builtin_convertvector(quads[i], vr);
            const vr w_scale = splat_r(step->scales[r * LINE_SCALES + scale]);
            if (!is_shared) sums[i] = fma_r(products, x_scales[s] * w_scale, sums[i]);
            else if (half == 0) both[i] = products * x_scales[s];
            else sums[i] = fma_r(fma_r(products, x_scales[s], both[i]), w_scale, sums[i]);
        }
        if (!has_minimum(format) || (is_shared && half == 0)) continue;
        vr x_sums[MAX_TILE_TOKENS];
        UNROLL for (int s = 0; s < S; s++) x_sums[s] = group_sums(format, step, s, group);
        FOR_EACH_SUM {
            sums[r * S + s] = fma_r(x_sums[s], splat_r(step->minima[r * LINE_SCALES + scale]), sums[r * S + s]);
        }
    }
}

INLINE int64_t token_products(int s) {
    return s / STRIP_REGISTERS * PRODUCTS_STRIDE + s % STRIP_REGISTERS * REGISTER_LANES;
}

INLINE void multiply_tile(
    const int format, const int S, quads_step step, int64_t lines, bool accumulate, prefetcher *ahead,
    float *products) {
    vr sums[TILE_SUMS];
    FOR_EACH_SUM { sums[r * S + s] = accumulate ? load_r(products + token_products(s) + r * VL) : splat_r(0); }
    for (int64_t line = 0; line < lines; line++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < LEVELS / X_GROUP / 2; pair++) multiply_pair(format, S, &step, pair, sums);
        step.levels += lines_stride(format);
        step.scales += SCALES_STRIDE;
        step.minima += SCALES_STRIDE;
        UNROLL for (int s = 0; s < S; s++) step.groups[s] += LEVELS / X_GROUP * group_bytes(format);
    }
    FOR_EACH_SUM { store_r(products + token_products(s) + r * VL, sums[r * S + s]); }
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
            .levels = product->expanded + r * line_bytes(format),
            .scales = (const float *)(product->expanded + expanded_scales(format, depth)) + r * LINE_SCALES,
            .minima = (const float *)(product->expanded + expanded_minima(format, depth)) + r * LINE_SCALES};
        UNROLL for (int s = 0; s < S; s++)
            first.groups[s] = strips + s / STRIP_REGISTERS * stride + s % STRIP_REGISTERS * REGISTER_LANES * 4
                + product->begin / X_GROUP * group_bytes(format);
        multiply_tile(
            format, S, first, padded_columns(depth) / LEVELS, product->begin > 0, &product->ahead, products + r * VL);
    }
}

// `format` stands for all formats whose groups and minima are as its own.
INLINE void multiply_of(
    const int format, const panel_rows *rows, const char *expanded, const activation_records *strips, int64_t count,
    int64_t begin, int64_t depth, read_ahead ahead, float *products) {
    enum { TILE_STRIPS = MAX_TILE_TOKENS / STRIP_REGISTERS };
    quads_product product = {.expanded = expanded, .rows = whole_rows(rows), .begin = begin, .depth = depth};
    product.ahead = prefetch_in(
        ahead, padded_columns(depth) / LEVELS * product.rows * count * STRIP_REGISTERS / TILE_SUMS);
    int64_t s = 0;
    for (; s + TILE_STRIPS <= count; s += TILE_STRIPS)
        multiply_strips_of(
            format, MAX_TILE_TOKENS, &product, strips->data + s * strips->stride, strips->stride,
            products + s * PRODUCTS_STRIDE);
    if (TILE_STRIPS > 1 && s < count)
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
    case CPUK_Q3_K: multiply_of(CPUK_Q3_K, rows, expanded, strips, count, begin, depth, ahead, products); return;
#else
    case CPUK_Q3_K:
#endif
    case CPUK_Q6_K:
        multiply_of(CPUK_Q6_K, rows, expanded, strips, count, begin, depth, ahead, products);
        return;
    default: multiply_of(CPUK_Q8_0, rows, expanded, strips, count, begin, depth, ahead, products); return;
    }
}
