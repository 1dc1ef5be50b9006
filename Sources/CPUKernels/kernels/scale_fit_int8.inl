// The scale with which whole numbers stand for a group of activations best: x = scale * q, |q| <= 127.
//
// Values are rounded in steps of the largest magnitude over 127 or over 125.5, whichever leaves the smaller squares.
// The scale is then the one nearest to the values in least squares. Where x / step = y = q + r, with r of at most a
// half, it is
//
//     step * (1 + sum(r q) / sum(q q))    and leaves    step^2 * (sum(r r) - sum(r q)^2 / sum(q q))
//
// with sum(q q) = sum(y y) - 2 sum(r q) - sum(r r). Of groups of 32 normal numbers this leaves 0.92 of the squares that
// steps of one size without a fit leave, and of products like those behind a gate 0.95.
#pragma once
#include "../simd/int8.h"

// The second size of steps, as a factor of the first's values.
#define SECOND_STEPS (125.5f / 127.0f)

// Sums over a group's values, for steps of the first and the second size.
typedef struct {
    vf products[2], squares[2], energy;
} scale_fit;

INLINE scale_fit no_values(void) {
    return (scale_fit){{splat(0), splat(0)}, {splat(0), splat(0)}, splat(0)};
}

// What values are multiplied with to be counted in steps of the first size, `largest` being the largest magnitude of
// their group. Values too small for a quotient become zeros.
INLINE vf first_steps(vf largest) { return select_v(largest > 0x1p-118f, 127.0f / largest, splat(0)); }

// Adds values counted in steps of the first size.
INLINE void add_to_fit(scale_fit *fit, vf values) {
    fit->energy = fma_v(values, values, fit->energy);
    UNROLL for (int i = 0; i < 2; i++) {
        const vf exact = i == 0 ? values : values * SECOND_STEPS;
        const vf quants = __builtin_convertvector(round_v(exact), vf), rest = exact - quants;
        fit->products[i] = fma_v(rest, quants, fit->products[i]);
        fit->squares[i] = fma_v(rest, rest, fit->squares[i]);
    }
}

INLINE scale_fit add_fits(scale_fit a, scale_fit b) {
    return (scale_fit){
        {a.products[0] + b.products[0], a.products[1] + b.products[1]},
        {a.squares[0] + b.squares[0], a.squares[1] + b.squares[1]},
        a.energy + b.energy};
}

// The scale, and in `*factor` what values counted in steps of the first size are multiplied with before they are
// rounded. Without any energy (zeros, or a number that is none) the scale is the step, so that NaN stays.
INLINE vf best_scale(scale_fit fit, vf largest, vf *factor) {
    vf left[2], scales[2];
    UNROLL for (int i = 0; i < 2; i++) {
        const vf energy = i == 0 ? fit.energy : fit.energy * (SECOND_STEPS * SECOND_STEPS);
        const vf moved = fit.products[i] / (energy - 2.0f * fit.products[i] - fit.squares[i]);
        left[i] = fit.squares[i] - fit.products[i] * moved;
        scales[i] = largest / (i == 0 ? 127.0f : 125.5f) * (1.0f + moved);
    }
    const vi is_second = left[1] < left[0] * (SECOND_STEPS * SECOND_STEPS);
    *factor = select_v(is_second, splat(SECOND_STEPS), splat(1));
    return select_v(fit.energy > 0.0f, select_v(is_second, scales[1], scales[0]), largest / 127.0f);
}
