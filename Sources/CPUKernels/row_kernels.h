// Ops on one row at a time: norms, activations, softmax, lookup, rotation, conversion, selection.
#pragma once

// ---- Norms

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

// ---- Activations

INLINE void activate_row_of(const int activation, const float *x, float *output, int64_t columns) {
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) store(output + i, activate_v(activation, load(x + i)));
    if (i < columns) store_part(output + i, activate_v(activation, load_part(x + i, columns - i)), columns - i);
}

static void activate_row(cpuk_activation activation, const float *x, float *output, int64_t columns) {
    switch (activation) {
    case CPUK_IDENTITY: activate_row_of(CPUK_IDENTITY, x, output, columns); return;
    case CPUK_GELU_TANH: activate_row_of(CPUK_GELU_TANH, x, output, columns); return;
    case CPUK_GELU_ERF: activate_row_of(CPUK_GELU_ERF, x, output, columns); return;
    case CPUK_SILU: activate_row_of(CPUK_SILU, x, output, columns); return;
    case CPUK_RELU: activate_row_of(CPUK_RELU, x, output, columns); return;
    }
}

static void soft_cap_row(const float *x, float *output, int64_t columns, float cap) {
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) store(output + i, tanh_v(load(x + i) / cap) * cap);
    if (i < columns) store_part(output + i, tanh_v(load_part(x + i, columns - i) / cap) * cap, columns - i);
}

// ---- Softmax

// Where nothing but minus infinity was seen yet, exponents are taken from zero, so that they are zero and not NaN.
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

// ---- Lookup, rotation, conversion

INLINE void embed_row_of(
    const int format, const void *row, float scale, int64_t columns, bool accumulate, float *output) {
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t count = columns - i < VL ? columns - i : VL;
        vf value = count == VL ? load_as_float(format, row, i) : load_part_as_float(format, row, i, count);
        value *= scale;
        if (accumulate) value += count == VL ? load(output + i) : load_part(output + i, count);
        if (count == VL) store(output + i, value);
        else store_part(output + i, value, count);
    }
}

static void embed_row(
    cpuk_format format, const void *row, float scale, int64_t columns, bool accumulate, float *output) {
    switch (format) {
    case CPUK_F32: embed_row_of(CPUK_F32, row, scale, columns, accumulate, output); return;
    case CPUK_BF16: embed_row_of(CPUK_BF16, row, scale, columns, accumulate, output); return;
    case CPUK_F16: embed_row_of(CPUK_F16, row, scale, columns, accumulate, output); return;
    case CPUK_I8: embed_row_of(CPUK_I8, row, scale, columns, accumulate, output); return;
    case CPUK_Q8_0: embed_row_of(CPUK_Q8_0, row, scale, columns, accumulate, output); return;
    case CPUK_Q4_0: embed_row_of(CPUK_Q4_0, row, scale, columns, accumulate, output); return;
    case CPUK_Q4_1: embed_row_of(CPUK_Q4_1, row, scale, columns, accumulate, output); return;
    case CPUK_Q5_0: embed_row_of(CPUK_Q5_0, row, scale, columns, accumulate, output); return;
    case CPUK_Q5_1: embed_row_of(CPUK_Q5_1, row, scale, columns, accumulate, output); return;
    case CPUK_Q2_K: embed_row_of(CPUK_Q2_K, row, scale, columns, accumulate, output); return;
    case CPUK_Q3_K: embed_row_of(CPUK_Q3_K, row, scale, columns, accumulate, output); return;
    case CPUK_Q4_K: embed_row_of(CPUK_Q4_K, row, scale, columns, accumulate, output); return;
    case CPUK_Q5_K: embed_row_of(CPUK_Q5_K, row, scale, columns, accumulate, output); return;
    case CPUK_Q6_K: embed_row_of(CPUK_Q6_K, row, scale, columns, accumulate, output); return;
    case CPUK_IQ4_NL: embed_row_of(CPUK_IQ4_NL, row, scale, columns, accumulate, output); return;
    case CPUK_IQ4_XS: embed_row_of(CPUK_IQ4_XS, row, scale, columns, accumulate, output); return;
    default: return;
    }
}

static void weighted_sum_row(
    const float *x, int64_t stride, const float *weights, int64_t count, int64_t columns, const float *initial,
    float *output) {
    for (int64_t i = 0; i < columns; i += VL) {
        int64_t lanes = columns - i < VL ? columns - i : VL;
        vf sum = !initial ? splat(0) : lanes == VL ? load(initial + i) : load_part(initial + i, lanes);
        for (int64_t j = 0; j < count; j++) {
            const float *row = x + j * stride + i;
            sum = fma_v(lanes == VL ? load(row) : load_part(row, lanes), splat(weights[j]), sum);
        }
        if (lanes == VL) store(output + i, sum);
        else store_part(output + i, sum, lanes);
    }
}

