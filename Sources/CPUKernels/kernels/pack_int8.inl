// Packs A and B for int8 GEMM.
//
// A panel of A: 16 tokens. For each group of 16 columns (X_GROUP):
//
//     t0: k0 k1 k2 k3 | t1: k0 k1 k2 k3 | … | t15: k0 k1 k2 k3       64 bytes: a quad of columns of each token
//     … k4 to k7, k8 to k11, k12 to k15                              3 more such vectors
//     s0 s1 … s15                                                    16 floats: each token's scale of the group
//     c0 c1 … c15                                                    16 numbers of 32 bits: each token's correction
//
// Where weights have a scale for 32 columns, so do activations: two groups then have the same scale, and both have the
// sum of the two's corrections (activations_int8.inl).
//
// A panel of B: lines of 64 quants (packed_panels.inl), and behind the last line of all rows the scales, then the
// minima:
//
//     line 0: r0: 4 floats, r1: 4 floats, … r63 | line 1: …          a scale for each group of the line, in its order
//
// Where there is no instruction for quads, quants of 8 bits are multiplied in pairs: as 16 bits each, and the tokens'
// integers too. A group of A is then 8 vectors of two columns of each token, and a line of B is 128 bytes.
#pragma once
#include "activations_int8.inl"
#include "packed_panels.inl"

enum {
    KC = 2048,
    MAX_GROUP_VECTORS = (HAS_DOT_QUADS ? X_GROUP / QUAD : X_GROUP / 2) + 2,
    MAX_LINE = HAS_DOT_QUADS ? LINE : 2 * LINE,
    /// Floats of a line's scales.
    LINE_SCALES = QUANTS / X_GROUP,
    /// Floats from the scales of NC lines to the next ones.
    SCALES_STRIDE = NC * LINE_SCALES,
    PACKED_B_BYTES = KC / QUANTS * (MAX_LINE / LINE * LINES_STRIDE + 2 * SCALES_STRIDE * 4),
};
_Static_assert(QUANTS == LINE, "a line of quants");

INLINE bool is_paired(const int format) { return !HAS_DOT_QUADS && has_8_bit_quants(format); }
/// Bytes of a group of a panel of A; its scales and corrections are the last two vectors.
INLINE int64_t group_bytes(const int format) { return ((is_paired(format) ? X_GROUP / 2 : X_GROUP / QUAD) + 2) * LINE; }
/// Bytes of QUANTS values of a packed row, and from those of NC rows to the next ones.
INLINE int64_t line_bytes(const int format) { return is_paired(format) ? 2 * LINE : LINE; }
INLINE int64_t lines_stride(const int format) { return is_paired(format) ? 2 * LINES_STRIDE : LINES_STRIDE; }

// ---- A

static inline int64_t packed_a_bytes(int64_t columns) {
    return padded_columns(columns) / X_GROUP * MAX_GROUP_VECTORS * LINE;
}

// Turns four vectors of 8-bit integers into one of quads.
INLINE vu join_bytes(vi a, vi b, vi c, vi d) {
    const vu low = ((vu)a & 0xff) | ((vu)b << 8 & ~0xffu), high = ((vu)c << 16 & 0xff0000) | ((vu)d << 24 & ~0xff0000u);
    return (low & 0xffff) | (high & ~0xffffu);
}

// Stores a group as quads and returns each token's sum; or as pairs, whose weights need no corrections.
INLINE vi store_quants(bool paired, const vi integers[VL], char *group) {
    vi sums = splat_i(0);
    if (paired) {
        UNROLL for (int i = 0; i < VL; i += 2)
            store_q(group + i / 2 * LINE, (vq)((integers[i] & 0xffff) | integers[i + 1] << 16));
        return sums;
    }
    UNROLL for (int i = 0; i < VL; i += QUAD) {
        const vq quads = (vq)join_bytes(integers[i], integers[i + 1], integers[i + 2], integers[i + 3]);
        sums = dot_quads(sums, splat_q(1), quads);
        store_q(group + i / QUAD * LINE, quads);
    }
    return sums;
}

// Reads 16 columns of the tokens, a vector each. Returns the bits of each token's largest magnitude: patterns are
// compared, so that a NaN counts as the largest and stays.
INLINE vu read_group(const float *x, int64_t ldx, int64_t tokens, int64_t columns, vf square[VL]) {
    for (int t = 0; t < VL; t++) {
        if (t >= tokens || columns <= 0) square[t] = splat(0);
        else square[t] = columns >= VL ? load(x + t * ldx) : load_part(x + t * ldx, columns);
    }
    transpose(square);
    vu top = splat_u(0);
    UNROLL for (int i = 0; i < VL; i++) top = __builtin_elementwise_max(top, (vu)abs_v(square[i]));
    return top;
}

// The columns of a group, counted in steps of the first size.
INLINE scale_fit fit_group(vf square[VL], vf largest) {
    const vf steps = first_steps(largest);
    scale_fit fit = no_values();
    UNROLL for (int i = 0; i < VL; i++) {
        square[i] *= steps;
        add_to_fit(&fit, square[i]);
    }
    return fit;
}

// Rounds the columns to a group, without its scales and corrections. Returns the sums that the corrections are made of.
INLINE vi pack_group(const vf square[VL], vf factor, bool paired, char *group) {
    vi integers[VL];
    UNROLL for (int i = 0; i < VL; i++) integers[i] = round_v(square[i] * factor);
    return store_quants(paired, integers, group);
}

