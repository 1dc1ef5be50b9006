// The interface of convolutions: products of windows with packed weights, the pixels being read where they lie
// (implicit GEMM), and Winograd's transforms.
//
//     Y [pixels, N] = sum of taps k: X [pixel under tap k, C] * transpose(W [N, k, C])
//
// A tile is up to MR pixels of the output and a panel of up to NR channels. Drivers (ops/convolve.c) find the pixels
// under each tap and split the work over threads.
#pragma once
#include "matmul.h"

enum {
    /// MR: pixels of a tile at most.
    CONVOLUTION_MR = 6,
    /// The most outputs of a tile of Winograd's, and numbers of a transformed one, in each direction.
    MOST_WINOGRAD_OUTPUTS = 4,
    MOST_WINOGRAD_SIDE = MOST_WINOGRAD_OUTPUTS + 2,
};

/// A tile of products. The sum over `taps` runs of `depth` channels each, in that order.
typedef struct {
    /// The run of tap k of pixel t is `pixels[k * CONVOLUTION_MR + t] + offset`.
    const float *const *pixels;
    int64_t offset, taps, depth;
    /// Pixels, 1 to MR.
    int64_t rows;
    /// As many of the tile that follows, whose channels are prefetched; NULL: none are.
    const float *const *next_pixels;
    /// `[taps * depth, outputs]`, padded to whole vectors.
    const float *panel;
    /// Channels of the panel.
    int64_t outputs;
    /// What is multiplied next, and how many bytes of it are prefetched in each step, a channel of a tap.
    const char *ahead;
    int64_t ahead_bytes;
    /// Sums of the taps before and for those to come, `[rows, panel_outputs]`; NULL: there are none.
    const float *before;
    float *after;
    /// Where nothing comes after: the epilogue (NULL: none), the number of the panel's first channel, and the target.
    const epilogue *epilogue;
    int64_t first_output;
    product_target target;
} convolution_tile;

/// Winograd's F(m x m, 3x3): m outputs in each direction of products of `side`^2 numbers, `side` being m + 2. (Lavin
/// and Gray, 2016)
typedef struct winograd_kernels {
    /// m.
    int64_t outputs;
    /// Packs up to NR rows of 3x3 weights of `channels` as `[side^2, channels, rows]`, padded to whole vectors.
    void (*pack)(const float *rows, int64_t stride, int64_t count, int64_t channels, float *panel);
    /// `numbers[p * stride + c]` of the pixels of a tile, side^2 rows of `channels`.
    void (*transform_input)(const float *const *pixels, int64_t channels, float *numbers, int64_t stride);
    /// Outputs of a tile from `numbers[p * stride + n]`, with the epilogue. `targets` and `residuals` have a row for
    /// each of the m^2 pixels; where a target is NULL there is no such pixel.
    void (*transform_output)(
        const float *numbers, int64_t stride, int64_t outputs, const epilogue *epilogue, int64_t first_output,
        float *const *targets, const float *const *residuals, bool adds_residual_first);
} winograd_kernels;

typedef struct {
    /// NR: channels of a panel; the last panel has what is left, padded to whole vectors of `vector` channels.
    int64_t panel_outputs, vector;
    /// Packs up to NR rows of `columns` floats as a panel: the rows' numbers side by side for each column.
    void (*pack)(const float *rows, int64_t stride, int64_t count, int64_t columns, float *panel);
    void (*multiply)(const convolution_tile *tile);
    /// Of tiles of few outputs, for small maps, and of many.
    const struct winograd_kernels *small_winograd, *large_winograd;
} convolution_kernels;

/// What a quantised pixel begins with, before quants of one or two bytes; a quant q of it stands for
/// `scale * (q - (offset & 128))`. All zeros: padding.
typedef struct {
    float scale;
    /// All bits where numbers of the pixel are negative, else none.
    int32_t offset;
    int64_t unused;
} quantised_pixel;

/// A tile of products of quantised pixels.
typedef struct {
    /// The tile as above, whose pixels are quantised ones. Nothing comes before or after.
    convolution_tile tile;
    /// The target is in the first-level cache.
    bool is_kept;
    /// A residual of quantised pixels, added before the activation; NULL: none. The quants of the tile's outputs are
    /// `residual_at` bytes behind the begin of each pixel.
    const char *residual;
    int64_t residual_at, residual_stride;
} convolution_int8_tile;

/// Convolutions with activations quantised to 8 bits and weights in CPUK_I8.
typedef struct {
    /// NR: channels of a panel; the last panel has what is left, padded to whole vectors of `vector` channels.
    int64_t panel_outputs, vector;
    /// Bytes of a quant, and channels that are multiplied at a time.
    int64_t quant_bytes, step;
    int64_t (*pixel_bytes)(int64_t channels);
    /// Quantises `count` rows of numbers, `stride` apart, to pixels behind one another. `is_positive`: none is
    /// negative.
    void (*quantise)(
        const float *x, int64_t stride, int64_t count, bool is_positive, int64_t channels, char *pixels);
    /// The largest number of each channel of `count` quantised pixels and, where `goes_on`, of y, which is padded to
    /// whole vectors.
    void (*max_pixels)(const char *const *pixels, int64_t count, bool goes_on, int64_t channels, float *y);
    int64_t (*panel_bytes)(int64_t taps, int64_t channels, int64_t outputs);
    /// Packs rows of `taps * channels` integers and their scales.
    void (*pack)(
        const int8_t *const *rows, const float *scales, int64_t count, int64_t taps, int64_t channels, void *panel);
    void (*multiply)(const convolution_int8_tile *tile);
} convolution_int8_kernels;