static void rope_head(
    const float *x, int64_t head_size, const float *cosines, const float *sines, int64_t rotary_size,
    bool interleaved, float *output) {
    const int64_t pairs = rotary_size / 2;
    int64_t i = 0;
    if (interleaved) {
        for (; i < pairs; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            output[2 * i] = a * cosines[i] - b * sines[i];
            output[2 * i + 1] = b * cosines[i] + a * sines[i];
        }
    } else {
        for (; i + VL <= pairs; i += VL) {
            vf a = load(x + i), b = load(x + pairs + i), c = load(cosines + i), s = load(sines + i);
            store(output + i, a * c - b * s);
            store(output + pairs + i, b * c + a * s);
        }
        for (; i < pairs; i++) {
            float a = x[i], b = x[pairs + i];
            output[i] = a * cosines[i] - b * sines[i];
            output[pairs + i] = b * cosines[i] + a * sines[i];
        }
    }
    if (output != x)
        memcpy(output + rotary_size, x + rotary_size, (size_t)(head_size - rotary_size) * sizeof(float));
}

static void store_row(cpuk_format format, const float *x, int64_t count, void *output) {
    int64_t i = 0;
    switch (format) {
    case CPUK_BF16:
        for (; i + VL <= count; i += VL) store_from_float(CPUK_BF16, output, i, load(x + i));
        if (i < count) store_part_from_float(CPUK_BF16, output, i, load_part(x + i, count - i), count - i);
        return;
    case CPUK_F16:
        for (; i + VL <= count; i += VL) store_from_float(CPUK_F16, output, i, load(x + i));
        if (i < count) store_part_from_float(CPUK_F16, output, i, load_part(x + i, count - i), count - i);
        return;
    default: memcpy(output, x, (size_t)count * sizeof(float));
    }
}

// Rounds to the nearest level, ties to even: adding 1.5 * 2^23 leaves the integer in the low bits.
INLINE vb to_levels(vf x) {
    const vf magic = splat(12582912.0f);
    return __builtin_convertvector((vi)(x + magic) - (vi)magic, vb);
}

static float quantize_row(const float *x, int64_t count, int8_t *levels) {
    vf top = splat(0), nothing = splat(0);
    int64_t i = 0;
    for (; i < count; i += VL) {
        vf value = count - i >= VL ? load(x + i) : load_part(x + i, count - i);
        top = max_v(abs_v(value), top);
        nothing += value * 0.0f;
    }
    // A NaN or an infinity times zero is NaN.
    if (isnan(sum_lanes(nothing))) {
        memset(levels, 0, (size_t)count);
        return NAN;
    }
    const float largest = max_lanes(top);
    const float scale = largest < 0x1p-118f ? 0 : largest / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0;
    for (i = 0; i + VL <= count; i += VL) *(vb_any *)(levels + i) = to_levels(load(x + i) * inverse);
    if (i < count) {
        vb part = to_levels(load_part(x + i, count - i) * inverse);
        memcpy(levels + i, &part, (size_t)(count - i));
    }
    return scale;
}

// ---- Selection

static int64_t argmax(const float *x, int64_t columns) {
    vf best = splat(-INFINITY);
    vi best_at = splat_i(INT32_MAX), at = {0};
    for (int lane = 0; lane < VL; lane++) at[lane] = lane;
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) {
        vf value = load(x + i);
        // Minus infinity counts as found too, where nothing better was.
        vi better = (value > best) | ((value == best) & (best_at == INT32_MAX));
        best = select_v(better, value, best);
        best_at = (at & better) | (best_at & ~better);
        at += VL;
    }
    float top = -INFINITY;
    int64_t top_at = INT32_MAX;
    for (int lane = 0; lane < VL; lane++) {
        if (best_at[lane] == INT32_MAX) continue;
        if (best[lane] > top || (best[lane] == top && best_at[lane] < top_at)) {
            top = best[lane];
            top_at = best_at[lane];
        }
    }
    for (; i < columns; i++) {
        if (x[i] > top || (x[i] == top && top_at == INT32_MAX)) {
            top = x[i];
            top_at = i;
        }
    }
    return top_at == INT32_MAX ? 0 : top_at;
}

static int64_t top_k_scan(
    const float *x, int64_t columns, int64_t first, int64_t count, int64_t *heap, int64_t heap_count) {
    int64_t i = 0;
    while (i < columns && heap_count < count) {
        heap_push(heap, heap_count++, selection_key(x[i], first + i));
        i++;
    }
    while (i < columns) {
        // Skip whole vectors in which nothing is above the least of the best; an equal one has a higher column.
        float threshold = selection_value(heap[0]);
        if (i + VL <= columns && !isnan(threshold)) {
            vi above = load(x + i) > threshold;
            int32_t any = 0;
            for (int lane = 0; lane < VL; lane++) any |= above[lane];
            if (!any) {
                i += VL;
                continue;
            }
        }
        int64_t end = i + VL < columns ? i + VL : columns;
        for (; i < end; i++) {
            int64_t key = selection_key(x[i], first + i);
            if (key > heap[0]) heap_replace(heap, heap_count, key);
        }
    }
    return heap_count;
}
