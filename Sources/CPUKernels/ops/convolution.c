// Windows that slide over images: unfolding, folding, depthwise convolutions and pooling. Tasks are rows of the output.
#include "row_job.h"

#include <string.h>

typedef struct {
    const cpuk_window *window;
    cpuk_rows x, output;
    int64_t first;
    const float *weight, *bias;
    cpuk_activation activation;
    bool counts_padding;
} window_args;

/// A place in the grid or in an image.
typedef struct {
    int64_t image, y, x;
} place;

static place place_of(int64_t row, int64_t height, int64_t width) {
    return (place){row / (height * width), row / width % height, row % width};
}

/// The taps `begin ..< end` of `count`, `dilation` apart from `origin` on, that lie in `0 ..< size`.
static index_range inner_taps(int64_t origin, int64_t count, int64_t dilation, int64_t size) {
    index_range taps = {origin < 0 ? divide_up(-origin, dilation) : 0, 0};
    taps.end = origin >= size ? 0 : at_most(count, divide_up(size - origin, dilation));
    if (taps.begin > taps.end) taps.begin = taps.end;
    return taps;
}

// ---- Unfold

static void copy_window(const window_args *args, int64_t row, float *patch) {
    const cpuk_window *w = args->window;
    const place at = place_of(args->first + row, w->grid_height, w->grid_width);
    const int64_t top = at.y * w->stride_y - w->padding_y, left = at.x * w->stride_x - w->padding_x;
    const int64_t line = w->kernel_width * w->channels;
    const index_range columns = inner_taps(left, w->kernel_width, w->dilation_x, w->image_width);
    const size_t pixel = (size_t)w->channels * sizeof(float);
    for (int64_t i = 0; i < w->kernel_height; i++, patch += line) {
        const int64_t y = top + i * w->dilation_y;
        if (y < 0 || y >= w->image_height || columns.begin >= columns.end) {
            memset(patch, 0, (size_t)line * sizeof(float));
            continue;
        }
        memset(patch, 0, (size_t)columns.begin * pixel);
        memset(patch + columns.end * w->channels, 0, (size_t)(w->kernel_width - columns.end) * pixel);
        const float *source = args->x.data
                              + ((at.image * w->image_height + y) * w->image_width + left
                                 + columns.begin * w->dilation_x) * args->x.stride;
        float *target = patch + columns.begin * w->channels;
        const int64_t count = columns.end - columns.begin;
        if (w->dilation_x == 1 && args->x.stride == w->channels) {
            memcpy(target, source, (size_t)count * pixel);
            continue;
        }
        for (int64_t j = 0; j < count; j++)
            memcpy(target + j * w->channels, source + j * w->dilation_x * args->x.stride, pixel);
    }
}

static void unfold_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    FOR_EACH_ROW(job, task, row) copy_window(args, row, args->output.data + row * args->output.stride);
}

void cpuk_unfold(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, int64_t first, int64_t rows, cpuk_rows patches) {
    const window_args args = {.window = window, .x = x, .output = patches, .first = first};
    run_rows(context, unfold_task, &args, rows, window->kernel_height * window->kernel_width * window->channels * 8);
}

// ---- Sums of pixels

enum { MAX_TAPS = 64 };

/// Pixels that are summed, or the largest of which is taken, some at a time.
typedef struct {
    const float *pixels[MAX_TAPS], *weights[MAX_TAPS];
    int64_t count;
    bool is_begun;
} tap_list;

typedef struct {
    const cpuk_context *context;
    const float *bias;
    cpuk_activation activation;
    int64_t channels;
    float *output;
} tap_sum;

static void flush_sum(tap_list *taps, const tap_sum *sum, bool has_weights, bool ends, float scale) {
    sum->context->rows->sum_pixels(
        taps->pixels, has_weights ? taps->weights : NULL, taps->count, taps->is_begun ? sum->output : NULL, ends, scale,
        sum->bias, sum->activation, sum->channels, sum->output);
    taps->is_begun = true;
    taps->count = 0;
}

static void add_tap(tap_list *taps, const tap_sum *sum, const float *pixel, const float *weight) {
    if (taps->count == MAX_TAPS) flush_sum(taps, sum, weight != NULL, false, 1);
    taps->pixels[taps->count] = pixel;
    taps->weights[taps->count++] = weight;
}

