// Few tokens: dot products of rows where they lie. Each lane of a sum takes every sixteenth quad of a row, whose scale
// it applies itself; lanes are summed for VL rows together. Included by integer_kernels.h.
#pragma once

enum { FEW_TOKENS = 4, MAX_CHAINS = 2 };

/// The records of the tokens.
typedef struct {
    const char *integers, *scales, *sums;
    int64_t stride;
} few_records;

INLINE vi dot_levels_quads(const int format, vi start, vq levels, vq integers) {
#if !HAS_DPBUSD
    if (has_wide_levels(format)) return dot_quads(start, magnitudes(levels), with_signs(integers, levels));
#endif
    (void)format;
    return dot_quads(start, levels, integers);
}

// Adds the products of LEVELS elements to the lanes of T sums.
INLINE void dot_levels(
    const int format, const int T, vq levels, vf scales, vf minima, const few_records *x, int64_t k, vf *sums) {
    UNROLL for (int t = 0; t < T; t++) {
        const int64_t at = t * x->stride + k;
        const vi start = offset_of(format) == 0 ? splat_i(0) : (vi)load_q(x->sums + at);
        const vi quads = dot_levels_quads(format, start, levels, load_q(x->integers + at));
        const vf scale = load((const float *)(x->scales + at));
        sums[t] = fma_v(__builtin_convertvector(quads, vf), format == CPUK_I8 ? scale : scales * scale, sums[t]);
        if (has_minimum(format) && !has_span_minima(format))
            sums[t] = fma_v(minima, load((const float *)(x->sums + at)), sums[t]);
    }
}

/// Sums of a row and a token that do not wait for each other: a single token's would add up too slowly.
INLINE int chains_of(const int T) { return T == 1 ? MAX_CHAINS : 1; }

INLINE void dot_span(
    const int format, const int T, const uint8_t *span, const few_records *x, int64_t k, int64_t rest, vf *sums) {
    const span_scales values = scales_of(format, span, rest);
    if (has_span_minima(format))
        UNROLL for (int t = 0; t < T; t++) {
            const vf x_sums = load((const float *)(x->sums + t * x->stride + k / span_of(format) * LINE));
            vf *last = sums + (chains_of(T) - 1) * T + t;
            *last = fma_v(values.minimums, x_sums, *last);
        }
    UNROLL for (int c = 0; c < span_of(format) / LEVELS; c++) {
        const vf scales = lanes_of_groups(format, values.scales, c);
        const bool has_lanes = has_minimum(format) && !has_span_minima(format);
        const vf minima = has_lanes ? lanes_of_groups(format, values.minimums, c) : splat(0);
        dot_levels(
            format, T, span_levels(format, span, c, rest), scales, minima, x, k + c * LEVELS,
            sums + c % chains_of(T) * T);
    }
}

INLINE void dot_row(
    const int format, const int T, const char *row, int64_t columns, const few_records *x, vf *totals) {
    vf sums[FEW_TOKENS];
    UNROLL for (int i = 0; i < T * chains_of(T); i++) sums[i] = splat(0);
    const uint8_t *span = (const uint8_t *)row;
    int64_t k = 0;
    for (; k + span_of(format) <= columns; k += span_of(format), span += span_bytes(format))
        dot_span(format, T, span, x, k, span_of(format), sums);
    if (span_of(format) == LEVELS && k < columns) dot_span(format, T, span, x, k, columns - k, sums);
    UNROLL for (int t = 0; t < T; t++) totals[t] = chains_of(T) == 1 ? sums[t] : sums[t] + sums[T + t];
}

INLINE void dot_rows_of(
    const int format, const int T, const char *rows, int64_t row_bytes, const float *scales, int64_t count,
    const activation_records *x, float *y, int64_t ldy) {
    const few_records records = {
        .integers = x->data, .scales = x->data + record_scales(x->columns),
        .sums = x->data + record_sums(x->columns), .stride = x->stride};
    for (int64_t r = 0; r < count; r += VL) {
        const int64_t part = count - r < VL ? count - r : VL;
        vf sums[FEW_TOKENS][VL];
        for (int64_t i = 0; i < part; i++) {
            vf row[FEW_TOKENS];
            dot_row(format, T, rows + (r + i) * row_bytes, x->columns, &records, row);
            UNROLL for (int t = 0; t < T; t++) sums[t][i] = row[t];
        }
        const vf factors = format != CPUK_I8 ? splat(1) : part == VL ? load(scales + r) : load_part(scales + r, part);
        UNROLL for (int t = 0; t < T; t++) {
            for (int64_t i = part; i < VL; i++) sums[t][i] = splat(0);
            const vf totals = sum_each(sums[t]);
            store_part(y + t * ldy + r, format == CPUK_I8 ? totals * factors : totals, part);
        }
    }
}

#define DOT_ROWS_FORMAT(format)                                                                                      \
    case format:                                                                                                     \
        if (tokens == 4) dot_rows_of(format, 4, rows, row_bytes, scales, count, x, y, ldy);                          \
        else if (tokens == 2) dot_rows_of(format, 2, rows, row_bytes, scales, count, x, y, ldy);                     \
        else dot_rows_of(format, 1, rows, row_bytes, scales, count, x, y, ldy);                                      \
        return;

static void dot_rows_once(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count,
    const activation_records *x, int64_t tokens, float *y, int64_t ldy) {
    switch (format) {
        DOT_ROWS_FORMAT(CPUK_I8)
        DOT_ROWS_FORMAT(CPUK_Q8_0)
        DOT_ROWS_FORMAT(CPUK_Q4_0)
        DOT_ROWS_FORMAT(CPUK_Q4_1)
        DOT_ROWS_FORMAT(CPUK_Q5_0)
        DOT_ROWS_FORMAT(CPUK_Q5_1)
        DOT_ROWS_FORMAT(CPUK_Q2_K)
        DOT_ROWS_FORMAT(CPUK_Q3_K)
        DOT_ROWS_FORMAT(CPUK_Q4_K)
        DOT_ROWS_FORMAT(CPUK_Q5_K)
        DOT_ROWS_FORMAT(CPUK_Q6_K)
        DOT_ROWS_FORMAT(CPUK_IQ4_NL)
        DOT_ROWS_FORMAT(CPUK_IQ4_XS)
    default: return;
    }
}

// 4, 2 or 1 tokens at a time: each more would be another copy of the code for every format.
static void dot_rows(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count,
    const activation_records *x, int64_t tokens, float *y, int64_t ldy) {
    for (int64_t t = 0, step; t < tokens; t += step) {
        step = tokens - t >= 4 ? 4 : tokens - t >= 2 ? 2 : 1;
        const activation_records part = {
            .data = x->data + t * x->stride, .stride = x->stride, .columns = x->columns};
        dot_rows_once(format, rows, row_bytes, scales, count, &part, step, y + t * ldy, ldy);
    }
}
