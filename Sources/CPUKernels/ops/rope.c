// Rotary embedding.
#include "rope.h"

int64_t bad_position(const cpuk_rope_args *rope, int64_t tokens) {
    for (int64_t t = 0; t < tokens; t++)
        if (rope->positions[t] < 0 || rope->positions[t] >= rope->table_rows) return t;
    return -1;
}

void rotate(
    const cpuk_context *context, const cpuk_rope_args *rope, int64_t token, int64_t head_size, const float *x,
    float *output) {
    int64_t pairs = rope->rotary_size / 2;
    const float *cosines = rope->table + rope->positions[token] * rope->rotary_size;
    context->rows->rope_head(
        x, head_size, cosines, cosines + pairs, rope->rotary_size, rope->interleaved, output);
}

typedef struct {
    cpuk_context *context;
    const cpuk_rope_args *rope;
    cpuk_rows x;
    int64_t heads, head_size, tokens, tasks;
} rope_job;

static void rope_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const rope_job *job = argument;
    const index_range range = task_range(task, job->tasks, job->tokens);
    for (int64_t t = range.begin; t < range.end; t++) {
        for (int64_t head = 0; head < job->heads; head++) {
            float *x = job->x.data + t * job->x.stride + head * job->head_size;
            rotate(job->context, job->rope, t, job->head_size, x, x);
        }
    }
}

int64_t cpuk_rope(
    cpuk_context *context, cpuk_rows x, int64_t tokens, int64_t heads, int64_t head_size, const cpuk_rope_args *rope) {
    int64_t bad = bad_position(rope, tokens);
    if (bad >= 0 || tokens == 0) return bad;
    rope_job job = {.context = context, .rope = rope, .x = x, .heads = heads, .head_size = head_size, .tokens = tokens};
    job.tasks = task_count(thread_count(context), tokens, heads * head_size * 16);
    run_tasks(context->pool, rope_task, &job, job.tasks, tokens * heads * head_size * 16);
    return -1;
}
