// Softmax of a row, or of a chunk of its columns.
#pragma once
#include "../simd/vector_math.h"
#include "row_kernels.h"
#include <math.h>

// Where only minus infinity was seen so far, exponents are taken relative to zero, so that they are zero and not NaN.
INLINE float exponent_base(float maximum) { return maximum == -INFINITY ? 0 : maximum; }

enum { SOFTMAX_STEP = 8 };

// One pass: blocks of vectors share one comparison with the running maximum and one correction of the sum.
static softmax_part softmax_reduce(const float *x, int64_t columns, float scale) {
    softmax_part part = {-INFINITY, 0};
    vf sums = splat(0);
    for (int64_t i = 0; i < columns; i += SOFTMAX_STEP * VL) {
        vf values[SOFTMAX_STEP], block = splat(-INFINITY);
        for (int u = 0; u < SOFTMAX_STEP; u++) {
            int64_t at = i + u * VL, count = columns - at;
            if (count >= VL) {
                values[u] = load(x + at) * scale;
            } else {
                values[u] = splat(-INFINITY);
                for (int64_t lane = 0; lane < count; lane++) values[u][lane] = x[at + lane] * scale;
            }
            block = max_v(values[u], block);
        }
        float maximum = max_lanes(block);
        if (maximum > part.maximum) {
            sums *= exp_v(splat(part.maximum - maximum));
            part.maximum = maximum;
        }
        float base = exponent_base(part.maximum);
        for (int u = 0; u < SOFTMAX_STEP; u++) sums += exp_v(values[u] - base);
    }
    part.sum = sum_lanes(sums);
    return part;
}

static void softmax_write(const float *x, int64_t columns, float scale, softmax_part whole, float *output) {
    vf factor = splat(1.0f / whole.sum);
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t count = columns - i < VL ? columns - i : VL;
        vf value = count == VL ? load(x + i) : load_part(x + i, count);
        value = exp_v(value * scale - whole.maximum) * factor;
        if (count == VL) store(output + i, value);
        else store_part(output + i, value, count);
    }
}
