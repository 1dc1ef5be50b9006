// Windows that slide over images: unfolding, folding, depthwise convolutions and pooling. Tasks are rows of the output.
#include "row_job.h"
#include "windows.h"

#include <string.h>

typedef struct {
    const cpuk_window *window;
    cpuk_rows x, output;
    int64_t first;
    const float *weight, *bias;
    cpuk_activation activation;
    bool counts_padding;
} window_args;

/// The pixel under tap (i, j) of a window.
static const float *pixel_under(const window_args *args, const window_place *at, int64_t i, int64_t j) {
    const cpuk_window *w = args->window;
    const int64_t y = at->top + i * w->dilation_y, x = at->left + j * w->dilation_x;
    return args->x.data + pixel_of(w, at->image, y, x) * args->x.stride;
}

static float *output_row(const window_args *args, int64_t row) { return args->output.data + row * args->output.stride; }

/// Defines NAME_task, which calls NAME_row for each row of a task.
#define ROW_TASK(NAME)                                                                                                \
    static void NAME##_task(void *argument, int64_t task, int worker) {                                               \
        (void)worker;                                                                                                 \
        const row_job *job = argument;                                                                                \
        FOR_EACH_ROW(job, task, row) NAME##_row(job->context, job->args, row);                                        \
    }

/// Runs a task over the places of the grid of all images, each of which reads and writes about `bytes` a channel.
static void run_places(
    const cpuk_context *context, pool_task task, const window_args *args, int64_t bytes) {
    const cpuk_window *w = args->window;
    run_rows(context, task, args, w->images * w->grid_height * w->grid_width, w->channels * bytes);
}

// ---- Unfold

static void unfold_row(const cpuk_context *context, const window_args *args, int64_t row) {
    (void)context;
    const cpuk_window *w = args->window;
    const window_place at = window_at(w, args->first + row);
    const int64_t line = w->kernel_width * w->channels;
    const index_range columns = at.columns;
    float *patch = output_row(args, row);
    const size_t pixel = (size_t)w->channels * sizeof(float);
    for (int64_t i = 0; i < w->kernel_height; i++, patch += line) {
        const int64_t y = at.top + i * w->dilation_y;
        if (y < 0 || y >= w->image_height || columns.begin >= columns.end) {
            memset(patch, 0, (size_t)line * sizeof(float));
            continue;
        }
        memset(patch, 0, (size_t)columns.begin * pixel);
        memset(patch + columns.end * w->channels, 0, (size_t)(w->kernel_width - columns.end) * pixel);
        const float *source = pixel_under(args, &at, i, columns.begin);
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

ROW_TASK(unfold)

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

static void flush_sum(
    const cpuk_context *context, const window_args *args, tap_list *taps, bool ends, float scale, float *output) {
    context->rows->sum_pixels(
        taps->pixels, args->weight ? taps->weights : NULL, taps->count, taps->is_begun ? output : NULL, ends, scale,
        args->bias, args->activation, args->window->channels, output);
    taps->is_begun = true;
    taps->count = 0;
}

static void add_tap(
    const cpuk_context *context, const window_args *args, tap_list *taps, const float *pixel, const float *weight,
    float *output) {
    if (taps->count == MAX_TAPS) flush_sum(context, args, taps, false, 1, output);
    taps->pixels[taps->count] = pixel;
    taps->weights[taps->count++] = weight;
}

static void depthwise_row(const cpuk_context *context, const window_args *args, int64_t row) {
    const cpuk_window *w = args->window;
    const window_place at = window_at(w, row);
    float *output = output_row(args, row);
    tap_list taps = {.count = 0};
    for (int64_t i = at.lines.begin; i < at.lines.end; i++)
        for (int64_t j = at.columns.begin; j < at.columns.end; j++)
            add_tap(
                context, args, &taps, pixel_under(args, &at, i, j),
                args->weight + (i * w->kernel_width + j) * w->channels, output);
    flush_sum(context, args, &taps, true, 1, output);
}

ROW_TASK(depthwise)

void cpuk_convolve_depthwise(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, const float *weight, const float *bias,
    cpuk_activation activation, cpuk_rows output) {
    const window_args args = {
        .window = window, .x = x, .output = output, .weight = weight, .bias = bias, .activation = activation};
    run_places(context, depthwise_task, &args, window->kernel_height * window->kernel_width * 8);
}

/// The windows `begin ..< end` of `grid` whose taps may lie on `position`, and the tap of the first one.
static void windows_over(int64_t position, int64_t stride, int64_t reach, int64_t grid, index_range *windows) {
    // Window g covers g * stride ..< g * stride + reach, counted with the padding.
    windows->begin = position < reach ? 0 : (position - reach) / stride + 1;
    windows->end = at_most(grid, position / stride + 1);
}

static void fold_row(const cpuk_context *context, const window_args *args, int64_t row) {
    const cpuk_window *w = args->window;
    const place at = place_of(row, w->image_height, w->image_width);
    const int64_t y = at.y + w->padding_y, x = at.x + w->padding_x;
    float *output = output_row(args, row);
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
            add_tap(
                context, args, &taps, args->x.data + window * args->x.stride + tap * w->channels, NULL, output);
        }
    }
    flush_sum(context, args, &taps, true, 1, output);
}

