// What one backend owns: threads, kernels, scratch.
#pragma once
#include "CPUKernels.h"
#include "kernels.h"
#include "pool.h"

/// Outputs and tokens of one product that is left to a BLAS library.
enum { SGEMM_OUTPUTS = 128, SGEMM_TOKENS = 512 };

typedef struct {
    cpuk_limits limits;
    /// The partial results of attention.
    float *shared;
    int64_t shared_count;
    /// First task and first partial result of each sequence.
    int64_t *sequence_starts;
    /// The rounded activations of a matrix product.
    char *activations;
    /// One piece a thread, for a tile of attention, a panel of weights, or the products of a BLAS library.
    char *thread_memory;
    int64_t thread_bytes;
} scratch_memory;

struct cpuk_context {
    pool *pool;
    const kernel_table *kernels;
    /// Products of rounded activations; NULL where the processor has no instructions for them.
    const reduced_kernels *bf16, *integer;
    cpuk_sgemm sgemm;
    scratch_memory scratch;
};

static inline void *thread_scratch(const cpuk_context *context, int worker) {
    return context->scratch.thread_memory + worker * context->scratch.thread_bytes;
}

static inline int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Work that touches fewer bytes (some microseconds) is not worth another thread.
enum { MIN_PARALLEL_BYTES = 48 * 1024 };

/// Runs tasks on all threads, or on the caller alone where so few `bytes` are touched that waking costs more.
static inline void run_tasks(cpuk_context *context, pool_task task, void *job, int64_t count, int64_t bytes) {
    if (bytes >= MIN_PARALLEL_BYTES) {
        pool_run(context->pool, task, job, count);
        return;
    }
    for (int64_t index = 0; index < count; index++) task(job, index, 0);
}

/// Tasks to cut `count` rows of `bytes` each into: a few a thread, so that a thread that was held up does not hold up
/// the rest, but none under the size that pays.
static inline int64_t task_count(const cpuk_context *context, int64_t count, int64_t bytes) {
    int64_t most = at_least(1, count * bytes / (MIN_PARALLEL_BYTES / 2));
    return at_least(1, at_most(at_most(count, most), 4 * (int64_t)pool_threads(context->pool)));
}
