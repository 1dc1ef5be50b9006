// The largest element of rows, and the largest few: each chunk of columns keeps a heap of its best, which are merged
// and sorted.
#include "../kernels/top_k_heap.h"
#include "columns.h"
#include "context.h"

#include <stdlib.h>

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
    job->best[task] = begin + job->context->rows->argmax(job->x + begin, count);
}

void cpuk_argmax(cpuk_context *context, cpuk_rows x, int64_t rows, int64_t columns, int32_t *indices) {
    argmax_job job = {.context = context, .columns = columns, .chunk = column_chunk(columns)};
    int64_t chunks = divide_up(columns, job.chunk);
    for (int64_t row = 0; row < rows; row++) {
        job.x = x.data + row * x.stride;
        run_tasks(context->pool, argmax_task, &job, chunks, columns * 4);
        int64_t best = job.best[0];
        for (int64_t i = 1; i < chunks; i++) {
            float candidate = job.x[job.best[i]], top = job.x[best];
            if (candidate > top || (top != top && candidate == candidate)) best = job.best[i];
        }
        indices[row] = (int32_t)best;
    }
}

enum { MAX_HEAPS = 16, HEAP_CHUNK = 16384 };

typedef struct {
    cpuk_context *context;
    const float *x;
    int64_t columns, count, chunk;
    int64_t heaps[MAX_HEAPS][CPUK_MAX_TOP_K];
    int64_t heap_counts[MAX_HEAPS];
} top_k_job;

static void scan_task(void *argument, int64_t task, int worker) {
    (void)worker;
    top_k_job *job = argument;
    int64_t begin = task * job->chunk, columns = at_most(job->chunk, job->columns - begin);
    job->heap_counts[task] =
        job->context->rows->top_k_scan(job->x + begin, columns, begin, job->count, job->heaps[task], 0);
}

static int larger_first(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

void cpuk_top_k(
    cpuk_context *context, cpuk_rows x, int64_t rows, int64_t columns, int64_t count, cpuk_rows values,
    int32_t *indices, int64_t index_stride) {
    top_k_job job = {.context = context, .columns = columns, .count = count};
    job.chunk = at_least(HEAP_CHUNK, divide_up(columns, MAX_HEAPS));
    int64_t chunks = divide_up(columns, job.chunk);
    for (int64_t row = 0; row < rows; row++) {
        job.x = x.data + row * x.stride;
        run_tasks(context->pool, scan_task, &job, chunks, columns * 4);
        int64_t *heap = job.heaps[0], heap_count = job.heap_counts[0];
        for (int64_t i = 1; i < chunks; i++) {
            for (int64_t j = 0; j < job.heap_counts[i]; j++) {
                if (heap_count < count) heap_push(heap, heap_count++, job.heaps[i][j]);
                else if (job.heaps[i][j] > heap[0]) heap_replace(heap, heap_count, job.heaps[i][j]);
            }
        }
        qsort(heap, (size_t)heap_count, sizeof *heap, larger_first);
        for (int64_t i = 0; i < heap_count; i++) {
            int64_t column = selection_column(heap[i]);
            values.data[row * values.stride + i] = job.x[column];
            indices[row * index_stride + i] = (int32_t)column;
        }
    }
}
