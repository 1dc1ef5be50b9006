// Splits attention over plain rows over the threads: tiles of queries of one head.
#include "context.h"

typedef struct {
    cpuk_context *context;
    const cpuk_encoder_attention_args *args;
    /// For each sequence: its first task.
    int64_t *first_task;
} encoder_job;

static int64_t queries_of(const cpuk_encoder_attention_args *args, int64_t s) {
    return args->query_offsets[s + 1] - args->query_offsets[s];
}

static int64_t keys_of(const cpuk_encoder_attention_args *args, int64_t s) {
    return args->key_ranges[2 * s + 1] - args->key_ranges[2 * s];
}

static cpuk_attention_status check(const cpuk_encoder_attention_args *args, int64_t s) {
    const int64_t begin = args->query_offsets[s], end = args->query_offsets[s + 1];
    if (begin < 0 || end < begin || end > args->tokens) return CPUK_ATTENTION_BAD_OFFSETS;
    if (end == begin) return CPUK_ATTENTION_OK;
    const int64_t first = args->key_ranges[2 * s], last = args->key_ranges[2 * s + 1];
    if (first < 0 || last <= first || last > args->key_rows) return CPUK_ATTENTION_BAD_CONTEXT;
    return args->causal && last - first < end - begin ? CPUK_ATTENTION_BAD_CONTEXT : CPUK_ATTENTION_OK;
}

static void encoder_task(void *argument, int64_t task, int worker) {
    const encoder_job *job = argument;
    const cpuk_encoder_attention_args *args = job->args;
    int64_t low = 0, high = args->sequences;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (job->first_task[middle] <= task) low = middle;
        else high = middle;
    }
    const int64_t index = task - job->first_task[low], first = index / args->heads * ATTENTION_QUERY_TILE;
    job->context->kernels->encoder_attention(
        args, low, index % args->heads, first, at_most(ATTENTION_QUERY_TILE, queries_of(args, low) - first),
        thread_scratch(job->context, worker));
}

cpuk_attention_status cpuk_encoder_attention(
    cpuk_context *context, const cpuk_encoder_attention_args *args, int64_t *sequence) {
    if (args->sequences > context->scratch.limits.sequences) return CPUK_ATTENTION_OVER_LIMIT;
    encoder_job job = {.context = context, .args = args, .first_task = context->scratch.sequence_starts};
    int64_t tasks = 0, bytes = 0;
    for (int64_t s = 0; s < args->sequences; s++) {
        *sequence = s;
        const cpuk_attention_status status = check(args, s);
        if (status != CPUK_ATTENTION_OK) return status;
        const int64_t queries = queries_of(args, s);
        job.first_task[s] = tasks;
        tasks += args->heads * divide_up(queries, ATTENTION_QUERY_TILE);
        if (queries > 0) bytes += keys_of(args, s) * args->head_size * args->heads * 8 * divide_up(queries, 16);
    }
    run_tasks(context, encoder_task, &job, tasks, bytes);
    return CPUK_ATTENTION_OK;
}