static inline void pack_a(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *panel) {
    const bool is_shared = has_shared_scales((int)format);
    const int64_t bytes = group_bytes((int)format);
    for (int64_t k = begin; k < begin + padded_columns(end - begin); k += 2 * X_GROUP) {
        char *group = (char *)panel + k / X_GROUP * bytes;
        vf square[2][VL];
        vu most[2];
        vi sums[2];
        UNROLL for (int half = 0; half < 2; half++) {
            const int64_t at = k + half * X_GROUP;
            most[half] = read_group(x + at, ldx, tokens, columns - at, square[half]);
        }
        if (is_shared) most[0] = most[1] = __builtin_elementwise_max(most[0], most[1]);
        scale_fit fits[2];
        UNROLL for (int half = 0; half < 2; half++) fits[half] = fit_group(square[half], (vf)most[half]);
        if (is_shared) fits[0] = fits[1] = add_fits(fits[0], fits[1]);
        vf scales[2], factors[2];
        UNROLL for (int half = 0; half < 2; half++) {
            scales[half] = best_scale(fits[half], (vf)most[half], &factors[half]);
            sums[half] = pack_group(square[half], factors[half], is_paired((int)format), group + half * bytes);
        }
        if (is_shared) sums[0] = sums[1] = sums[0] + sums[1];
        UNROLL for (int half = 0; half < 2; half++) {
            const vf scale = scales[half];
            store((float *)(group + (half + 1) * bytes - 2 * LINE), scale);
            store_q(group + (half + 1) * bytes - LINE, (vq)corrections(format, sums[half], scale));
        }
    }
}

// ---- B

INLINE int64_t packed_b_scales(const int format, int64_t depth) {
    return padded_columns(depth) / QUANTS * lines_stride(format);
}
INLINE int64_t packed_b_minima(const int format, int64_t depth) {
    return packed_b_scales(format, depth) + padded_columns(depth) / QUANTS * SCALES_STRIDE * 4;
}

INLINE floats_4 quarter(vf x, const int number) {
    switch (number) {
    case 0: return __builtin_shufflevector(x, x, 0, 1, 2, 3);
    case 1: return __builtin_shufflevector(x, x, 4, 5, 6, 7);
    case 2: return __builtin_shufflevector(x, x, 8, 9, 10, 11);
    default: return __builtin_shufflevector(x, x, 12, 13, 14, 15);
    }
}

// The scales of the `c`th line of a span, each for `group_of` values, in the lanes from 0 on.
INLINE floats_4 line_scales(const int format, vf groups, const int c) {
    if (span_of(format) == QUANTS) return quarter(groups, 0);
    const floats_4 two_lines = quarter(groups, group_of(format) == X_GROUP ? c : c / 2);
    const bool second = group_of(format) != X_GROUP && c % 2;
    return second ? __builtin_shufflevector(two_lines, two_lines, 2, 3, 2, 3) : two_lines;
}

INLINE void store_line_scales(float *to, floats_4 scales) { memcpy(to, &scales, sizeof scales); }

INLINE void store_packed_quants(const int format, vq quants, char *line) {
    typedef int8_t half_line __attribute__((vector_size(LINE / 2)));
    if (!is_paired(format)) {
        store_q(line, quants);
        return;
    }
    store_q(line, (vq)__builtin_convertvector((half_line)low_half(quants), vpairs));
    store_q(line + LINE, (vq)__builtin_convertvector((half_line)high_half(quants), vpairs));
}

INLINE void pack_row(
    const int format, const char *row, float row_scale, int64_t columns, int64_t depth, char *lines, float *scales,
    float *minima) {
    for (int64_t k = 0; k < depth; k += span_of(format), row += span_bytes(format)) {
        const uint8_t *span = (const uint8_t *)row;
        span_scales values = scales_of(format, span, columns - k);
        if (format == CPUK_I8) values.scales = splat(row_scale);
        UNROLL for (int c = 0; c < span_of(format) / QUANTS; c++) {
            store_packed_quants(format, unpack_quants(format, span, c, columns - k), lines);
            store_line_scales(scales, line_scales(format, values.scales, c));
            if (has_minimum(format)) store_line_scales(minima, line_scales(format, values.minima, c));
            lines += lines_stride(format);
            scales += SCALES_STRIDE;
            minima += SCALES_STRIDE;
        }
    }
}

INLINE void pack_b_of(const int format, const weight_rows *rows, int64_t begin, int64_t depth, char *packed) {
    for (int64_t r = 0; r < rounded_rows(rows); r++) {
        const float scale = format != CPUK_I8 ? 1 : rows->scales[r < rows->count ? r : rows->count - 1];
        pack_row(
            format, row_of(rows, r) + begin / span_of(format) * span_bytes(format), scale, rows->columns - begin, depth,
            packed + r * line_bytes(format), (float *)(packed + packed_b_scales(format, depth)) + r * LINE_SCALES,
            (float *)(packed + packed_b_minima(format, depth)) + r * LINE_SCALES);
    }
}

#define PACK_CASE(ID, ...) \
    case CPUK_##ID: pack_b_of(CPUK_##ID, rows, begin, depth, packed); return;
static inline void pack_b(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    switch (rows->format) {
        FOR_EACH_FORMAT_OF_QUANTS(PACK_CASE)
    default: return;
    }
}
#undef PACK_CASE