ROW_TASK(fold)

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

static void flush_max(const cpuk_context *context, const window_args *args, tap_list *taps, float *output) {
    context->rows->max_pixels(
        taps->pixels, taps->count, taps->is_begun ? output : NULL, args->window->channels, output);
    taps->is_begun = true;
    taps->count = 0;
}

static void max_row(const cpuk_context *context, const window_args *args, int64_t row) {
    const window_place at = window_at(args->window, row);
    float *output = output_row(args, row);
    tap_list taps = {.count = 0};
    for (int64_t i = at.lines.begin; i < at.lines.end; i++)
        for (int64_t j = at.columns.begin; j < at.columns.end; j++) {
            if (taps.count == MAX_TAPS) flush_max(context, args, &taps, output);
            taps.pixels[taps.count++] = pixel_under(args, &at, i, j);
        }
    if (taps.count > 0) flush_max(context, args, &taps, output);
}

ROW_TASK(max)

void cpuk_max_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output};
    run_places(context, max_task, &args, window->kernel_height * window->kernel_width * 4);
}

static void average_part(
    const cpuk_context *context, const window_args *args, int64_t row, int64_t image, index_range lines,
    index_range columns, int64_t divisor) {
    float *output = output_row(args, row);
    tap_list taps = {.count = 0};
    for (int64_t y = lines.begin; y < lines.end; y++)
        for (int64_t x = columns.begin; x < columns.end; x++)
            add_tap(
                context, args, &taps, args->x.data + pixel_of(args->window, image, y, x) * args->x.stride, NULL,
                output);
    flush_sum(context, args, &taps, true, 1.0f / (float)divisor, output);
}

static void average_row(const cpuk_context *context, const window_args *args, int64_t row) {
    const cpuk_window *w = args->window;
    const window_place at = window_at(w, row);
    const int64_t bottom = at_most(at.top + w->kernel_height, w->image_height + w->padding_y);
    const int64_t right = at_most(at.left + w->kernel_width, w->image_width + w->padding_x);
    const index_range lines = {at_least(at.top, 0), at_most(bottom, w->image_height)};
    const index_range columns = {at_least(at.left, 0), at_most(right, w->image_width)};
    const int64_t all = (bottom - at.top) * (right - at.left);
    const int64_t inside = (lines.end - lines.begin) * (columns.end - columns.begin);
    average_part(context, args, row, at.image, lines, columns, args->counts_padding ? all : inside);
}

ROW_TASK(average)

void cpuk_average_pool(
    cpuk_context *context, const cpuk_window *window, bool counts_padding, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output, .counts_padding = counts_padding};
    run_places(context, average_task, &args, window->kernel_height * window->kernel_width * 4);
}

static index_range adaptive_part(int64_t position, int64_t size, int64_t parts) {
    return (index_range){position * size / parts, divide_up((position + 1) * size, parts)};
}

static void adaptive_row(const cpuk_context *context, const window_args *args, int64_t row) {
    const cpuk_window *w = args->window;
    const place at = place_of(row, w->grid_height, w->grid_width);
    const index_range lines = adaptive_part(at.y, w->image_height, w->grid_height);
    const index_range columns = adaptive_part(at.x, w->image_width, w->grid_width);
    average_part(
        context, args, row, at.image, lines, columns, (lines.end - lines.begin) * (columns.end - columns.begin));
}

ROW_TASK(adaptive)

void cpuk_adaptive_average_pool(cpuk_context *context, const cpuk_window *window, cpuk_rows x, cpuk_rows output) {
    const window_args args = {.window = window, .x = x, .output = output};
    const int64_t places = window->grid_height * window->grid_width;
    run_places(context, adaptive_task, &args, divide_up(window->image_height * window->image_width, places) * 4);
}
