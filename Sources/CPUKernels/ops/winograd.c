// Convolutions of 3x3 pixels by Winograd's F(2x2, 3x3) and F(4x4, 3x3). A task transforms the pixels of some tiles,
// multiplies each of their numbers with the weight's as a matrix product of its own, and transforms the products to
// outputs.
#include "convolve.h"

#include <string.h>

enum {
    MR = CONVOLUTION_MR,
    MOST_OUTPUTS = MOST_WINOGRAD_OUTPUTS * MOST_WINOGRAD_OUTPUTS,
    MOST_NUMBERS = MOST_WINOGRAD_SIDE * MOST_WINOGRAD_SIDE,
    /// Numbers of the tiles of a task, of each channel (measured): as many as stay in the second-level cache with what
    /// they are multiplied with, or, where so many channels do not, so many that the weight is read seldom. Fewer only
    /// to have work for all threads.
    TASK_NUMBERS = 48 * 36,
    TASK_NUMBERS_OF_MANY_CHANNELS = 192 * 36,
    MANY_CHANNELS = 320,
    LEAST_TASK_NUMBERS = 12 * 36,
    /// Of fewer channels transforming takes longer than it saves (measured).
    LEAST_CHANNELS = 32,
    /// The least number of pixels beyond four a large tile, and beyond two a small one: of fewer, reading a larger
    /// weight for one image takes longer than the products that it saves (measured: large tiles pay for 28x28 pixels,
    /// small ones for 14x14 and, of several images, for 7x7).
    LEAST_LARGE_GAIN = 200,
    LEAST_SMALL_GAIN = 16,
};

static int64_t side_of(const winograd_kernels *kernels) { return kernels->outputs + 2; }
static int64_t number_count(const winograd_kernels *kernels) { return side_of(kernels) * side_of(kernels); }

static const winograd_kernels *winograd_of(const convolution_kernels *kernels, cpuk_convolution_form form) {
    if (form == CPUK_CONVOLUTION_WINOGRAD_2) return kernels->small_winograd;
    return form == CPUK_CONVOLUTION_WINOGRAD_4 ? kernels->large_winograd : NULL;
}

int64_t winograd_number_count(const convolution_kernels *kernels, cpuk_convolution_form form) {
    const winograd_kernels *of = winograd_of(kernels, form);
    return of ? number_count(of) : 0;
}

static int64_t tile_count(const cpuk_window *w, int64_t outputs) {
    return divide_up(w->grid_height, outputs) * divide_up(w->grid_width, outputs);
}

cpuk_convolution_form winograd_form(const cpuk_window *w, int64_t outputs) {
    const bool is_possible = w->kernel_height == 3 && w->kernel_width == 3 && w->stride_y == 1 && w->stride_x == 1
        && w->dilation_y == 1 && w->dilation_x == 1 && w->channels >= LEAST_CHANNELS && outputs >= LEAST_CHANNELS;
    if (!is_possible) return CPUK_CONVOLUTION_NONE;
    // The number of images does not count, since a pixel's bits must not depend on it.
    const int64_t pixels = w->grid_height * w->grid_width;
    if (pixels >= 4 * tile_count(w, 4) + LEAST_LARGE_GAIN) return CPUK_CONVOLUTION_WINOGRAD_4;
    return pixels >= 2 * tile_count(w, 2) + LEAST_SMALL_GAIN ? CPUK_CONVOLUTION_WINOGRAD_2 : CPUK_CONVOLUTION_NONE;
}

static int64_t most_tiles(const winograd_kernels *kernels, const cpuk_window *w) {
    const int64_t numbers = w->channels < MANY_CHANNELS ? TASK_NUMBERS : TASK_NUMBERS_OF_MANY_CHANNELS;
    return at_most(numbers / number_count(kernels), tile_count(w, kernels->outputs) * w->images);
}

// ---- The weight

