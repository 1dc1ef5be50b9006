// The kernels over images: windows that slide over them, pooling, other sizes. Pixels are rows of channels.
#pragma once
#include "CPUTypes.h"

/// A window that slides over images of `channels` channels; see ImageWindow.
typedef struct {
    int64_t images, image_height, image_width, grid_height, grid_width, kernel_height, kernel_width;
    int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
    int64_t channels;
} cpuk_window;

/// Writes rows `first ..< first + rows` of the grid as rows of pixels, with zeros for the padding.
void cpuk_unfold(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, int64_t first, int64_t rows, cpuk_rows patches);
/// Sums for each pixel the windows that lie on it.
void cpuk_fold(
    cpuk_context *context, const cpuk_window *window, cpuk_rows patches, const float *bias, cpuk_activation activation,
    cpuk_rows output);
/// `weight` is `[taps, channels]`.
void cpuk_convolve_depthwise(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, const float *weight, const float *bias,
    cpuk_activation activation, cpuk_rows output);
void cpuk_max_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output);
/// The channels at most of maps that are quantised.
enum { CPUK_MOST_QUANTISED_CHANNELS = 4096 };
/// Maps that convolutions have quantised or will read in place of x and the output; NULL: floats.
void cpuk_max_pool_quantised(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, const void *quantised_x, cpuk_rows output,
    void *quantised_output);
void cpuk_average_pool(
    cpuk_context *context, const cpuk_window *window, bool counts_padding, cpuk_rows x, cpuk_rows output);
/// Of `window` only the images, the grid and the channels are used.
void cpuk_adaptive_average_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output);

/// Images of another size, or with pixels of channels; see ImageOps.
typedef struct {
    int64_t images, image_height, image_width;
    /// The output's size and channels.
    int64_t grid_height, grid_width, channels;
    cpuk_rows x, output;
} cpuk_image_args;
typedef enum {
    CPUK_NEAREST = 0,
    CPUK_BILINEAR = 1,
    CPUK_BILINEAR_ALIGNED = 2,
} cpuk_interpolation;
void cpuk_resize(cpuk_context *context, const cpuk_image_args *args, cpuk_interpolation interpolation);
/// One pixel becomes `factor` pixels in each direction.
void cpuk_pixel_shuffle(cpuk_context *context, const cpuk_image_args *args, int64_t factor);
/// Each of `rows` rows of `columns` is multiplied by the row of `scales` of its image, of which there are `images`.
typedef struct {
    int64_t images, rows, columns;
    cpuk_rows x, scales, output;
} cpuk_scale_channels_args;
void cpuk_scale_channels(cpuk_context *context, const cpuk_scale_channels_args *args);

/// See localResponseNorm in Swift.
typedef struct {
    int64_t rows, columns, size;
    cpuk_rows x, output;
    float alpha, beta, k;
} cpuk_local_norm_args;
void cpuk_local_response_norm(cpuk_context *context, const cpuk_local_norm_args *args);

/// See responseGains in Swift.
typedef struct {
    int64_t rows, columns, pixels;
    cpuk_rows squares, output;
    const float *weight;
    float epsilon;
} cpuk_response_gains_args;
void cpuk_response_gains(cpuk_context *context, const cpuk_response_gains_args *args);
