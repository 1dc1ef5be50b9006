// Varlen attention is cut into tasks of queries of one head: all of a sequence where heads and sequences make enough
// tasks, since each packs keys and values for itself, else tiles of them.
#include "attention.h"

enum {
    /// As many tasks keep threads busy to the end.
    TASKS_PER_THREAD = 4,
    /// Of more queries packing keys takes nothing beside the products.
    MOST_QUERIES = 1024,
};

typedef struct {
    cpuk_context *context;
    const cpuk_varlen_attention_args *args;
    /// For each sequence: its first task.
    int64_t *first_task;
    /// Most queries of a task.
    int64_t task_queries;
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
    const int64_t index = task - job->first_task[s], first = index / args->heads * job->task_queries;
    job->context->attention->varlen(
        args, s, index % args->heads, first, at_most(job->task_queries, queries_of(args, s) - first),
        thread_scratch(&job->context->scratch, worker));
}

cpuk_attention_status cpuk_varlen_attention(
    cpuk_context *context, const cpuk_varlen_attention_args *args, int64_t *sequence) {
    if (args->sequences > context->limits.sequences) return CPUK_ATTENTION_OVER_LIMIT;
    const bool has_many_tasks = args->heads * args->sequences >= TASKS_PER_THREAD * thread_count(context);
    varlen_job job = {
        .context = context, .args = args, .first_task = context->scratch.starts,
        .task_queries = has_many_tasks ? MOST_QUERIES : ATTENTION_QUERY_TILE};
    int64_t tasks = 0, bytes = 0;
    for (int64_t s = 0; s < args->sequences; s++) {
        *sequence = s;
        const cpuk_attention_status status = check(args, s);
        if (status != CPUK_ATTENTION_OK) return status;
        const int64_t queries = queries_of(args, s);
        job.first_task[s] = tasks;
        tasks += args->heads * divide_up(queries, job.task_queries);
        if (queries > 0) bytes += keys_of(args, s) * args->head_size * args->heads * 8 * divide_up(queries, 16);
    }
    run_tasks(context->pool, varlen_task, &job, tasks, bytes);
    return CPUK_ATTENTION_OK;
}
