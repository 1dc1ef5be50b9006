// Quantises activations to int8: x = scale * q, |q| <= 127, with one scale for as many columns as weights have one for,
// 16 or 32, so that the products of a group are summed as integers before they are converted.
//
// Values are rounded in steps of the largest magnitude over 127; the scale kept is the one nearest to them in least
// squares, sum(x q) / sum(q q), so that what is left of rounding has no part along q: one of a group's 16 or 32.
//
// A token for GEMV, K columns rounded up to whole vectors of 64:
//
//     q0 q1 q2 …            K bytes: the integers, padded with zeros
//     s0 s0 s0 s0 s1 …      K / 4 floats: the scale of each quad of integers
//     c0 c1 c2 …            K / 4 numbers of 32 bits: the correction of each quad for what weights add to their quants
//
// For quants with an offset a correction is the quad's sum times minus the offset, an integer; for those with a minimum
// it is the quad's sum times its scale, a float. Formats with blocks of 256 and minima have a correction for each group
// instead: one vector of floats a block, in the order of its groups, padded with zeros.
#pragma once
#include "../formats/quants.h"

enum { X_GROUP = 16, QUAD = 4 };
_Static_assert(X_GROUP == VL, "a vector of activations has one scale");

// Whether two groups of activations have one scale, as those of the weights do.
INLINE bool has_shared_scales(const int format) { return group_of(format) == 2 * X_GROUP; }

INLINE int64_t padded_columns(int64_t columns) { return (columns + QUANTS - 1) / QUANTS * QUANTS; }
// Where the scales of a token begin, and where its corrections do.
INLINE int64_t token_scales(int64_t columns) { return padded_columns(columns); }
INLINE int64_t scales_bytes(int64_t columns) { return padded_columns(columns) / QUAD * 4; }
INLINE int64_t token_corrections(int64_t columns) { return token_scales(columns) + scales_bytes(columns); }
static inline int64_t quantised_token_bytes(int64_t columns) {
    return (token_corrections(columns) + scales_bytes(columns) + 63) / 64 * 64;
}

// The corrections of sums of integers, `scale` being the scale of the activations.
INLINE vi corrections(cpuk_format format, vi sums, vf scale) {
    if (has_minimum((int)format)) return (vi)(__builtin_convertvector(sums, vf) * scale);
    return sums * -quant_offset((int)format);
}

// What values are multiplied with before they are rounded, `largest` being the largest magnitude of their group. Values
// too small for a quotient become zeros.
INLINE vf steps_of(vf largest) { return select_v(largest > 0x1p-118f, 127.0f / largest, splat(0)); }

// The scale of a group from its sums of (x / step) q and of q q. Without any quants it is the step, so that NaN stays.
INLINE vf fitted_scale(vf largest, vf products, vf squares) {
    const vf step = largest / 127.0f;
    return select_v(squares > 0.0f, step * (products / squares), step);
}

// Quantises QUANTS columns, `together` vectors of which have one scale.
INLINE vf quantise_together(const int together, const float *x, int64_t count, char *integers) {
    vf largest = splat(0), products = splat(0), squares = splat(0);
    UNROLL for (int i = 0; i < QUANTS / X_GROUP; i += together) {
        vf parts[2], product = splat(0), square = splat(0);
        vu most = splat_u(0);
        UNROLL for (int j = 0; j < together; j++) {
            const int64_t at = (i + j) * VL, rest = count - at;
            parts[j] = rest >= VL ? load(x + at) : rest > 0 ? load_part(x + at, rest) : splat(0);
            // Bit patterns are compared, so that a NaN counts as the largest and stays.
            most = __builtin_elementwise_max(most, (vu)abs_v(parts[j]));
        }
        const float top = max_lanes((vf)most);
        const vf inverse = steps_of(splat(top));
        UNROLL for (int j = 0; j < together; j++) {
            const vf exact = parts[j] * inverse;
            const vi rounded = round_v(exact);
            const vf quants = __builtin_convertvector(rounded, vf);
            *(q16_unaligned *)(integers + (i + j) * VL) = narrow(rounded);
            product = fma_v(exact, quants, product);
            square = fma_v(quants, quants, square);
        }
        const vi is_group = lane_numbers() / QUAD / together == i / together;
        largest = select_v(is_group, splat(top), largest);
        products = select_v(is_group, splat(sum_lanes(product)), products);
        squares = select_v(is_group, splat(sum_lanes(square)), squares);
    }
    return fitted_scale(largest, products, squares);
}

// Quantises QUANTS columns to `integers`. Lanes 4 i to 4 i + 3 of the result are the scale of the `i`th 16.
INLINE vf quantise(int format, const float *x, int64_t count, char *integers) {
    return has_shared_scales(format) ? quantise_together(2, x, count, integers)
                                     : quantise_together(1, x, count, integers);
}

// The corrections of the groups of QUANTS columns from `k` on, made from those of their quads.
INLINE void store_group_corrections(int format, vf quads, int64_t k, float *to) {
    const int groups = QUANTS / group_of(format), line = (int)(k % 256 / QUANTS);
    float each[VL];
    store(each, quads);
    float *block = to + k / 256 * VL;
    for (int g = 0; g < groups; g++) {
        float sum = 0;
        for (int i = 0; i < VL / groups; i++) sum += each[g * (VL / groups) + i];
        block[line * groups + g] = sum;
        if (4 * groups < VL) block[4 * groups + line * groups + g] = 0;
    }
}

static inline void quantise_token(cpuk_format format, const float *x, int64_t columns, void *token) {
    char *integers = token, *scales = integers + token_scales(columns), *to = integers + token_corrections(columns);
    for (int64_t k = 0; k < columns; k += QUANTS) {
        const vf scale = quantise((int)format, x + k, columns - k, integers + k);
        const vi sums = dot_quads(splat_i(0), splat_q(1), load_q(integers + k));
        store((float *)(scales + k), scale);
        const vi correction = corrections(format, sums, scale);
        if (has_span_minima((int)format)) store_group_corrections((int)format, (vf)correction, k, (float *)to);
        else store_q(to + k, (vq)correction);
    }
}
