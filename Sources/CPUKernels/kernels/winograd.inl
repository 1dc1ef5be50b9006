// Winograd's F(4x4, 3x3): 16 outputs of a 3x3 window from 36 products instead of 144. (Lavin and Gray, 2016, with the
// points 0, 1, -1, 2, -2 and infinity)
//
//     Y = transpose(A) [ (G g transpose(G)) * (transpose(B) d B) ] A
#pragma once
#include "convolution_epilogue.inl"

// G g: six numbers of three weights.
INLINE void winograd_weight(vf g0, vf g1, vf g2, vf *y, const int step) {
    const vf a = (g0 + g2) * (-1.0f / 6), b = g1 * (-1.0f / 6);
    const vf c = fma_v(splat(1.0f / 24), g0, g2 * (1.0f / 6)), e = g1 * (1.0f / 12);
    y[0] = g0 * 0.25f;
    y[step] = a + b;
    y[2 * step] = a - b;
    y[3 * step] = c + e;
    y[4 * step] = c - e;
    y[5 * step] = g2;
}

// Numbers of the weights of VL channels of a row, `[WINOGRAD_NUMBERS]` vectors `stride` apart.
INLINE void winograd_weights_of(const float *row, int64_t channels, int64_t lanes, float *to, int64_t stride) {
    vf lines[WINOGRAD_SIDE * 3], numbers[WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < 3; j++) {
        vf g[3];
        UNROLL for (int i = 0; i < 3; i++) g[i] = load_part(row + (i * 3 + j) * channels, lanes);
        winograd_weight(g[0], g[1], g[2], lines + j, 3);
    }
    UNROLL for (int i = 0; i < WINOGRAD_SIDE; i++) {
        winograd_weight(lines[i * 3], lines[i * 3 + 1], lines[i * 3 + 2], numbers, 1);
        UNROLL for (int j = 0; j < WINOGRAD_SIDE; j++) store(to + (i * WINOGRAD_SIDE + j) * stride, numbers[j]);
    }
}

static void winograd_pack_weights(
    const float *rows, int64_t stride, int64_t count, int64_t channels, float *panel) {
    const int64_t width = (count + VL - 1) / VL * VL;
    float numbers[WINOGRAD_NUMBERS * VL * VL];
    for (int64_t n = 0; n < width; n += VL)
        for (int64_t c = 0; c < channels; c += VL) {
            const int64_t lanes = channels - c < VL ? channels - c : VL;
            for (int64_t i = 0; i < VL; i++) {
                if (n + i < count) {
                    winograd_weights_of(rows + (n + i) * stride + c, channels, lanes, numbers + i * VL, VL * VL);
                } else {
                    for (int64_t p = 0; p < WINOGRAD_NUMBERS; p++) store(numbers + (p * VL + i) * VL, splat(0));
                }
            }
            for (int64_t p = 0; p < WINOGRAD_NUMBERS; p++) {
                vf square[VL];
                UNROLL for (int i = 0; i < VL; i++) square[i] = load(numbers + (p * VL + i) * VL);
                transpose(square);
                for (int64_t i = 0; i < lanes; i++) store(panel + (p * channels + c + i) * width + n, square[i]);
            }
        }
}

// transpose(B) d: six numbers of six pixels.
INLINE void winograd_input(vf d0, vf d1, vf d2, vf d3, vf d4, vf d5, vf *y, const int step) {
    const vf a = fma_v(splat(-4), d2, d4), b = fma_v(splat(-4), d1, d3), c = d4 - d2, e = (d3 - d1) * 2.0f;
    y[0] = fma_v(splat(4), d0, fma_v(splat(-5), d2, d4));
    y[step] = a + b;
    y[2 * step] = a - b;
    y[3 * step] = c + e;
    y[4 * step] = c - e;
    y[5 * step] = fma_v(splat(4), d1, fma_v(splat(-5), d3, d5));
}

// transpose(A) m: four outputs of six numbers.
INLINE void winograd_output(vf m0, vf m1, vf m2, vf m3, vf m4, vf m5, vf *y, const int step) {
    const vf a = m1 + m2, b = m1 - m2, c = m3 + m4, e = m3 - m4;
    y[0] = m0 + a + c;
    y[step] = fma_v(splat(2), e, b);
    y[2 * step] = fma_v(splat(4), c, a);
    y[3 * step] = fma_v(splat(8), e, b) + m5;
}

