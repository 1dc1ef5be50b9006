// What convolutions in int8 read: quantised pixels of x or, of few channels, quantised images and patches of them.
#include "convolve_int8.h"

#include <string.h>

// An image as one quantised pixel.
static char *quantised_image(const int8_job *call, int64_t image) {
    return quantised_input(call) + image * call->scratch.image;
}

static void image_task(void *argument, int64_t image, int worker) {
    const int8_job *call = argument;
    const cpuk_window *w = call->job->args->window;
    const int64_t pixels = w->image_height * w->image_width;
    cpuk_rows x = call->job->args->x;
    x.data += image * pixels * x.stride;
    if (x.stride != w->channels) {
        float *packed = thread_floats(call, worker);
        for (int64_t pixel = 0; pixel < pixels; pixel++)
            for (int64_t c = 0; c < w->channels; c++) packed[pixel * w->channels + c] = x.data[pixel * x.stride + c];
        x.data = packed;
    }
    call->job->context->convolution_int8->quantise(
        x.data, 0, 1, false, pixels * w->channels, quantised_image(call, image));
}

typedef uint8_t short_line __attribute__((vector_size(SHORT_LINE), aligned(1), may_alias));

// Lines of quants from lines of an image `step` bytes apart, side by side. Short lines are copied with some bytes of
// the image behind, over which the next line is copied, where there is room for them.
static void copy_lines(const char *from, int64_t step, int64_t lines, int64_t line, char *to, int64_t room) {
    if (line <= SHORT_LINE && (lines - 1) * line + SHORT_LINE <= room) {
        for (int64_t i = 0; i < lines; i++, from += step, to += line)
            *(short_line *)(void *)to = *(const short_line *)(const void *)from;
    } else {
        for (int64_t i = 0; i < lines; i++, from += step, to += line) memcpy(to, from, (size_t)line);
    }
}

static void fill_quants(char *quants, int32_t quant, int64_t bytes, int64_t bytes_each) {
    if (bytes_each == 1) {
        memset(quants, quant, (size_t)bytes);
        return;
    }
    const uint16_t wide = (uint16_t)quant;
    for (int64_t i = 0; i < bytes; i += (int64_t)sizeof wide) memcpy(quants + i, &wide, sizeof wide);
}

// The quants of a window as a pixel; those outside of the image stand for zero.
static void copy_patch(const int8_job *call, const place *of, char *patch) {
    const cpuk_window *w = call->job->args->window;
    const window_place at = window_over(w, of);
    const char *image = quantised_image(call, at.image);
    quantised_pixel head;
    memcpy(&head, image, sizeof head);
    memcpy(patch, &head, sizeof head);
    char *quants = patch + sizeof head;
    image += sizeof head;
    const int64_t pixel = w->channels * quant_bytes(call);
    const int64_t line = w->kernel_width * pixel, step = w->image_width * pixel;
    const int64_t lines = at.lines.end - at.lines.begin, columns = at.columns.end - at.columns.begin;
    if (lines == w->kernel_height && columns == w->kernel_width && w->dilation_x == 1) {
        copy_lines(
            image + at.top * step + at.left * pixel, w->dilation_y * step, lines, line, quants,
            call->source.stride - (int64_t)sizeof head);
        return;
    }
    fill_quants(quants, head.offset & 128, w->kernel_height * line, quant_bytes(call));
    for (int64_t i = at.lines.begin; i < at.lines.end; i++)
        for (int64_t j = at.columns.begin; j < at.columns.end; j++)
            memcpy(
                quants + i * line + j * pixel,
                image + (at.top + i * w->dilation_y) * step + (at.left + j * w->dilation_x) * pixel, (size_t)pixel);
}

void copy_patches(const int8_job *call, index_range places, char *patches) {
    const cpuk_window *w = call->job->args->window;
    place at = place_of(places.begin, w->grid_height, w->grid_width);
    for (int64_t n = places.begin; n < places.end; n++, advance(w, &at), patches += call->source.stride)
        copy_patch(call, &at, patches);
}

static void quantise_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const int8_job *call = argument;
    const cpuk_convolution_args *args = call->job->args;
    const index_range range = task_range(task, call->tasks, image_pixels(args->window));
    call->job->context->convolution_int8->quantise(
        args->x.data + range.begin * args->x.stride, args->x.stride, range.end - range.begin, false,
        args->window->channels, quantised_input(call) + range.begin * call->source.stride);
}

void quantise_input(int8_job *call) {
    const cpuk_context *context = call->job->context;
    const cpuk_window *w = call->job->args->window;
    const int64_t pixels = image_pixels(w), bytes = w->channels * 5;
    if (takes_patches(w)) {
        run_tasks(context->pool, image_task, call, w->images, pixels * bytes);
        return;
    }
    call->tasks = task_count(thread_count(context), pixels, bytes);
    run_tasks(context->pool, quantise_task, call, call->tasks, pixels * bytes);
}
