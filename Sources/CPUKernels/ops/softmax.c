// Softmax of rows: by rows, or where there are few long ones by chunks of columns.
#include "columns.h"
#include "row_job.h"

typedef struct {
    cpuk_context *context;
    const cpuk_pointwise_args *args;
    int64_t row, chunk;
    softmax_part parts[MAX_COLUMN_CHUNKS];
    softmax_part whole;
} wide_softmax_job;

static void softmax_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row) {
        const float *x = args->x.data + row * args->x.stride;
        softmax_part whole = job->context->rows->softmax_reduce(x, args->columns, args->scale);
        job->context->rows->softmax_write(
            x, args->columns, args->scale, whole, args->output.data + row * args->output.stride);
    }
}

static void wide_reduce_task(void *argument, int64_t task, int worker) {
    (void)worker;
    wide_softmax_job *job = argument;
    int64_t begin = task * job->chunk, count = at_most(job->chunk, job->args->columns - begin);
    const float *x = job->args->x.data + job->row * job->args->x.stride + begin;
    job->parts[task] = job->context->rows->softmax_reduce(x, count, job->args->scale);
}

static void wide_write_task(void *argument, int64_t task, int worker) {
    (void)worker;
    wide_softmax_job *job = argument;
    int64_t begin = task * job->chunk, count = at_most(job->chunk, job->args->columns - begin);
    const float *x = job->args->x.data + job->row * job->args->x.stride + begin;
    float *output = job->args->output.data + job->row * job->args->output.stride + begin;
    job->context->rows->softmax_write(x, count, job->args->scale, job->whole, output);
}

static softmax_part merge_parts(const softmax_part *parts, int64_t count) {
    softmax_part whole = {-__builtin_inff(), 0};
    for (int64_t i = 0; i < count; i++)
        if (parts[i].maximum > whole.maximum) whole.maximum = parts[i].maximum;
    for (int64_t i = 0; i < count; i++) {
        // A chunk that holds only minus infinity adds nothing, but one with a NaN must still add the NaN.
        float factor = parts[i].maximum == whole.maximum ? 1 : __builtin_expf(parts[i].maximum - whole.maximum);
        whole.sum += parts[i].sum * factor;
    }
    return whole;
}

void cpuk_softmax(cpuk_context *context, const cpuk_pointwise_args *args) {
    int64_t chunk = column_chunk(args->columns);
    int64_t chunks = divide_up(args->columns, chunk);
    if (chunks < 2 || args->rows > 4) {
        run_rows(context, softmax_task, args, args->rows, args->columns * 32);
        return;
    }
    wide_softmax_job job = {.context = context, .args = args, .chunk = chunk};
    for (job.row = 0; job.row < args->rows; job.row++) {
        thread_pool_run(context->pool, wide_reduce_task, &job, chunks);
        job.whole = merge_parts(job.parts, chunks);
        thread_pool_run(context->pool, wide_write_task, &job, chunks);
    }
}
