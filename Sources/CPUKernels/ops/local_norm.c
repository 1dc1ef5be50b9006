// Response norms: over neighbouring channels, and over all channels of an image.
#include "row_job.h"

#include <math.h>

static void local_norm_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_local_norm_args *args = job->args;
    FOR_EACH_ROW(job, task, row) {
        const float *x = args->x.data + row * args->x.stride;
        float *output = args->output.data + row * args->output.stride;
        for (int64_t c = 0; c < args->columns; c++) {
            const int64_t begin = at_least(c - args->size / 2, 0);
            const int64_t end = at_most(c - args->size / 2 + args->size, args->columns);
            float sum = 0;
            for (int64_t i = begin; i < end; i++) sum += x[i] * x[i];
            output[c] = x[c] / powf(args->k + args->alpha * (sum / (float)args->size), args->beta);
        }
    }
}

void cpuk_local_response_norm(cpuk_context *context, const cpuk_local_norm_args *args) {
    run_rows(context, local_norm_task, args, args->rows, args->columns * (args->size + 16) * 4);
}

static void response_gains_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_response_gains_args *args = job->args;
    FOR_EACH_ROW(job, task, row) {
        const float *squares = args->squares.data + row * args->squares.stride;
        float *output = args->output.data + row * args->output.stride;
        double sum = 0;
        for (int64_t c = 0; c < args->columns; c++) sum += sqrtf((float)args->pixels * squares[c]);
        const float scale = (float)(1 / (sum / (double)args->columns + (double)args->epsilon));
        for (int64_t c = 0; c < args->columns; c++)
            output[c] = 1 + args->weight[c] * (sqrtf((float)args->pixels * squares[c]) * scale);
    }
}

void cpuk_response_gains(cpuk_context *context, const cpuk_response_gains_args *args) {
    run_rows(context, response_gains_task, args, args->rows, args->columns * 16);
}
