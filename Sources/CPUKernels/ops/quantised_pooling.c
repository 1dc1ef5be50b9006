// Max pools of maps that convolutions have quantised, or will read. Tasks are rows of the output.
#include "row_job.h"
#include "windows.h"

#include <string.h>

enum { MAX_TAPS = 64 };

typedef struct {
    const cpuk_window *window;
    cpuk_rows x, output;
    const char *quantised_x;
    char *quantised_output;
} pool_args;

// The largest numbers of up to MAX_TAPS pixels and, where `goes_on`, of y.
static void add_pixels(
    const cpuk_context *context, const pool_args *args, const void *const *pixels, int64_t count, bool goes_on,
    float *y) {
    const int64_t channels = args->window->channels;
    if (args->quantised_x)
        context->convolution_int8->max_pixels((const char *const *)pixels, count, goes_on, channels, y);
    else context->rows->max_pixels((const float *const *)pixels, count, goes_on ? y : NULL, channels, y);
}

static void max_of_window(const cpuk_context *context, const pool_args *args, int64_t row, float *y) {
    const cpuk_window *w = args->window;
    const int64_t pixel_bytes = context->convolution_int8->pixel_bytes(w->channels);
    const window_place at = window_at(w, row);
    const void *pixels[MAX_TAPS];
    int64_t count = 0;
    bool goes_on = false;
    for (int64_t i = at.lines.begin; i < at.lines.end; i++)
        for (int64_t j = at.columns.begin; j < at.columns.end; j++) {
            if (count == MAX_TAPS) {
                add_pixels(context, args, pixels, count, goes_on, y);
                goes_on = true;
                count = 0;
            }
            const int64_t pixel = pixel_of(w, at.image, at.top + i * w->dilation_y, at.left + j * w->dilation_x);
            pixels[count++] = args->quantised_x ? (const void *)(args->quantised_x + pixel * pixel_bytes)
                                                : (const void *)(args->x.data + pixel * args->x.stride);
        }
    if (count > 0) add_pixels(context, args, pixels, count, goes_on, y);
}

static void max_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const pool_args *args = job->args;
    const int64_t channels = args->window->channels;
    const convolution_int8_kernels *kernels = job->context->convolution_int8;
    float y[CPUK_MOST_QUANTISED_CHANNELS];
    FOR_EACH_ROW(job, task, row) {
        max_of_window(job->context, args, row, y);
        if (args->quantised_output)
            kernels->quantise(
                y, 0, 1, false, channels, args->quantised_output + row * kernels->pixel_bytes(channels));
        else memcpy(args->output.data + row * args->output.stride, y, (size_t)channels * sizeof *y);
    }
}

void cpuk_max_pool_quantised(
    cpuk_context *context, const cpuk_window *window, cpuk_rows x, const void *quantised_x, cpuk_rows output,
    void *quantised_output) {
    const pool_args args = {
        .window = window, .x = x, .output = output, .quantised_x = quantised_x, .quantised_output = quantised_output};
    run_rows(
        context, max_task, &args, window->images * window->grid_height * window->grid_width,
        window->kernel_height * window->kernel_width * window->channels * 4);
}
