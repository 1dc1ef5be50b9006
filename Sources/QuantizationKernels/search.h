// Scales and offsets of one group of values, by weighted least squares over candidates.
//
// Legend: x the values of a group, n of them; w their weights; q the quants, kept as floats while searching.
//
// For given quants the best scale (and offset) is a closed formula, and for a given scale the best quants are the
// nearest ones. So a search tries some scales around the one that spans the group, solves for the best scale of each
// one's quants, keeps the best by weighted squared error, and then alternates the two steps a few times from there.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
// Lets sums become vector sums; nothing below depends on their order.
#define FAST_SUMS _Pragma("clang fp reassociate(on)")

#define GROUP_MAX 32

// The quants of a symmetric format: whole numbers from `low` to `high`, or the entries of the table of the IQ4 formats.
typedef struct {
    float low;
    float high;
    bool is_table;
} Grid;

static const float iq4_table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// The nearest whole number, ties to even. Correct below 2^22 in magnitude; vector code without SSE4.1's rounding.
INLINE float nearest_integer(float value) {
    const float magic = 12582912.0f;
    const float shifted = value + magic;
    return shifted - magic;
}

INLINE float clamped(float value, float low, float high) {
    value = value < low ? low : value;
    return value > high ? high : value;
}

INLINE int iq4_index(float value) {
    int index = 0;
    for (int entry = 0; entry < 15; entry++) {
        index += value > 0.5f * (iq4_table[entry] + iq4_table[entry + 1]);
    }
    return index;
}

// The grid's quant nearest to `value`.
INLINE float nearest_quant(Grid grid, float value) {
    if (!grid.is_table) return nearest_integer(clamped(value, grid.low, grid.high));
    float quant = iq4_table[0];
    for (int entry = 0; entry < 15; entry++) {
        quant = value > 0.5f * (iq4_table[entry] + iq4_table[entry + 1]) ? iq4_table[entry + 1] : quant;
    }
    return quant;
}

// Weights of a group: a value counts by its magnitude, since large weights decide most in real models; the mean keeps
// the small ones from counting nothing.
INLINE void group_weights(const float *x, int n, float *w) {
    FAST_SUMS
    float squares = 0;
    for (int i = 0; i < n; i++) squares += x[i] * x[i];
    const float mean = sqrtf(squares / (float)n);
    for (int i = 0; i < n; i++) w[i] = mean + fabsf(x[i]);
}

// MARK: Symmetric: x = scale * q

typedef struct {
    float scale;
    // Reduction of the weighted squared error against all zeros.
    float gain;
} SymmetricFit;

// The best scale for the quants nearest to `inverse * x`.
INLINE SymmetricFit symmetric_fit(const float *x, const float *w, int n, Grid grid, float inverse) {
    FAST_SUMS
    float xq = 0;
    float qq = 0;
    for (int i = 0; i < n; i++) {
        const float q = nearest_quant(grid, inverse * x[i]);
        xq += w[i] * x[i] * q;
        qq += w[i] * q * q;
    }
    if (!(qq > 0)) return (SymmetricFit){0, 0};
    return (SymmetricFit){xq / qq, xq * xq / qq};
}

// Searches the scale of a group. Zero where all values are, or where they are too small for a float's inverse.
INLINE float symmetric_search(const float *x, const float *w, int n, Grid grid) {
    float extreme = 0;
    for (int i = 0; i < n; i++) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    if (fabsf(extreme) < 1e-30f) return 0;
    // The extreme value comes to lie near the lowest quant or, turned around, near the highest.
    const int steps = 9;
    const float step = grid.is_table ? 1.5f : (grid.high > 15 ? 0.25f : 0.1f);
    SymmetricFit best = {0, -1};
    for (int i = -steps; i <= steps; i++) {
        const SymmetricFit fit = symmetric_fit(x, w, n, grid, (grid.low + step * (float)i) / extreme);
        if (fit.gain > best.gain) best = fit;
        if (!grid.is_table) continue;
        const SymmetricFit turned = symmetric_fit(x, w, n, grid, (grid.high + step * (float)i) / extreme);
        if (turned.gain > best.gain) best = turned;
    }
    for (int round = 0; round < 3 && fabsf(best.scale) > 1e-30f; round++) {
        const SymmetricFit fit = symmetric_fit(x, w, n, grid, 1 / best.scale);
        if (!(fit.gain > best.gain)) break;
        best = fit;
    }
    return best.scale;
}

// MARK: Affine: x = scale * q - offset, quants from 0 to high

typedef struct {
    float scale;
    float offset;
    float error;
} AffineFit;

// The best scale and offset for the quants nearest to `inverse * (x + offset)`.
//   bounded: whether the offset may not be negative, as in the K formats.
INLINE AffineFit affine_fit(
    const float *x, const float *w, int n, float high, float inverse, float offset, bool bounded) {
    FAST_SUMS
    float s = 0, sx = 0, sxx = 0, sq = 0, sqq = 0, sxq = 0;
    for (int i = 0; i < n; i++) {
        const float q = nearest_integer(clamped(inverse * (x[i] + offset), 0, high));
        s += w[i];
        sx += w[i] * x[i];
        sxx += w[i] * x[i] * x[i];
        sq += w[i] * q;
        sqq += w[i] * q * q;
        sxq += w[i] * x[i] * q;
    }
    AffineFit fit = {0, offset, INFINITY};
    const float determinant = s * sqq - sq * sq;
    if (determinant > 0) {
        fit.scale = (s * sxq - sx * sq) / determinant;
        fit.offset = (sq * sxq - sqq * sx) / determinant;
    }
    if ((bounded && fit.offset < 0) || !(determinant > 0)) {
        fit.offset = bounded ? 0 : fit.offset;
        fit.scale = sqq > 0 ? (sxq + fit.offset * sq) / sqq : 0;
    }
    fit.error = sxx + fit.scale * fit.scale * sqq + fit.offset * fit.offset * s
        - 2 * (fit.scale * sxq + fit.scale * fit.offset * sq - fit.offset * sx);
    return fit;
}

// Searches scale and offset of a group. A scale of zero means that all values are the same (or all that can be had).
INLINE AffineFit affine_search(const float *x, const float *w, int n, float high, bool bounded) {
    float low = x[0];
    float top = x[0];
    for (int i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        top = x[i] > top ? x[i] : top;
    }
    if (bounded && low > 0) low = 0;
    if (!(top - low > 1e-30f)) return (AffineFit){0, bounded && low > 0 ? 0 : -low, 0};
    AffineFit best = {0, 0, INFINITY};
    for (int i = -10; i <= 10; i++) {
        const float inverse = (high + 0.1f * (float)i) / (top - low);
        const AffineFit fit = affine_fit(x, w, n, high, inverse, -low, bounded);
        if (fit.scale > 0 && fit.error < best.error) best = fit;
    }
    for (int round = 0; round < 3 && best.scale > 1e-30f; round++) {
        const AffineFit fit = affine_fit(x, w, n, high, 1 / best.scale, best.offset, bounded);
        if (!(fit.scale > 0 && fit.error < best.error)) break;
        best = fit;
    }
    return best;
}