void winograd_pack_task(void *argument, int64_t panel, int worker) {
    const convolution_packing *packing = argument;
    const convolution_kernels *kernels = packing->context->convolution;
    const winograd_kernels *of = winograd_of(kernels, packing->form);
    const int64_t channels = packing->window->channels, first = panel * kernels->panel_outputs;
    const int64_t count = at_most(kernels->panel_outputs, packing->weight->rows - first);
    of->pack(
        convolution_rows(packing, first, count, worker), packing->weight->columns, count, channels,
        (float *)packing->packed + first * channels * number_count(of));
}

// ---- Tiles

/// Scratch of a thread: a pixel of zeros, the numbers of a task's tiles `[side^2, tiles, channels]`, and their
/// products with a panel `[side^2, tiles, panel_outputs]`.
typedef struct {
    float *zeros, *numbers, *products;
} winograd_scratch;

static const winograd_kernels *kernels_of(const convolution_job *job) {
    return winograd_of(job->context->convolution, job->args->form);
}

static int64_t zeros_bytes(const cpuk_window *w) { return line_bytes(w->channels * (int64_t)sizeof(float)); }
// A line more each, so that the numbers of a tile fall in different sets of the cache.
static int64_t numbers_stride(int64_t tiles, int64_t channels) { return tiles * channels + 16; }
static int64_t numbers_bytes(const winograd_kernels *kernels, int64_t tiles, int64_t channels) {
    return line_bytes(number_count(kernels) * numbers_stride(tiles, channels) * (int64_t)sizeof(float));
}

int64_t winograd_thread_bytes(
    const convolution_kernels *kernels, cpuk_convolution_form form, const cpuk_window *w) {
    const winograd_kernels *of = winograd_of(kernels, form);
    const int64_t tiles = most_tiles(of, w);
    return zeros_bytes(w) + numbers_bytes(of, tiles, w->channels) + numbers_bytes(of, tiles, kernels->panel_outputs);
}

static place tile_at(const winograd_kernels *kernels, const cpuk_window *w, int64_t tile) {
    return place_of(tile, divide_up(w->grid_height, kernels->outputs), divide_up(w->grid_width, kernels->outputs));
}

static void transform_pixels(
    const convolution_job *job, int64_t tile, const float *zeros, float *numbers, int64_t stride) {
    const cpuk_convolution_args *args = job->args;
    const cpuk_window *w = args->window;
    const winograd_kernels *kernels = kernels_of(job);
    const int64_t side = side_of(kernels);
    const place at = tile_at(kernels, w, tile);
    const float *pixels[MOST_NUMBERS];
    for (int64_t i = 0; i < side; i++)
        for (int64_t j = 0; j < side; j++) {
            const int64_t y = at.y * kernels->outputs - w->padding_y + i;
            const int64_t x = at.x * kernels->outputs - w->padding_x + j;
            const bool is_inside = y >= 0 && y < w->image_height && x >= 0 && x < w->image_width;
            pixels[i * side + j] = is_inside ? args->x.data + pixel_of(w, at.image, y, x) * args->x.stride : zeros;
        }
    kernels->transform_input(pixels, w->channels, numbers, stride);
}

static void transform_products(
    const convolution_job *job, int64_t tile, const float *products, int64_t stride, int64_t first, int64_t count) {
    const cpuk_convolution_args *args = job->args;
    const cpuk_window *w = args->window;
    const winograd_kernels *kernels = kernels_of(job);
    const int64_t outputs = kernels->outputs;
    const place at = tile_at(kernels, w, tile);
    float *targets[MOST_OUTPUTS];
    const float *residuals[MOST_OUTPUTS];
    for (int64_t i = 0; i < outputs; i++)
        for (int64_t j = 0; j < outputs; j++) {
            const int64_t y = at.y * outputs + i, x = at.x * outputs + j;
            const int64_t row = (at.image * w->grid_height + y) * w->grid_width + x;
            const bool is_inside = y < w->grid_height && x < w->grid_width;
            targets[i * outputs + j] = is_inside ? args->output.data + row * args->output.stride + first : NULL;
            residuals[i * outputs + j] =
                is_inside && args->residual.data ? args->residual.data + row * args->residual.stride + first : NULL;
        }
    kernels->transform_output(
        products, stride, count, &job->epilogue, first, targets, residuals, args->adds_residual_first);
}

