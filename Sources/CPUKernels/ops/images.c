// Images of another size, channels that become pixels, and channels that are scaled. Tasks are rows of the output.
#include "row_job.h"

#include <string.h>

typedef struct {
    const cpuk_image_args *images;
    cpuk_interpolation interpolation;
    int64_t factor;
} image_job;

/// Two neighbouring lines (or columns) that a position lies between, and the share of the second one.
typedef struct {
    int64_t first, second;
    float share;
} neighbours;

static neighbours neighbours_of(int64_t position, int64_t size, int64_t new_size, bool is_aligned) {
    double place = is_aligned ? (new_size > 1 ? (double)position * (double)(size - 1) / (double)(new_size - 1) : 0)
                              : ((double)position + 0.5) * (double)size / (double)new_size - 0.5;
    if (place < 0) place = 0;
    const int64_t first = at_most((int64_t)place, size - 1);
    return (neighbours){first, at_most(first + 1, size - 1), (float)(place - (double)first)};
}

static const float *pixel_of(const cpuk_image_args *args, int64_t image, int64_t y, int64_t x) {
    return args->x.data + ((image * args->image_height + y) * args->image_width + x) * args->x.stride;
}

static void resize_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const image_job *call = job->args;
    const cpuk_image_args *args = call->images;
    FOR_EACH_ROW(job, task, row) {
        const int64_t image = row / (args->grid_height * args->grid_width);
        const int64_t y = row / args->grid_width % args->grid_height, x = row % args->grid_width;
        float *output = args->output.data + row * args->output.stride;
        if (call->interpolation == CPUK_NEAREST) {
            const float *source = pixel_of(
                args, image, y * args->image_height / args->grid_height, x * args->image_width / args->grid_width);
            memcpy(output, source, (size_t)args->channels * sizeof(float));
            continue;
        }
        const bool is_aligned = call->interpolation == CPUK_BILINEAR_ALIGNED;
        const neighbours lines = neighbours_of(y, args->image_height, args->grid_height, is_aligned);
        const neighbours columns = neighbours_of(x, args->image_width, args->grid_width, is_aligned);
        const float *above = pixel_of(args, image, lines.first, columns.first);
        const float *below = pixel_of(args, image, lines.second, columns.first);
        const int64_t stride = (columns.second - columns.first) * args->x.stride;
        const float left = 1 - columns.share, top = 1 - lines.share;
        const float upper[] = {top * left, top * columns.share};
        const float lower[] = {lines.share * left, lines.share * columns.share};
        const row_kernels *kernels = job->context->rows;
        kernels->weighted_sum(above, stride, upper, 2, args->channels, NULL, output);
        kernels->weighted_sum(below, stride, lower, 2, args->channels, output, output);
    }
}

void cpuk_resize(cpuk_context *context, const cpuk_image_args *args, cpuk_interpolation interpolation) {
    const image_job call = {.images = args, .interpolation = interpolation};
    run_rows(
        context, resize_task, &call, args->images * args->grid_height * args->grid_width, args->channels * 5 * 4);
}

static void shuffle_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const image_job *call = job->args;
    const cpuk_image_args *args = call->images;
    const int64_t factor = call->factor, taps = factor * factor;
    FOR_EACH_ROW(job, task, row) {
        const int64_t image = row / (args->grid_height * args->grid_width);
        const int64_t y = row / args->grid_width % args->grid_height, x = row % args->grid_width;
        const float *source = pixel_of(args, image, y / factor, x / factor) + y % factor * factor + x % factor;
        float *output = args->output.data + row * args->output.stride;
        for (int64_t c = 0; c < args->channels; c++) output[c] = source[c * taps];
    }
}

void cpuk_pixel_shuffle(cpuk_context *context, const cpuk_image_args *args, int64_t factor) {
    const image_job call = {.images = args, .factor = factor};
    run_rows(
        context, shuffle_task, &call, args->images * args->grid_height * args->grid_width, args->channels * 8 * 4);
}

static void scale_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_scale_channels_args *args = job->args;
    const int64_t pixels = args->rows / args->images;
    FOR_EACH_ROW(job, task, row) {
        const float *x = args->x.data + row * args->x.stride;
        const float *scales = args->scales.data + row / pixels * args->scales.stride;
        float *output = args->output.data + row * args->output.stride;
        for (int64_t c = 0; c < args->columns; c++) output[c] = x[c] * scales[c];
    }
}

void cpuk_scale_channels(cpuk_context *context, const cpuk_scale_channels_args *args) {
    run_rows(context, scale_task, args, args->rows, args->columns * 8);
}
