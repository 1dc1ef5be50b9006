// Ops that take one row at a time: a job of rows that is cut into tasks.
#pragma once
#include "context.h"

typedef struct {
    const cpuk_context *context;
    /// The op's arguments.
    const void *args;
    int64_t rows, tasks;
} row_job;

/// Runs `task` over `rows` rows of about `row_bytes` bytes each; the task's job is a `row_job`.
static inline void run_rows(
    const cpuk_context *context, pool_task task, const void *args, int64_t rows, int64_t row_bytes) {
    if (rows == 0) return;
    row_job job = {.context = context, .args = args, .rows = rows};
    job.tasks = task_count(thread_count(context), rows, row_bytes);
    run_tasks(context->pool, task, &job, job.tasks, rows * row_bytes);
}

#define FOR_EACH_ROW(job, task, row)                                                                                  \
    for (index_range row##_range = task_range(task, (job)->tasks, (job)->rows); row##_range.begin < row##_range.end;  \
         row##_range.begin = row##_range.end)                                                                         \
        for (int64_t row = row##_range.begin; row < row##_range.end; row++)
