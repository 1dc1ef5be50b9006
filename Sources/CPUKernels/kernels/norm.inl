// RMS norm and layer norm of a row, with the residual added before.
#pragma once
#include "../include/CPUKernels.h"
#include "../simd/vector.h"
#include <math.h>

INLINE vf norm_input(const float *x, const float *residual, int64_t i, int64_t count) {
    if (count == VL) return residual ? load(x + i) + load(residual + i) : load(x + i);
    return residual ? load_part(x + i, count) + load_part(residual + i, count) : load_part(x + i, count);
}

// Sum (or sum of squares about `mean`) of a row.
INLINE float reduce_row(const float *x, const float *residual, int64_t columns, const bool squares, float mean) {
    vf sums[4] = {splat(0), splat(0), splat(0), splat(0)};
    int64_t i = 0;
    for (; i + 4 * VL <= columns; i += 4 * VL) {
        UNROLL for (int u = 0; u < 4; u++) {
            vf value = norm_input(x, residual, i + u * VL, VL) - mean;
            sums[u] = squares ? fma_v(value, value, sums[u]) : sums[u] + value;
        }
    }
    for (; i + VL <= columns; i += VL) {
        vf value = norm_input(x, residual, i, VL) - mean;
        sums[0] = squares ? fma_v(value, value, sums[0]) : sums[0] + value;
    }
    float total = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < columns; i++) {
        float value = x[i] + (residual ? residual[i] : 0) - mean;
        total += squares ? value * value : value;
    }
    return total;
}

static void norm_row(const cpuk_norm_args *args, int64_t index) {
    const int64_t columns = args->columns, row = index / args->groups, first = index % args->groups * columns;
    const float *x = args->x.data + row * args->x.stride + first;
    const float *residual = args->residual.data ? args->residual.data + row * args->residual.stride + first : NULL;
    const float *weight = args->weight + first, *bias = args->bias ? args->bias + first : NULL;
    float *output = args->output.data + row * args->output.stride + first;
    if (args->sum.data) {
        float *sum = args->sum.data + row * args->sum.stride + first;
        if (residual || sum != x) {
            int64_t i = 0;
            for (; i + VL <= columns; i += VL) store(sum + i, norm_input(x, residual, i, VL));
            if (i < columns) store_part(sum + i, norm_input(x, residual, i, columns - i), columns - i);
        }
        x = sum;
        residual = NULL;
    }
    float mean = args->centered ? reduce_row(x, residual, columns, false, 0) / (float)columns : 0;
    float variance = reduce_row(x, residual, columns, true, mean) / (float)columns;
    vf factor = splat(1.0f / sqrtf(variance + args->epsilon));
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t count = columns - i < VL ? columns - i : VL;
        vf value = (norm_input(x, residual, i, count) - mean) * factor;
        value *= count == VL ? load(weight + i) : load_part(weight + i, count);
        if (bias) value += count == VL ? load(bias + i) : load_part(bias + i, count);
        if (count == VL) store(output + i, value);
        else store_part(output + i, value, count);
    }
}
