// Winograd's F(4x4, 3x3), 16 outputs of a 3x3 window from 36 products instead of 144, and F(2x2, 3x3), 4 from 16
// instead of 36. (Lavin and Gray, 2016, with the points 0, 1, -1, infinity and, of the larger one, 2 and -2)
//
//     Y = transpose(A) [ (G g transpose(G)) * (transpose(B) d B) ] A
//
// M is the number of outputs in each direction, 2 or 4.
#pragma once
#include "convolution_epilogue.inl"

enum {
    MOST_WINOGRAD_NUMBERS = MOST_WINOGRAD_SIDE * MOST_WINOGRAD_SIDE,
    MOST_WINOGRAD_PIXELS = MOST_WINOGRAD_OUTPUTS * MOST_WINOGRAD_OUTPUTS,
};

// G g: M + 2 numbers of three weights.
INLINE void winograd_weight(const int M, vf g0, vf g1, vf g2, vf *y, const int step) {
    if (M == 2) {
        const vf a = (g0 + g2) * 0.5f, b = g1 * 0.5f;
        y[0] = g0;
        y[step] = a + b;
        y[2 * step] = a - b;
        y[3 * step] = g2;
        return;
    }
    const vf a = (g0 + g2) * (-1.0f / 6), b = g1 * (-1.0f / 6);
    const vf c = fma_v(splat(1.0f / 24), g0, g2 * (1.0f / 6)), e = g1 * (1.0f / 12);
    y[0] = g0 * 0.25f;
    y[step] = a + b;
    y[2 * step] = a - b;
    y[3 * step] = c + e;
    y[4 * step] = c - e;
    y[5 * step] = g2;
}

// transpose(B) d: M + 2 numbers of as many pixels.
INLINE void winograd_input(const int M, const vf *d, vf *y, const int step) {
    if (M == 2) {
        y[0] = d[0] - d[2];
        y[step] = d[1] + d[2];
        y[2 * step] = d[2] - d[1];
        y[3 * step] = d[1] - d[3];
        return;
    }
    const vf a = fma_v(splat(-4), d[2], d[4]), b = fma_v(splat(-4), d[1], d[3]);
    const vf c = d[4] - d[2], e = (d[3] - d[1]) * 2.0f;
    y[0] = fma_v(splat(4), d[0], fma_v(splat(-5), d[2], d[4]));
    y[step] = a + b;
    y[2 * step] = a - b;
    y[3 * step] = c + e;
    y[4 * step] = c - e;
    y[5 * step] = fma_v(splat(4), d[1], fma_v(splat(-5), d[3], d[5]));
}

// transpose(A) m: M outputs of M + 2 numbers.
INLINE void winograd_output(const int M, const vf *m, vf *y, const int step) {
    if (M == 2) {
        y[0] = m[0] + m[1] + m[2];
        y[step] = m[1] - m[2] - m[3];
        return;
    }
    const vf a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];
    y[0] = m[0] + a + c;
    y[step] = fma_v(splat(2), e, b);
    y[2 * step] = fma_v(splat(4), c, a);
    y[3 * step] = fma_v(splat(8), e, b) + m[5];
}

// Numbers of the weights of VL channels of a row, (M + 2)^2 vectors `stride` apart.
INLINE void winograd_weights_of(
    const int M, const float *row, int64_t channels, int64_t lanes, float *to, int64_t stride) {
    const int side = M + 2;
    vf lines[MOST_WINOGRAD_SIDE * 3], numbers[MOST_WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < 3; j++) {
        vf g[3];
        UNROLL for (int i = 0; i < 3; i++) g[i] = load_part(row + (i * 3 + j) * channels, lanes);
        winograd_weight(M, g[0], g[1], g[2], lines + j, 3);
    }
    UNROLL for (int i = 0; i < side; i++) {
        winograd_weight(M, lines[i * 3], lines[i * 3 + 1], lines[i * 3 + 2], numbers, 1);
        UNROLL for (int j = 0; j < side; j++) store(to + (i * side + j) * stride, numbers[j]);
    }
}

INLINE void winograd_pack_weights(
    const int M, const float *rows, int64_t stride, int64_t count, int64_t channels, float *panel) {
    const int64_t width = (count + VL - 1) / VL * VL, number_count = (M + 2) * (M + 2);
    float numbers[MOST_WINOGRAD_NUMBERS * VL * VL];
    for (int64_t n = 0; n < width; n += VL)
        for (int64_t c = 0; c < channels; c += VL) {
            const int64_t lanes = channels - c < VL ? channels - c : VL;
            for (int64_t i = 0; i < VL; i++) {
                if (n + i < count) {
                    winograd_weights_of(M, rows + (n + i) * stride + c, channels, lanes, numbers + i * VL, VL * VL);
                } else {
                    for (int64_t p = 0; p < number_count; p++) store(numbers + (p * VL + i) * VL, splat(0));
                }
            }
            for (int64_t p = 0; p < number_count; p++) {
                vf square[VL];
                UNROLL for (int i = 0; i < VL; i++) square[i] = load(numbers + (p * VL + i) * VL);
                transpose(square);
                for (int64_t i = 0; i < lanes; i++) store(panel + (p * channels + c + i) * width + n, square[i]);
            }
        }
}

