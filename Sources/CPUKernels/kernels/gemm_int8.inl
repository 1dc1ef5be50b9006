// int8 GEMM: panels of 16 tokens as 8-bit integers against panels of quants (pack_int8.inl).
#pragma once
#include "micro_kernel_int8.inl"

/// Fewer tokens than this are faster by GEMV (measured).
enum { MIN_GEMM_TOKENS = !HAS_DOT_QUADS ? 9 : REGISTER_LANES == VL ? 5 : 7 };

// Adds the products of the `number`th columns of a line that have one scale to `sums`.
INLINE void add_products(
    const int format, const int S, const quads_step *step, const int number, vr sums[TILE_SUMS]) {
    const int groups = has_shared_scales(format) ? 2 : 1, group = number * groups;
    const int64_t scale = number * step->strides.group_scales;
    vri quads[TILE_SUMS];
    multiply_groups(format, S, step, group, groups, quads);
    vr x_scales[MAX_TILE_TOKENS];
    UNROLL for (int s = 0; s < S; s++) x_scales[s] = group_scales(format, step, s, group);
    FOR_EACH_SUM {
        const vr w_scale = splat_r(step->scales[r * step->strides.row_scales + scale]);
        const vr products = __builtin_convertvector(quads[r * S + s], vr);
        sums[r * S + s] = fma_r(products, x_scales[s] * w_scale, sums[r * S + s]);
    }
    if (!has_minimum(format)) return;
    vr x_corrections[MAX_TILE_TOKENS];
    UNROLL for (int s = 0; s < S; s++) x_corrections[s] = group_corrections(format, step, s, group);
    FOR_EACH_SUM {
        const vr minimum = splat_r(step->minima[r * step->strides.row_scales + scale]);
        sums[r * S + s] = fma_r(x_corrections[s], minimum, sums[r * S + s]);
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
        UNROLL for (int i = 0; i < QUANTS / group_of(format); i++) add_products(format, S, &step, i, sums);
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
    // Without an instruction for quads formats differ in how many products a 16-bit sum holds.
    const bool is_small = !HAS_DOT_QUADS && pairs_in_16_bits((int)format) == 8;
    if (has_minimum((int)format)) return has_groups_of_16 ? CPUK_Q2_K : is_small ? CPUK_Q4_K : CPUK_Q5_K;
    if (has_groups_of_16) return is_small ? CPUK_Q3_K : CPUK_Q6_K;
    if (OFFSET_OF_8_BITS > 0 || has_8_bit_quants((int)format)) return CPUK_Q8_0;
    return is_small ? CPUK_Q4_0 : CPUK_Q5_0;
}
INLINE bool has_code(const int format) { return multiplied_as((cpuk_format)format) == format; }

#define FOR_EACH_FORMAT_WITH_CODE(X) X(Q8_0) X(Q4_0) X(Q5_0) X(Q4_K) X(Q5_K) X(Q2_K) X(Q3_K) X(Q6_K)

#define MULTIPLY_CASE(ID)                                                                                             \
    case CPUK_##ID:                                                                                                   \
        if (has_code(CPUK_##ID))                                                                                      \
            multiply_of(CPUK_##ID, rows, packed, panels, count, begin, depth, ahead, products);                       \
        return;
static void multiply(
    const weight_rows *rows, const void *packed, const packed_a *panels, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    switch (multiplied_as(rows->format)) {
        FOR_EACH_FORMAT_WITH_CODE(MULTIPLY_CASE)
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