INLINE void transform_input_part(
    const float *const *pixels, int64_t c, const int64_t lanes, float *numbers, int64_t stride) {
    vf columns[WINOGRAD_NUMBERS], row[WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < WINOGRAD_SIDE; j++) {
        vf d[WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < WINOGRAD_SIDE; i++) {
            const float *from = pixels[i * WINOGRAD_SIDE + j] + c;
            d[i] = lanes == VL ? load(from) : load_part(from, lanes);
        }
        winograd_input(d[0], d[1], d[2], d[3], d[4], d[5], columns + j, WINOGRAD_SIDE);
    }
    UNROLL for (int i = 0; i < WINOGRAD_SIDE; i++) {
        const vf *d = columns + i * WINOGRAD_SIDE;
        winograd_input(d[0], d[1], d[2], d[3], d[4], d[5], row, 1);
        UNROLL for (int j = 0; j < WINOGRAD_SIDE; j++) {
            float *to = numbers + (i * WINOGRAD_SIDE + j) * stride + c;
            if (lanes == VL) store(to, row[j]);
            else store_part(to, row[j], lanes);
        }
    }
}

static void winograd_transform_input(
    const float *const *pixels, int64_t channels, float *numbers, int64_t stride) {
    int64_t c = 0;
    for (; c + VL <= channels; c += VL) transform_input_part(pixels, c, VL, numbers, stride);
    if (c < channels) transform_input_part(pixels, c, channels - c, numbers, stride);
}

// Sixteen outputs of one vector of channels.
INLINE void transform_output_part(const float *numbers, int64_t stride, vf outputs[16]) {
    vf columns[WINOGRAD_OUTPUTS * WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < WINOGRAD_SIDE; j++) {
        vf m[WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < WINOGRAD_SIDE; i++) m[i] = load(numbers + (i * WINOGRAD_SIDE + j) * stride);
        winograd_output(m[0], m[1], m[2], m[3], m[4], m[5], columns + j, WINOGRAD_SIDE);
    }
    UNROLL for (int i = 0; i < WINOGRAD_OUTPUTS; i++) {
        const vf *m = columns + i * WINOGRAD_SIDE;
        winograd_output(m[0], m[1], m[2], m[3], m[4], m[5], outputs + i * WINOGRAD_OUTPUTS, 1);
    }
}

INLINE void winograd_outputs_of(
    const int activation, const float *numbers, int64_t stride, int64_t count, const float *bias, float *const *targets,
    const float *const *residuals, bool adds_first) {
    for (int64_t n = 0; n < count; n += VL) {
        const int64_t lanes = count - n < VL ? count - n : VL;
        vf y[WINOGRAD_OUTPUTS * WINOGRAD_OUTPUTS];
        transform_output_part(numbers + n, stride, y);
        UNROLL for (int i = 0; i < WINOGRAD_OUTPUTS * WINOGRAD_OUTPUTS; i++) {
            if (!targets[i]) continue;
            const vf value = finish_vector(
                activation, y[i], bias ? bias + n : NULL, residuals[i] ? residuals[i] + n : NULL, adds_first, lanes);
            if (lanes == VL) store(targets[i] + n, value);
            else store_part(targets[i] + n, value, lanes);
        }
    }
}

// Other activations: the sums first, then row by row.
static void winograd_outputs_by_row(
    const float *numbers, int64_t stride, int64_t count, const epilogue *epilogue, int64_t first_output,
    float *const *targets, const float *const *residuals, bool adds_first) {
    enum { PIXELS = WINOGRAD_OUTPUTS * WINOGRAD_OUTPUTS };
    float rows[PIXELS * VL];
    for (int64_t n = 0; n < count; n += VL) {
        vf y[PIXELS];
        transform_output_part(numbers + n, stride, y);
        UNROLL for (int i = 0; i < PIXELS; i++) store(rows + i * VL, y[i]);
        for (int i = 0; i < PIXELS; i++) {
            if (!targets[i]) continue;
            const int64_t lanes = count - n < VL ? count - n : VL;
            const float *residual = residuals[i] ? residuals[i] + n : NULL;
            for (int64_t lane = 0; residual && adds_first && lane < lanes; lane++)
                rows[i * VL + lane] += residual[lane];
            apply_epilogue(
                epilogue, first_output + n, lanes, rows + i * VL, NULL, adds_first ? NULL : residual,
                targets[i] + n);
        }
    }
}

static void winograd_transform_output(
    const float *numbers, int64_t stride, int64_t outputs, const epilogue *epilogue, int64_t first_output,
    float *const *targets, const float *const *residuals, bool adds_first) {
    const float *bias = epilogue->bias ? epilogue->bias + first_output : NULL;
    switch (epilogue->activation) {
    case CPUK_IDENTITY:
        winograd_outputs_of(CPUK_IDENTITY, numbers, stride, outputs, bias, targets, residuals, adds_first);
        return;
    case CPUK_RELU:
        winograd_outputs_of(CPUK_RELU, numbers, stride, outputs, bias, targets, residuals, adds_first);
        return;
    default:
        winograd_outputs_by_row(numbers, stride, outputs, epilogue, first_output, targets, residuals, adds_first);
        return;
    }
}