static void depthwise_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    const cpuk_window *w = args->window;
    FOR_EACH_ROW(job, task, row) {
        const place at = place_of(row, w->grid_height, w->grid_width);
        const int64_t top = at.y * w->stride_y - w->padding_y, left = at.x * w->stride_x - w->padding_x;
        const index_range lines = inner_taps(top, w->kernel_height, w->dilation_y, w->image_height);
        const index_range columns = inner_taps(left, w->kernel_width, w->dilation_x, w->image_width);
        const tap_sum sum = {
            job->context, args->bias, args->activation, w->channels, args->output.data + row * args->output.stride};
        tap_list taps = {.count = 0};
        for (int64_t i = lines.begin; i < lines.end; i++)
            for (int64_t j = columns.begin; j < columns.end; j++) {
                const int64_t pixel = (at.image * w->image_height + top + i * w->dilation_y) * w->image_width + left
                                      + j * w->dilation_x;
                add_tap(
                    &taps, &sum, args->x.data + pixel * args->x.stride,
                    args->weight + (i * w->kernel_width + j) * w->channels);
            }
        flush_sum(&taps, &sum, true, true, 1);
    }
}

void cpuk_convolve_depthwise(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, const float *weight, const float *bias,
    cpuk_activation activation, cpuk_rows output) {
    const window_args args = {
        .window = window, .x = x, .output = output, .weight = weight, .bias = bias, .activation = activation};
    run_rows(
        context, depthwise_task, &args, window->images * window->grid_height * window->grid_width,
        window->kernel_height * window->kernel_width * window->channels * 8);
}

/// The windows `begin ..< end` of `grid` whose taps may lie on `position`, and the tap of the first one.
static void windows_over(int64_t position, int64_t stride, int64_t reach, int64_t grid, index_range *windows) {
    // Window g covers g * stride ..< g * stride + reach, counted with the padding.
    windows->begin = position < reach ? 0 : (position - reach) / stride + 1;
    windows->end = at_most(grid, position / stride + 1);
}

static void fold_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    const cpuk_window *w = args->window;
    FOR_EACH_ROW(job, task, row) {
        const place at = place_of(row, w->image_height, w->image_width);
        const int64_t y = at.y + w->padding_y, x = at.x + w->padding_x;
        const tap_sum sum = {
            job->context, args->bias, args->activation, w->channels, args->output.data + row * args->output.stride};
        tap_list taps = {.count = 0};
        index_range lines, columns;
        windows_over(y, w->stride_y, (w->kernel_height - 1) * w->dilation_y + 1, w->grid_height, &lines);
        windows_over(x, w->stride_x, (w->kernel_width - 1) * w->dilation_x + 1, w->grid_width, &columns);
        for (int64_t gy = lines.begin; gy < lines.end; gy++) {
            const int64_t dy = y - gy * w->stride_y;
            if (dy % w->dilation_y) continue;
            for (int64_t gx = columns.begin; gx < columns.end; gx++) {
                const int64_t dx = x - gx * w->stride_x;
                if (dx % w->dilation_x) continue;
                const int64_t window = (at.image * w->grid_height + gy) * w->grid_width + gx;
                const int64_t tap = dy / w->dilation_y * w->kernel_width + dx / w->dilation_x;
                add_tap(&taps, &sum, args->x.data + window * args->x.stride + tap * w->channels, NULL);
            }
        }
        flush_sum(&taps, &sum, false, true, 1);
    }
}

void cpuk_fold(
    cpuk_context *context, const cpuk_window *window, cpuk_rows patches, const float *bias, cpuk_activation activation,
    cpuk_rows output) {
    const window_args args = {
        .window = window, .x = patches, .output = output, .bias = bias, .activation = activation};
    const int64_t taps = window->kernel_height * window->kernel_width;
    run_rows(
        context, fold_task, &args, window->images * window->image_height * window->image_width,
        divide_up(taps, window->stride_y * window->stride_x) * window->channels * 8);
}

// ---- Pooling

static int64_t pixel_of(const cpuk_window *w, int64_t image, int64_t y, int64_t x) {
    return (image * w->image_height + y) * w->image_width + x;
}