INLINE void transform_input_part(
    const int M, const float *const *pixels, int64_t c, const int64_t lanes, float *numbers, int64_t stride) {
    const int side = M + 2;
    vf columns[MOST_WINOGRAD_NUMBERS], row[MOST_WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < side; j++) {
        vf d[MOST_WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < side; i++) {
            const float *from = pixels[i * side + j] + c;
            d[i] = lanes == VL ? load(from) : load_part(from, lanes);
        }
        winograd_input(M, d, columns + j, side);
    }
    UNROLL for (int i = 0; i < side; i++) {
        winograd_input(M, columns + i * side, row, 1);
        UNROLL for (int j = 0; j < side; j++) {
            float *to = numbers + (i * side + j) * stride + c;
            if (lanes == VL) store(to, row[j]);
            else store_part(to, row[j], lanes);
        }
    }
}

INLINE void winograd_transform_input(
    const int M, const float *const *pixels, int64_t channels, float *numbers, int64_t stride) {
    int64_t c = 0;
    for (; c + VL <= channels; c += VL) transform_input_part(M, pixels, c, VL, numbers, stride);
    if (c < channels) transform_input_part(M, pixels, c, channels - c, numbers, stride);
}

// The M^2 outputs of one vector of channels.
INLINE void transform_output_part(const int M, const float *numbers, int64_t stride, vf *outputs) {
    const int side = M + 2;
    vf columns[MOST_WINOGRAD_OUTPUTS * MOST_WINOGRAD_SIDE];
    UNROLL for (int j = 0; j < side; j++) {
        vf m[MOST_WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < side; i++) m[i] = load(numbers + (i * side + j) * stride);
        winograd_output(M, m, columns + j, side);
    }
    UNROLL for (int i = 0; i < M; i++) winograd_output(M, columns + i * side, outputs + i * M, 1);
}

INLINE void winograd_outputs_of(
    const int M, const int activation, const float *numbers, int64_t stride, int64_t count, const float *bias,
    float *const *targets, const float *const *residuals, bool adds_first) {
    for (int64_t n = 0; n < count; n += VL) {
        const int64_t lanes = count - n < VL ? count - n : VL;
        vf y[MOST_WINOGRAD_PIXELS];
        transform_output_part(M, numbers + n, stride, y);
        UNROLL for (int i = 0; i < M * M; i++) {
            if (!targets[i]) continue;
            const vf value = finish_vector(
                activation, y[i], bias ? bias + n : NULL, residuals[i] ? residuals[i] + n : NULL, adds_first, lanes);
            if (lanes == VL) store(targets[i] + n, value);
            else store_part(targets[i] + n, value, lanes);
        }
    }
}

// Other activations: the sums first, then row by row.
INLINE void winograd_outputs_by_row(
    const int M, const float *numbers, int64_t stride, int64_t count, const epilogue *epilogue, int64_t first_output,
    float *const *targets, const float *const *residuals, bool adds_first) {
    float rows[MOST_WINOGRAD_PIXELS * VL];
    for (int64_t n = 0; n < count; n += VL) {
        vf y[MOST_WINOGRAD_PIXELS];
        transform_output_part(M, numbers + n, stride, y);
        UNROLL for (int i = 0; i < M * M; i++) store(rows + i * VL, y[i]);
        for (int i = 0; i < M * M; i++) {
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

INLINE void winograd_transform_output(
    const int M, const float *numbers, int64_t stride, int64_t outputs, const epilogue *epilogue, int64_t first_output,
    float *const *targets, const float *const *residuals, bool adds_first) {
    const float *bias = epilogue->bias ? epilogue->bias + first_output : NULL;
    switch (epilogue->activation) {
    case CPUK_IDENTITY:
        winograd_outputs_of(M, CPUK_IDENTITY, numbers, stride, outputs, bias, targets, residuals, adds_first);
        return;
    case CPUK_RELU:
        winograd_outputs_of(M, CPUK_RELU, numbers, stride, outputs, bias, targets, residuals, adds_first);
        return;
    default:
        winograd_outputs_by_row(M, numbers, stride, outputs, epilogue, first_output, targets, residuals, adds_first);
        return;
    }
}

#define WINOGRAD(M)                                                                                                   \
    static void winograd_pack_weights_##M(                                                                            \
        const float *rows, int64_t stride, int64_t count, int64_t channels, float *panel) {                           \
        winograd_pack_weights(M, rows, stride, count, channels, panel);                                               \
    }                                                                                                                 \
    static void winograd_transform_input_##M(                                                                         \
        const float *const *pixels, int64_t channels, float *numbers, int64_t stride) {                               \
        winograd_transform_input(M, pixels, channels, numbers, stride);                                               \
    }                                                                                                                 \
    static void winograd_transform_output_##M(                                                                        \
        const float *numbers, int64_t stride, int64_t outputs, const epilogue *epilogue, int64_t first_output,        \
        float *const *targets, const float *const *residuals, bool adds_first) {                                      \
        winograd_transform_output(                                                                                    \
            M, numbers, stride, outputs, epilogue, first_output, targets, residuals, adds_first);                     \
    }                                                                                                                 \
    static const winograd_kernels winograd_##M = {                                                                    \
        .outputs = M, .pack = winograd_pack_weights_##M, .transform_input = winograd_transform_input_##M,             \
        .transform_output = winograd_transform_output_##M};
WINOGRAD(2)
WINOGRAD(4)
#undef WINOGRAD
