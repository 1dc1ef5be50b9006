// Splits ops on rows over the threads.
#include "context.h"

#include <string.h>

// ---- Norms and activations

typedef struct {
    cpuk_context *context;
    const void *args;
    int64_t rows, tasks;
} rows_job;

static void run_rows(cpuk_context *context, pool_task task, const void *args, int64_t rows, int64_t row_bytes) {
    rows_job job = {.context = context, .args = args, .rows = rows};
    if (rows == 0) return;
    job.tasks = task_count(context, rows, row_bytes);
    run_tasks(context, task, &job, job.tasks, rows * row_bytes);
}

#define FOR_EACH_ROW(job, task, row) \
    for (int64_t row = (task) * (job)->rows / (job)->tasks; row < ((task) + 1) * (job)->rows / (job)->tasks; row++)

static void norm_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const rows_job *job = argument;
    FOR_EACH_ROW(job, task, row) job->context->kernels->norm_row(job->args, row);
}

void cpuk_norm(cpuk_context *context, const cpuk_norm_args *args) {
    run_rows(context, norm_task, args, args->rows * args->groups, args->columns * 12);
}

static void activate_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const rows_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row)
        job->context->kernels->activate_row(
            args->activation, args->x.data + row * args->x.stride, args->output.data + row * args->output.stride,
            args->columns);
}

void cpuk_activate(cpuk_context *context, const cpuk_pointwise_args *args) {
    run_rows(context, activate_task, args, args->rows, args->columns * 32);
}

static void multiply_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const rows_job *job = argument;
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
    const rows_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row)
        job->context->kernels->soft_cap_row(
            args->x.data + row * args->x.stride, args->output.data + row * args->output.stride, args->columns,
            args->scale);
}

void cpuk_soft_cap(cpuk_context *context, const cpuk_pointwise_args *args) {
    run_rows(context, soft_cap_task, args, args->rows, args->columns * 32);
}

// ---- Softmax

enum { MAX_COLUMN_CHUNKS = 64, COLUMN_CHUNK = 8192 };

typedef struct {
    cpuk_context *context;
    const cpuk_pointwise_args *args;
    int64_t row, chunk;
    softmax_part parts[MAX_COLUMN_CHUNKS];
    softmax_part whole;
} wide_softmax_job;

static void softmax_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const rows_job *job = argument;
    const cpuk_pointwise_args *args = job->args;
    FOR_EACH_ROW(job, task, row) {
        const float *x = args->x.data + row * args->x.stride;
        softmax_part whole = job->context->kernels->softmax_reduce(x, args->columns, args->scale);
        job->context->kernels->softmax_write(
            x, args->columns, args->scale, whole, args->output.data + row * args->output.stride);
    }
}

static void wide_reduce_task(void *argument, int64_t task, int worker) {
    (void)worker;
    wide_softmax_job *job = argument;
    int64_t begin = task * job->chunk, count = at_most(job->chunk, job->args->columns - begin);
    const float *x = job->args->x.data + job->row * job->args->x.stride + begin;
    job->parts[task] = job->context->kernels->softmax_reduce(x, count, job->args->scale);
}

static void wide_write_task(void *argument, int64_t task, int worker) {
    (void)worker;
    wide_softmax_job *job = argument;
    int64_t begin = task * job->chunk, count = at_most(job->chunk, job->args->columns - begin);
    const float *x = job->args->x.data + job->row * job->args->x.stride + begin;
    float *output = job->args->output.data + job->row * job->args->output.stride + begin;
    job->context->kernels->softmax_write(x, count, job->args->scale, job->whole, output);
}

static softmax_part merge_parts(const softmax_part *parts, int64_t count) {
    softmax_part whole = {-__builtin_inff(), 0};
    for (int64_t i = 0; i < count; i++)
        if (parts[i].maximum > whole.maximum) whole.maximum = parts[i].maximum;
    for (int64_t i = 0; i < count; i++) {
        // A part of minus infinities alone adds nothing, but one with a NaN must still add it.
        float factor = parts[i].maximum == whole.maximum ? 1 : __builtin_expf(parts[i].maximum - whole.maximum);
        whole.sum += parts[i].sum * factor;
    }
    return whole;
}

// How many pieces a row's columns are cut into does not depend on the number of threads, so neither do results.
static int64_t column_chunk(int64_t columns) {
    return at_least(COLUMN_CHUNK, divide_up(divide_up(columns, MAX_COLUMN_CHUNKS), 64) * 64);
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
        pool_run(context->pool, wide_reduce_task, &job, chunks);
        job.whole = merge_parts(job.parts, chunks);
        pool_run(context->pool, wide_write_task, &job, chunks);
    }
}

// ---- Selection

typedef struct {
    cpuk_context *context;
    const float *x;
    int64_t columns, chunk;
    int64_t best[MAX_COLUMN_CHUNKS];
} argmax_job;

