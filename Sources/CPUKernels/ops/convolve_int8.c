// Convolutions with activations quantised to int8: the pixels of all images are quantised first, each once, and then
// multiplied where they lie.
#include "convolve.h"

#include <string.h>

enum {
    /// Of fewer channels FP32 is as fast, since runs are padded.
    LEAST_INT8_CHANNELS = 48,
};

bool takes_convolution_int8(const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight) {
    return context->convolution_int8 && weight->format == CPUK_I8 && weight->reduced
        && window->channels >= LEAST_INT8_CHANNELS;
}

static int64_t panel_bytes(const cpuk_context *context, const cpuk_window *w) {
    return context->convolution_int8->panel_bytes(tap_count(w), w->channels);
}

int64_t convolution_int8_packed_bytes(const cpuk_context *context, const cpuk_window *w, int64_t outputs) {
    return scratch_product(
        divide_up(outputs, context->convolution_int8->panel_outputs), panel_bytes(context, w));
}

void convolution_int8_pack_task(void *argument, int64_t panel, int worker) {
    (void)worker;
    enum { MOST_OUTPUTS = 64 };
    const convolution_packing *packing = argument;
    const convolution_int8_kernels *kernels = packing->context->convolution_int8;
    const int8_t *rows[MOST_OUTPUTS];
    float scales[MOST_OUTPUTS];
    const int64_t first = panel * kernels->panel_outputs;
    const int64_t count = at_most(kernels->panel_outputs, packing->weight->rows - first);
    for (int64_t n = 0; n < count; n++) {
        const part_rows row = rows_from(packing->weight, first + n, 1);
        rows[n] = (const int8_t *)row.rows;
        scales[n] = *row.scales;
    }
    kernels->pack(
        rows, scales, count, tap_count(packing->window), packing->window->channels,
        (char *)packing->packed + panel * panel_bytes(packing->context, packing->window));
}

// ---- Scratch: the quantised pixels of all images and one of zeros, then a table of pixels of each thread.

static int64_t image_pixels(const cpuk_window *w) { return w->images * w->image_height * w->image_width; }

static int64_t pixels_bytes(const cpuk_context *context, const cpuk_window *w) {
    return scratch_product(image_pixels(w) + 1, context->convolution_int8->pixel_bytes(w->channels));
}

int64_t convolution_int8_scratch_bytes(const cpuk_context *context, const cpuk_window *w) {
    return pixels_bytes(context, w) + scratch_product(window_table_bytes(w), thread_count(context));
}

typedef struct {
    const convolution_job *job;
    char *pixels;
    int64_t pixel_bytes, tasks;
} int8_job;

static void quantise_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const int8_job *call = argument;
    const cpuk_convolution_args *args = call->job->args;
    const index_range range = task_range(task, call->tasks, image_pixels(args->window));
    for (int64_t pixel = range.begin; pixel < range.end; pixel++)
        call->job->context->convolution_int8->quantise_pixel(
            args->x.data + pixel * args->x.stride, args->window->channels, call->pixels + pixel * call->pixel_bytes);
}

static void int8_task(void *argument, int64_t task, int worker) {
    const int8_job *call = argument;
    const convolution_job *job = call->job;
    const cpuk_convolution_args *args = job->args;
    const cpuk_window *w = args->window;
    const convolution_int8_kernels *kernels = job->context->convolution_int8;
    const convolution_task part = convolution_task_at(job, task);
    char *table = call->pixels + pixels_bytes(job->context, w) + worker * window_table_bytes(w);
    const float **pixels = (const float **)table;
    const pixel_source source = {
        .data = call->pixels, .padding = call->pixels + image_pixels(w) * call->pixel_bytes,
        .stride = call->pixel_bytes};
    window_group groups[WINDOW_BLOCK / CONVOLUTION_MR];
    const int64_t count = find_windows(w, &source, part.places, groups, pixels);
    for (int64_t panel = part.panels.begin; panel < part.panels.end; panel++) {
        const int64_t first = panel * kernels->panel_outputs, next = panel_after(job, task, &part, panel);
        const int64_t bytes = panel_bytes(job->context, w), steps = tap_count(w) * divide_up(w->channels, 4);
        const char *panels = args->packed;
        const read_ahead ahead = ahead_of(next < 0 ? NULL : panels + next * bytes, bytes, count, steps);
        for (int64_t g = 0; g < count; g++) {
            const convolution_tile tile = {
                .pixels = pixels + g * tap_count(w) * CONVOLUTION_MR, .taps = groups[g].taps, .depth = groups[g].depth,
                .rows = groups[g].count,
                .panel = (const float *)(const void *)(panels + panel * bytes),
                .ahead = ahead.from + g * steps * ahead.bytes, .ahead_bytes = ahead.bytes,
                .outputs = at_most(kernels->panel_outputs, args->outputs - first), .epilogue = &job->epilogue,
                .first_output = first, .target = target_of(job, groups[g].first, first)};
            kernels->multiply(&tile);
        }
    }
}

void convolve_int8(convolution_job *job) {
    const cpuk_context *context = job->context;
    const cpuk_window *w = job->args->window;
    int8_job call = {
        .job = job, .pixels = job->args->scratch, .pixel_bytes = context->convolution_int8->pixel_bytes(w->channels)};
    memset(call.pixels + image_pixels(w) * call.pixel_bytes, 0, (size_t)call.pixel_bytes);
    call.tasks = task_count(thread_count(context), image_pixels(w), w->channels * 5);
    run_tasks(context->pool, quantise_task, &call, call.tasks, image_pixels(w) * w->channels * 5);
    job->panels = divide_up(job->args->outputs, context->convolution_int8->panel_outputs);
    job->places = w->images * w->grid_height * w->grid_width;
    cut_convolution(job, window_block(w), CONVOLUTION_MR, 4 * thread_count(context));
    const int64_t work = job->places * job->args->outputs * tap_count(w) * w->channels / 32;
    run_tasks(context->pool, int8_task, &call, convolution_task_count(job), work);
}
