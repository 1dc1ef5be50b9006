// int8 GEMV: dot products of rows where they lie with quantised activations (activations_int8.inl). Each lane of a sum
// takes every sixteenth quad of a row and applies that quad's scale itself; lanes are summed for VL rows together.
#pragma once
#include "activations_int8.inl"
#include "matmul.h"

enum { MAX_TOKENS = 4, MAX_CHAINS = 2 };

/// The quantised tokens.
typedef struct {
    const char *integers, *scales, *corrections;
    int64_t stride;
} quantised_tokens;

INLINE vi dot_quants_quads(const int format, vi start, vq quants, vq integers) {
    if (!HAS_DOT_QUADS && has_8_bit_quants(format))
        return dot_quads(start, magnitudes(quants), with_signs(integers, quants));
    return dot_quads(start, quants, integers);
}

// Adds the products of QUANTS columns to the lanes of T sums.
INLINE void dot_quants(
    const int format, const int T, vq quants, vf scales, vf minima, const quantised_tokens *x, int64_t k, vf *sums) {
    UNROLL for (int t = 0; t < T; t++) {
        const int64_t at = t * x->stride + k;
        const vi start = quant_offset(format) == 0 ? splat_i(0) : (vi)load_q(x->corrections + at);
        const vi quads = dot_quants_quads(format, start, quants, load_q(x->integers + at));
        const vf scale = load((const float *)(x->scales + at));
        sums[t] = fma_v(__builtin_convertvector(quads, vf), format == CPUK_I8 ? scale : scales * scale, sums[t]);
        if (has_minimum(format) && !has_span_minima(format))
            sums[t] = fma_v(minima, load((const float *)(x->corrections + at)), sums[t]);
    }
}

/// The chains of additions for a row and a token. With one chain, a single token's additions would wait for each other.
INLINE int chains_of(const int T) { return T == 1 ? MAX_CHAINS : 1; }

INLINE void dot_span(
    const int format, const int T, const uint8_t *span, const quantised_tokens *x, int64_t k, int64_t rest, vf *sums) {
    const span_scales values = scales_of(format, span, rest);
    if (has_span_minima(format))
        UNROLL for (int t = 0; t < T; t++) {
            const int64_t at = t * x->stride + k / span_of(format) * (int64_t)sizeof(vf);
            const vf x_corrections = load((const float *)(x->corrections + at));
            vf *last = sums + (chains_of(T) - 1) * T + t;
            *last = fma_v(values.minima, x_corrections, *last);
        }
    UNROLL for (int c = 0; c < span_of(format) / QUANTS; c++) {
        const vf scales = spread_scales(format, values.scales, c);
        const bool has_lanes = has_minimum(format) && !has_span_minima(format);
        const vf minima = has_lanes ? spread_scales(format, values.minima, c) : splat(0);
        dot_quants(
            format, T, unpack_quants(format, span, c, rest), scales, minima, x, k + c * QUANTS,
            sums + c % chains_of(T) * T);
    }
}

INLINE void dot_row(
    const int format, const int T, const char *row, int64_t columns, const quantised_tokens *x, vf *totals) {
    vf sums[MAX_TOKENS];
    UNROLL for (int i = 0; i < T * chains_of(T); i++) sums[i] = splat(0);
    const uint8_t *span = (const uint8_t *)row;
    int64_t k = 0;
    for (; k + span_of(format) <= columns; k += span_of(format), span += span_bytes(format))
        dot_span(format, T, span, x, k, span_of(format), sums);
    if (span_of(format) == QUANTS && k < columns) dot_span(format, T, span, x, k, columns - k, sums);
    UNROLL for (int t = 0; t < T; t++) totals[t] = chains_of(T) == 1 ? sums[t] : sums[t] + sums[T + t];
}

INLINE void gemv_of(
    const int format, const int T, const char *rows, int64_t row_bytes, const float *scales, int64_t count,
    const packed_a *x, float *y, int64_t ldy) {
    const quantised_tokens tokens = {
        .integers = x->data, .scales = x->data + token_scales(x->columns),
        .corrections = x->data + token_corrections(x->columns), .stride = x->stride};
    for (int64_t r = 0; r < count; r += VL) {
        const int64_t part = count - r < VL ? count - r : VL;
        vf sums[MAX_TOKENS][VL];
        for (int64_t i = 0; i < part; i++) {
            vf row[MAX_TOKENS];
            dot_row(format, T, rows + (r + i) * row_bytes, x->columns, &tokens, row);
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

#define GEMV_CASE(ID, ...)                                                                                            \
    case CPUK_##ID:                                                                                                   \
        if (tokens == 4) gemv_of(CPUK_##ID, 4, rows, row_bytes, scales, count, x, y, ldy);                            \
        else if (tokens == 2) gemv_of(CPUK_##ID, 2, rows, row_bytes, scales, count, x, y, ldy);                       \
        else gemv_of(CPUK_##ID, 1, rows, row_bytes, scales, count, x, y, ldy);                                        \
        return;
static void gemv_once(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
    int64_t tokens, float *y, int64_t ldy) {
    switch (format) {
        FOR_EACH_FORMAT_OF_QUANTS(GEMV_CASE)
    default: return;
    }
}
#undef GEMV_CASE

// 4, 2 or 1 tokens at a time: each more would be another copy of the code for every format.
static void multiply_few(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
    int64_t tokens, float *y, int64_t ldy) {
    for (int64_t t = 0, step; t < tokens; t += step) {
        step = tokens - t >= 4 ? 4 : tokens - t >= 2 ? 2 : 1;
        const packed_a part = {.data = x->data + t * x->stride, .stride = x->stride, .columns = x->columns};
        gemv_once(format, rows, row_bytes, scales, count, &part, step, y + t * ldy, ldy);
    }
}

static bool supports_gemv(cpuk_format format, int64_t tokens) {
    return has_quants((int)format) && tokens <= MAX_GEMV_TOKENS;
}

static const gemv_kernel gemv = {
    .tokens = MAX_GEMV_TOKENS, .packed_a_bytes = quantised_token_bytes, .pack_a = quantise_token,
    .multiply = multiply_few,
};