static void argmax_task(void *argument, int64_t task, int worker) {
    (void)worker;
    argmax_job *job = argument;
    int64_t begin = task * job->chunk, count = at_most(job->chunk, job->columns - begin);
    job->best[task] = begin + job->context->kernels->argmax(job->x + begin, count);
}

void cpuk_argmax(cpuk_context *context, cpuk_rows x, int64_t rows, int64_t columns, int32_t *indices) {
    argmax_job job = {.context = context, .columns = columns, .chunk = column_chunk(columns)};
    int64_t chunks = divide_up(columns, job.chunk);
    for (int64_t row = 0; row < rows; row++) {
        job.x = x.data + row * x.stride;
        run_tasks(context, argmax_task, &job, chunks, columns * 4);
        int64_t best = job.best[0];
        for (int64_t i = 1; i < chunks; i++) {
            float candidate = job.x[job.best[i]], top = job.x[best];
            if (candidate > top || (top != top && candidate == candidate)) best = job.best[i];
        }
        indices[row] = (int32_t)best;
    }
}

// ---- Lookup

typedef struct {
    cpuk_context *context;
    const int32_t *ids;
    const cpuk_weight *table;
    float scale;
    bool accumulate;
    cpuk_rows x, output;
    int64_t rows, columns, tasks;
} lookup_job;

static int64_t first_outside(const int32_t *numbers, int64_t count, int64_t end) {
    for (int64_t i = 0; i < count; i++)
        if (numbers[i] < 0 || numbers[i] >= end) return i;
    return -1;
}

static void embed_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const lookup_job *job = argument;
    const cpuk_weight *table = job->table;
    FOR_EACH_ROW(job, task, t) {
        int64_t id = job->ids[t];
        const cpuk_weight_part *part = table->parts;
        for (; id >= part->rows; part++) id -= part->rows;
        job->context->kernels->embed_row(
            table->format, (const char *)part->data + id * table->row_bytes,
            part->scales ? job->scale * part->scales[id] : job->scale, table->columns, job->accumulate,
            job->output.data + t * job->output.stride);
    }
}

int64_t cpuk_embed(
    cpuk_context *context, const int32_t *ids, int64_t tokens, const cpuk_weight *table, float scale,
    bool accumulate, cpuk_rows output) {
    int64_t bad = first_outside(ids, tokens, table->rows);
    if (bad >= 0 || tokens == 0) return bad;
    lookup_job job = {.context = context, .ids = ids, .table = table, .scale = scale, .accumulate = accumulate,
                      .output = output, .rows = tokens, .columns = table->columns};
    job.tasks = task_count(context, tokens, table->columns * 8);
    run_tasks(context, embed_task, &job, job.tasks, tokens * table->columns * 8);
    return -1;
}

static void gather_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const lookup_job *job = argument;
    FOR_EACH_ROW(job, task, i)
        memcpy(
            job->output.data + i * job->output.stride, job->x.data + job->ids[i] * job->x.stride,
            (size_t)job->columns * sizeof(float));
}

int64_t cpuk_gather_rows(
    cpuk_context *context, cpuk_rows x, int64_t x_rows, int64_t columns, const int32_t *rows, int64_t count,
    cpuk_rows output) {
    int64_t bad = first_outside(rows, count, x_rows);
    if (bad >= 0 || count == 0) return bad;
    lookup_job job = {.context = context, .ids = rows, .x = x, .output = output, .rows = count, .columns = columns};
    job.tasks = task_count(context, count, columns * 8);
    run_tasks(context, gather_task, &job, job.tasks, count * columns * 8);
    return -1;
}

// ---- Experts

typedef struct {
    cpuk_context *context;
    cpuk_rows x, residual, output;
    const float *weights;
    int64_t choices, columns, rows, tasks;
} combine_job;

static void combine_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const combine_job *job = argument;
    FOR_EACH_ROW(job, task, t)
        job->context->kernels->weighted_sum_row(
            job->x.data + t * job->choices * job->x.stride, job->x.stride, job->weights + t * job->choices,
            job->choices, job->columns, job->residual.data ? job->residual.data + t * job->residual.stride : NULL,
            job->output.data + t * job->output.stride);
}

void cpuk_combine_experts(
    cpuk_context *context, cpuk_rows x, const float *weights, int64_t tokens, int64_t choices, int64_t columns,
    cpuk_rows residual, cpuk_rows output) {
    if (tokens == 0) return;
    const int64_t row_bytes = columns * 4 * (choices + 2);
    combine_job job = {.context = context, .x = x, .residual = residual, .output = output, .weights = weights,
                       .choices = choices, .columns = columns, .rows = tokens};
    job.tasks = task_count(context, tokens, row_bytes);
    run_tasks(context, combine_task, &job, job.tasks, tokens * row_bytes);
}
