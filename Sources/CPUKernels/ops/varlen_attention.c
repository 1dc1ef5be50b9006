// Varlen attention is cut into tiles of queries of one head.
#include "attention.h"

typedef struct {
    cpuk_context *context;
    const cpuk_varlen_attention_args *args;
    /// For each sequence: its first task.
    int64_t *first_task;
} varlen_job;

static int64_t queries_of(const cpuk_varlen_attention_args *args, int64_t s) {
    return args->query_offsets[s + 1] - args->query_offsets[s];
}

static int64_t keys_of(const cpuk_varlen_attention_args *args, int64_t s) {
    return args->key_ranges[2 * s + 1] - args->key_ranges[2 * s];
}

static cpuk_attention_status check(const cpuk_varlen_attention_args *args, int64_t s) {
    const int64_t begin = args->query_offsets[s], end = args->query_offsets[s + 1];
    if (begin < 0 || end < begin || end > args->tokens) return CPUK_ATTENTION_BAD_OFFSETS;
    if (end == begin) return CPUK_ATTENTION_OK;
    const int64_t first = args->key_ranges[2 * s], last = args->key_ranges[2 * s + 1];
    if (first < 0 || last <= first || last > args->key_rows) return CPUK_ATTENTION_BAD_CONTEXT;
    return args->causal && last - first < end - begin ? CPUK_ATTENTION_BAD_CONTEXT : CPUK_ATTENTION_OK;
}

static void varlen_task(void *argument, int64_t task, int worker) {
    const varlen_job *job = argument;
    const cpuk_varlen_attention_args *args = job->args;
    const int64_t s = sequence_of_task(job->first_task, args->sequences, task);
    const int64_t index = task - job->first_task[s], first = index / args->heads * ATTENTION_QUERY_TILE;
    job->context->attention->varlen(
        args, s, index % args->heads, first, at_most(ATTENTION_QUERY_TILE, queries_of(args, s) - first),
        thread_scratch(&job->context->scratch, worker));
}

cpuk_attention_status cpuk_varlen_attention(
    cpuk_context *context, const cpuk_varlen_attention_args *args, int64_t *sequence) {
    if (args->sequences > context->limits.sequences) return CPUK_ATTENTION_OVER_LIMIT;
    varlen_job job = {.context = context, .args = args, .first_task = context->scratch.starts};
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
    run_tasks(context->pool, varlen_task, &job, tasks, bytes);
    return CPUK_ATTENTION_OK;
}
