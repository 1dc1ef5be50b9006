// Norms, activations and products of elements.
#include "row_job.h"

static void norm_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    FOR_EACH_ROW(job, task, row) job->context->rows->norm(job->args, row);
}

void cpuk_norm(cpuk_context *context, const cpuk_norm_args *args) {
    run_rows(context, norm_task, args, args->rows * args->groups, args->columns * 12);
}

static void activate_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row)
        job->context->rows->activate(
            args->activation, args->x.data + row * args->x.stride, args->output.data + row * args->output.stride,
            args->columns);
}

void cpuk_activate(cpuk_context *context, const cpuk_pointwise_args *args) {
    run_rows(context, activate_task, args, args->rows, args->columns * 32);
}

static void multiply_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_multiply_args *args = job->args;
    FOR_EACH_ROW(job, task, row) {
        const float *x = args->x.data + row * args->x.stride, *y = args->y.data + row * args->y.stride;
        float *output = args->output.data + row * args->output.stride;
        for (int64_t c = 0; c < args->columns; c++) output[c] = x[c] * y[c];
    }
}

void cpuk_multiply(cpuk_context *context, const cpuk_multiply_args *args) {
    run_rows(context, multiply_task, args, args->rows, args->columns * 12);
}

static void soft_cap_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row)
        job->context->rows->soft_cap(
            args->x.data + row * args->x.stride, args->output.data + row * args->output.stride, args->columns,
            args->scale);
}

void cpuk_soft_cap(cpuk_context *context, const cpuk_pointwise_args *args) {
    run_rows(context, soft_cap_task, args, args->rows, args->columns * 32);
}
