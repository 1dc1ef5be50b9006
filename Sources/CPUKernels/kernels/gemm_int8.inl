// int8 GEMM: panels of 16 tokens as 8-bit integers against panels of quants (pack_int8.inl).
#pragma once
#include "micro_kernel_int8.inl"

/// Fewer tokens than this are faster by GEMV (measured).
enum { MIN_GEMM_TOKENS = !HAS_DOT_QUADS ? 9 : REGISTER_LANES == VL ? 5 : 7 };

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
            const vr w_scale = splat_r(step->scales[r * step->strides.row_scales + scale * step->strides.group_scales]);
            if (!is_shared) sums[i] = fma_r(products, x_scales[s] * w_scale, sums[i]);
            else if (half == 0) both[i] = products * x_scales[s];
            else sums[i] = fma_r(fma_r(products, x_scales[s], both[i]), w_scale, sums[i]);
        }
        if (!has_minimum(format) || (is_shared && half == 0)) continue;
        vr x_corrections[MAX_TILE_TOKENS];
        UNROLL for (int s = 0; s < S; s++) x_corrections[s] = group_corrections(format, step, s, group);
        FOR_EACH_SUM {
            const vr minimum = splat_r(step->minima[r * step->strides.row_scales + scale * step->strides.group_scales]);
            sums[r * S + s] = fma_r(x_corrections[s], minimum, sums[r * S + s]);
        }
    }
}

INLINE int64_t products_of_register(int s) {
    return s / PANEL_REGISTERS * PRODUCTS_STRIDE + s % PANEL_REGISTERS * REGISTER_LANES;
}

INLINE void micro_kernel(
    const int format, const int S, quads_step step, int64_t lines, bool accumulate, prefetcher *ahead,
    float *products) {
    vr sums[TILE_SUMS];
    FOR_EACH_SUM { sums[r * S + s] = accumulate ? load_r(products + products_of_register(s) + r * VL) : splat_r(0); }
    for (int64_t line = 0; line < lines; line++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < QUANTS / X_GROUP / 2; pair++) multiply_pair(format, S, &step, pair, sums);
        step.quants += step.strides.line;
        step.scales += step.strides.line_scales;
        step.minima += step.strides.line_scales;
        UNROLL for (int s = 0; s < S; s++) step.groups[s] += QUANTS / X_GROUP * group_bytes(format);
    }
    FOR_EACH_SUM { store_r(products + products_of_register(s) + r * VL, sums[r * S + s]); }
}

// The strides of panels of lines (pack_int8.inl).
INLINE panel_strides line_strides(const int format) {
    return (panel_strides){
        .row = line_bytes(format), .part = 4, .line = lines_stride(format), .row_scales = LINE_SCALES,
        .group_scales = 1, .line_scales = SCALES_STRIDE};
}

/// The arguments that all tiles of a product share.
typedef struct {
    const char *packed;
    int64_t rows, begin, depth;
    prefetcher ahead;
} quads_product;

INLINE void multiply_panels_of(
    const int format, const int S, quads_product *product, const char *panels, int64_t stride, float *products) {
    const int64_t depth = product->depth;
    for (int64_t r = 0; r < product->rows; r += TILE_SUMS / S) {
        quads_step first = {
            .quants = product->packed + r * line_bytes(format),
            .scales = (const float *)(product->packed + packed_b_scales(format, depth)) + r * LINE_SCALES,
            .minima = (const float *)(product->packed + packed_b_minima(format, depth)) + r * LINE_SCALES,
            .strides = line_strides(format)};
        UNROLL for (int s = 0; s < S; s++)
            first.groups[s] = panels + register_at(s, stride) + product->begin / X_GROUP * group_bytes(format);
        micro_kernel(
            format, S, first, padded_columns(depth) / QUANTS, product->begin > 0, &product->ahead, products + r * VL);
    }
}

// The products with all panels of A.
INLINE void multiply_of(
    const int format, const weight_rows *rows, const char *packed, const packed_a *panels, int64_t count,
    int64_t begin, int64_t depth, read_ahead ahead, float *products) {
    quads_product product = {.packed = packed, .rows = rounded_rows(rows), .begin = begin, .depth = depth};
    product.ahead = prefetch_in(
        ahead, padded_columns(depth) / QUANTS * product.rows * count * PANEL_REGISTERS / TILE_SUMS);
    int64_t s = 0;
    for (; s + TILE_PANELS <= count; s += TILE_PANELS)
        multiply_panels_of(
            format, MAX_TILE_TOKENS, &product, panels->data + s * panels->stride, panels->stride,
            products + s * PRODUCTS_STRIDE);
    if (TILE_PANELS > 1 && s < count)
        multiply_panels_of(
            format, 1, &product, panels->data + s * panels->stride, panels->stride, products + s * PRODUCTS_STRIDE);
}

// The format whose code multiplies the packed rows of this one: all formats whose packed rows look alike share one
// copy.
INLINE int multiplied_as(cpuk_format format) {
    const bool has_groups_of_16 = group_of((int)format) == 16;
    if (has_minimum((int)format)) return has_groups_of_16 ? CPUK_Q2_K : CPUK_Q4_K;
    // Quants of Q6_K are too large for as many products in a 16-bit sum as those of Q3_K.
    if (has_groups_of_16) return HAS_DOT_QUADS || format == CPUK_Q6_K ? CPUK_Q6_K : CPUK_Q3_K;
    return OFFSET_OF_8_BITS > 0 || has_8_bit_quants((int)format) ? CPUK_Q8_0 : CPUK_Q4_0;
}

#define MULTIPLY_CASE(format) \
    case format: multiply_of(format, rows, packed, panels, count, begin, depth, ahead, products); return;
static void multiply(
    const weight_rows *rows, const void *packed, const packed_a *panels, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    switch (multiplied_as(rows->format)) {
        MULTIPLY_CASE(CPUK_Q4_K)
        MULTIPLY_CASE(CPUK_Q2_K)
        MULTIPLY_CASE(CPUK_Q6_K)
    case CPUK_Q4_0:
        if (OFFSET_OF_8_BITS == 0) multiply_of(CPUK_Q4_0, rows, packed, panels, count, begin, depth, ahead, products);
        return;
    case CPUK_Q3_K:
        if (!HAS_DOT_QUADS) multiply_of(CPUK_Q3_K, rows, packed, panels, count, begin, depth, ahead, products);
        return;
        MULTIPLY_CASE(CPUK_Q8_0)
    default: return;
    }
}
#undef MULTIPLY_CASE

static bool supports_gemm(cpuk_format format, int64_t tokens) {
    return has_quants((int)format) && tokens >= MIN_GEMM_TOKENS;
}

static const gemm_kernel gemm = {
    .panel_tokens = MR, .kc = KC, .packed_b_bytes = PACKED_B_BYTES, .packing_tokens = MR / 4, .few_panels = 3,
    .packed_a_bytes = packed_a_bytes, .pack_a = pack_a, .pack_b = pack_b, .multiply = multiply,
    .transpose = transpose_products,
};