static const float *panel_weights(const convolution_job *job, int64_t panel) {
    const int64_t first = panel * job->context->convolution->panel_outputs;
    return (const float *)job->args->packed + first * job->args->window->channels * number_count(kernels_of(job));
}

static void multiply_numbers(
    const convolution_job *job, int64_t tiles, const winograd_scratch *scratch, int64_t panel, int64_t next_panel) {
    const convolution_kernels *kernels = job->context->convolution;
    const int64_t channels = job->args->window->channels, groups = divide_up(tiles, MR);
    const int64_t width = panel_width(kernels, job->args->outputs, panel), count = channels * width;
    const float *weights = panel_weights(job, panel);
    const float *const after = next_panel < 0 ? NULL : panel_weights(job, next_panel);
    const int64_t numbers = number_count(kernels_of(job));
    for (int64_t p = 0; p < numbers; p++) {
        const read_ahead ahead = ahead_of(
            p + 1 < numbers ? weights + (p + 1) * count : after, count * (int64_t)sizeof(float), groups, channels);
        for (int64_t g = 0; g < groups; g++) {
            const index_range range = task_range(g, groups, tiles);
            const float *pixels[MR];
            for (int64_t t = 0; t < MR; t++)
                pixels[t] = scratch->numbers + p * numbers_stride(tiles, channels) + (range.begin + t) * channels;
            const convolution_tile tile = {
                .pixels = pixels, .taps = 1, .depth = channels, .rows = range.end - range.begin,
                .panel = weights + p * count, .outputs = width,
                .ahead = ahead.from + g * channels * ahead.bytes, .ahead_bytes = ahead.bytes,
                .target = {
                    .data = scratch->products + p * numbers_stride(tiles, kernels->panel_outputs)
                        + range.begin * kernels->panel_outputs,
                    .stride = kernels->panel_outputs}};
            kernels->multiply(&tile);
        }
    }
}

static void winograd_task(void *argument, int64_t task, int worker) {
    const convolution_job *job = argument;
    const cpuk_convolution_args *args = job->args;
    const convolution_kernels *kernels = job->context->convolution;
    const convolution_task part = convolution_task_at(job, task);
    const int64_t channels = args->window->channels, nr = kernels->panel_outputs;
    const int64_t tiles = part.places.end - part.places.begin;
    char *memory = convolution_scratch(job, worker);
    winograd_scratch scratch = {.zeros = (float *)memory};
    scratch.numbers = (float *)(memory + zeros_bytes(args->window));
    scratch.products = (float *)((char *)scratch.numbers + numbers_bytes(kernels_of(job), tiles, channels));
    memset(scratch.zeros, 0, (size_t)zeros_bytes(args->window));
    for (int64_t t = 0; t < tiles; t++)
        transform_pixels(
            job, part.places.begin + t, scratch.zeros, scratch.numbers + t * channels,
            numbers_stride(tiles, channels));
    for (int64_t panel = part.panels.begin; panel < part.panels.end; panel++) {
        const int64_t first = panel * nr, count = at_most(nr, args->outputs - first);
        multiply_numbers(job, tiles, &scratch, panel, panel_after(job, task, &part, panel));
        for (int64_t t = 0; t < tiles; t++)
            transform_products(
                job, part.places.begin + t, scratch.products + t * nr, numbers_stride(tiles, nr), first, count);
    }
}

void winograd(convolution_job *job) {
    const cpuk_window *w = job->args->window;
    const winograd_kernels *kernels = kernels_of(job);
    const int64_t numbers = number_count(kernels);
    job->places = w->images * tile_count(w, kernels->outputs);
    job->scratch_bytes = winograd_thread_bytes(job->context->convolution, job->args->form, w);
    cut_convolution(job, most_tiles(kernels, w), LEAST_TASK_NUMBERS / numbers, thread_count(job->context));
    const int64_t work = job->places * numbers * job->args->outputs * w->channels / 16;
    run_tasks(job->context->pool, winograd_task, job, convolution_task_count(job), work);
}