static void max_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    const cpuk_window *w = args->window;
    FOR_EACH_ROW(job, task, row) {
        const place at = place_of(row, w->grid_height, w->grid_width);
        const int64_t top = at.y * w->stride_y - w->padding_y, left = at.x * w->stride_x - w->padding_x;
        const index_range lines = inner_taps(top, w->kernel_height, w->dilation_y, w->image_height);
        const index_range columns = inner_taps(left, w->kernel_width, w->dilation_x, w->image_width);
        float *output = args->output.data + row * args->output.stride;
        tap_list taps = {.count = 0};
        for (int64_t i = lines.begin; i < lines.end; i++)
            for (int64_t j = columns.begin; j < columns.end; j++) {
                if (taps.count == MAX_TAPS) {
                    job->context->rows->max_pixels(
                        taps.pixels, taps.count, taps.is_begun ? output : NULL, w->channels, output);
                    taps.is_begun = true;
                    taps.count = 0;
                }
                taps.pixels[taps.count++] =
                    args->x.data
                    + pixel_of(w, at.image, top + i * w->dilation_y, left + j * w->dilation_x) * args->x.stride;
            }
        if (taps.count > 0)
            job->context->rows->max_pixels(
                taps.pixels, taps.count, taps.is_begun ? output : NULL, w->channels, output);
    }
}

void cpuk_max_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output};
    run_rows(
        context, max_task, &args, window->images * window->grid_height * window->grid_width,
        window->kernel_height * window->kernel_width * window->channels * 4);
}

static void average_part(
    const row_job *job, const window_args *args, int64_t row, int64_t image, index_range lines, index_range columns,
    int64_t divisor) {
    const cpuk_window *w = args->window;
    const tap_sum sum = {
        job->context, NULL, CPUK_IDENTITY, w->channels, args->output.data + row * args->output.stride};
    tap_list taps = {.count = 0};
    for (int64_t y = lines.begin; y < lines.end; y++)
        for (int64_t x = columns.begin; x < columns.end; x++)
            add_tap(&taps, &sum, args->x.data + pixel_of(w, image, y, x) * args->x.stride, NULL);
    flush_sum(&taps, &sum, false, true, 1.0f / (float)divisor);
}

static void average_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    const cpuk_window *w = args->window;
    FOR_EACH_ROW(job, task, row) {
        const place at = place_of(row, w->grid_height, w->grid_width);
        const int64_t top = at.y * w->stride_y - w->padding_y, left = at.x * w->stride_x - w->padding_x;
        const int64_t bottom = at_most(top + w->kernel_height, w->image_height + w->padding_y);
        const int64_t right = at_most(left + w->kernel_width, w->image_width + w->padding_x);
        const index_range lines = {at_least(top, 0), at_most(bottom, w->image_height)};
        const index_range columns = {at_least(left, 0), at_most(right, w->image_width)};
        const int64_t all = (bottom - top) * (right - left);
        const int64_t inside = (lines.end - lines.begin) * (columns.end - columns.begin);
        average_part(job, args, row, at.image, lines, columns, args->counts_padding ? all : inside);
    }
}

void cpuk_average_pool(
    cpuk_context *context, const cpuk_window *window, bool counts_padding, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output, .counts_padding = counts_padding};
    run_rows(
        context, average_task, &args, window->images * window->grid_height * window->grid_width,
        window->kernel_height * window->kernel_width * window->channels * 4);
}

static index_range adaptive_part(int64_t position, int64_t size, int64_t parts) {
    return (index_range){position * size / parts, divide_up((position + 1) * size, parts)};
}

static void adaptive_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const window_args *args = job->args;
    const cpuk_window *w = args->window;
    FOR_EACH_ROW(job, task, row) {
        const place at = place_of(row, w->grid_height, w->grid_width);
        const index_range lines = adaptive_part(at.y, w->image_height, w->grid_height);
        const index_range columns = adaptive_part(at.x, w->image_width, w->grid_width);
        average_part(
            job, args, row, at.image, lines, columns, (lines.end - lines.begin) * (columns.end - columns.begin));
    }
}

void cpuk_adaptive_average_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output};
    const int64_t rows = window->grid_height * window->grid_width;
    run_rows(
        context, adaptive_task, &args, window->images * rows,
        divide_up(window->image_height * window->image_width, rows) * window->channels * 4);
}
