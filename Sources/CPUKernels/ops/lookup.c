// Rows of tables by their numbers, and the sum over the experts of a token.
#include "row_job.h"

#include <string.h>

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
        job->context->rows->embed(
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
    job.tasks = task_count(thread_count(context), tokens, table->columns * 8);
    run_tasks(context->pool, embed_task, &job, job.tasks, tokens * table->columns * 8);
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
    job.tasks = task_count(thread_count(context), count, columns * 8);
    run_tasks(context->pool, gather_task, &job, job.tasks, count * columns * 8);
    return -1;
}

typedef struct {
    cpuk_context *context;
    cpuk_rows x, residual, output;
    const float *weights;
    int64_t experts, columns, rows, tasks;
} combine_job;

static void combine_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const combine_job *job = argument;
    FOR_EACH_ROW(job, task, t)
        job->context->rows->weighted_sum(
            job->x.data + t * job->experts * job->x.stride, job->x.stride, job->weights + t * job->experts,
            job->experts, job->columns, job->residual.data ? job->residual.data + t * job->residual.stride : NULL,
            job->output.data + t * job->output.stride);
}

void cpuk_combine_experts(
    cpuk_context *context, cpuk_rows x, const float *weights, int64_t tokens, int64_t experts, int64_t columns,
    cpuk_rows residual, cpuk_rows output) {
    if (tokens == 0) return;
    const int64_t row_bytes = columns * 4 * (experts + 2);
    combine_job job = {.context = context, .x = x, .residual = residual, .output = output, .weights = weights,
                       .experts = experts, .columns = columns, .rows = tokens};
    job.tasks = task_count(thread_count(context), tokens, row_bytes);
    run_tasks(context->pool, combine_task, &job, job.tasks, tokens * row_bytes);
}
