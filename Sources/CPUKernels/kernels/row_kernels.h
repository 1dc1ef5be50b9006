// The interface of kernels that take one row at a time.
#pragma once
#include "matmul.h"

/// The result of a softmax over one chunk of columns: its maximum, and the sum of the weights relative to it.
typedef struct {
    float maximum, sum;
} softmax_part;

typedef struct {
    /// The epilogue for `count` outputs of one row. `up` is read only where gated; `residual` may be NULL or `output`.
    void (*apply_epilogue)(
        const epilogue *epilogue, int64_t n0, int64_t count, const float *y, const float *up, const float *residual,
        float *output);

    /// Run `row % groups` of row `row / groups`.
    void (*norm)(const cpuk_norm_args *args, int64_t row);
    void (*activate)(cpuk_activation activation, const float *x, float *output, int64_t columns);
    void (*soft_cap)(const float *x, float *output, int64_t columns, float cap);
    softmax_part (*softmax_reduce)(const float *x, int64_t columns, float scale);
    void (*softmax_write)(const float *x, int64_t columns, float scale, softmax_part whole, float *output);

    /// Copies or adds one row of a table times `scale`, dequantised.
    void (*embed)(
        cpuk_format format, const void *row, float scale, int64_t columns, bool accumulate, float *output);
    /// `output = initial + sum_j weights[j] x_j` of `count` rows `stride` apart; `initial` may be NULL or `output`.
    void (*weighted_sum)(
        const float *x, int64_t stride, const float *weights, int64_t count, int64_t columns, const float *initial,
        float *output);
    /// `output[t] += sum_j weights[t][j] x_j` of `count` rows `stride` numbers apart, which are CPUK_F32, CPUK_BF16 or
    /// CPUK_F16, for `tokens` rows of `output`. A row's bits do not depend on the others.
    void (*add_products)(
        cpuk_format format, const void *x, int64_t stride, const float *weights, int64_t weight_stride, int64_t count,
        int64_t columns, int64_t tokens, float *output, int64_t output_stride);
    /// Rotates a head; `output` may be `x`.
    void (*rope_head)(
        const float *x, int64_t head_size, const float *cosines, const float *sines, int64_t rotary_size,
        bool interleaved, float *output);
    /// Stores floats as CPUK_F32, CPUK_BF16 or CPUK_F16, rounded to nearest even.
    void (*store)(cpuk_format format, const float *x, int64_t count, void *output);
    /// Stores floats as quants of -127 to 127 and returns their scale, the largest magnitude over 127. The scale is 0
    /// for a row whose values are too small for one, and NaN for a row with a NaN or an infinity; quants are then 0.
    float (*quantise)(const float *x, int64_t count, int8_t *quants);

    /// One pixel of `channels` channels made of `count` others: `sum = initial + sum_j x_j weights_j` (`weights` NULL:
    /// all 1), then, with `ends`, `activation(bias + scale sum)`. `initial` may be NULL or `output`.
    void (*sum_pixels)(
        const float *const *x, const float *const *weights, int64_t count, const float *initial, bool ends, float scale,
        const float *bias, cpuk_activation activation, int64_t channels, float *output);
    /// The largest of `count` pixels in each channel, of `initial` too.
    void (*max_pixels)(
        const float *const *x, int64_t count, const float *initial, int64_t channels, float *output);

    /// The column of the largest element, the lowest on a tie; 0 where all are NaN.
    int64_t (*argmax)(const float *x, int64_t columns);
    /// Adds columns `0..<columns`, numbered from `first`, to a heap of the `count` best so far (top_k_heap.h).
    int64_t (*top_k_scan)(
        const float *x, int64_t columns, int64_t first, int64_t count, int64_t *heap, int64_t heap_count);
} row_kernels;
