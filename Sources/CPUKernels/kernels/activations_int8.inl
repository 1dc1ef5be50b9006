// Quantises activations to int8: x = scale * q, |q| <= 127, with one scale for as many columns as weights have one for,
// 16 or 32 (scale_fit_int8.inl), so that the products of a group are summed as integers before they are converted.
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
#include "scale_fit_int8.inl"

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

// The sum of each vector's lanes, in all lanes.
INLINE scale_fit sum_fit(scale_fit fit) {
    UNROLL for (int i = 0; i < 2; i++) {
        fit.products[i] = splat(sum_lanes(fit.products[i]));
        fit.squares[i] = splat(sum_lanes(fit.squares[i]));
    }
    fit.energy = splat(sum_lanes(fit.energy));
    return fit;
}

// Quantises QUANTS columns, `together` vectors of which have one scale.
INLINE vf quantise_together(const int together, const float *x, int64_t count, char *integers) {
    vf scales = splat(0);
    UNROLL for (int i = 0; i < QUANTS / X_GROUP; i += together) {
        vf parts[2], factor;
        vu most = splat_u(0);
        UNROLL for (int j = 0; j < together; j++) {
            const int64_t at = (i + j) * VL, rest = count - at;
            parts[j] = rest >= VL ? load(x + at) : rest > 0 ? load_part(x + at, rest) : splat(0);
            // Bit patterns are compared, so that a NaN counts as the largest and stays.
            most = __builtin_elementwise_max(most, (vu)abs_v(parts[j]));
        }
        const vf largest = splat(max_lanes((vf)most));
        scale_fit fit = no_values();
        UNROLL for (int j = 0; j < together; j++) {
            parts[j] *= first_steps(largest);
            add_to_fit(&fit, parts[j]);
        }
        const vf scale = best_scale(sum_fit(fit), largest, &factor);
        UNROLL for (int j = 0; j < together; j++)
            *(q16_unaligned *)(integers + (i + j) * VL) = narrow(round_v(parts[j] * factor));
        scales = select_v(lane_numbers() / QUAD / together == i / together, scale, scales);
    }
    return scales;
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
