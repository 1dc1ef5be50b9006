// Splits matrix products over the threads. A row's result does not depend on how many there are.
#include "context.h"

enum {
    /// Outputs of one step, whose weights stay in the second-level cache while tokens pass.
    ROW_STEP = 64,
    /// Floats of a cache line.
    LINE_FLOATS = 16,
    /// Bytes of activations that stay there too while rows pass.
    TOKEN_BLOCK_BYTES = 192 * 1024,
    /// Fewer tokens than this are faster without a library's packing.
    MIN_SGEMM_TOKENS = 32,
};

typedef struct {
    cpuk_context *context;
    const cpuk_matmul_args *args;
    epilogue epilogue;
    /// Output columns, and how many a task takes.
    int64_t outputs, outputs_per_task;
    /// Pieces the tokens are cut into, where outputs alone make too few tasks.
    int64_t token_splits;
    /// Tokens whose activations are kept in cache.
    int64_t block_tokens;
} matmul_job;

// Calls `body` for each piece of rows `n0..<n0 + count` that lies in one part.
#define FOR_EACH_PIECE(weight, n0, count, body)                                                                       \
    {                                                                                                                 \
        int64_t part_begin = 0;                                                                                       \
        for (int64_t part_index = 0; part_index < (weight)->part_count; part_index++) {                              \
            const cpuk_weight_part *part = &(weight)->parts[part_index];                                              \
            int64_t begin = at_least(n0, part_begin), end = at_most((n0) + (count), part_begin + part->rows);         \
            if (begin < end) {                                                                                        \
                int64_t in_part = begin - part_begin, piece = end - begin, offset = begin - (n0);                     \
                const char *rows = (const char *)part->data + in_part * (weight)->row_bytes;                          \
                const float *scales = part->scales ? part->scales + in_part : NULL;                                   \
                body                                                                                                  \
            }                                                                                                         \
            part_begin += part->rows;                                                                                 \
        }                                                                                                             \
    }

static void dot(const matmul_job *job, int64_t n0, int64_t count, int64_t t0, int64_t tokens, float *y, int64_t ldy) {
    const cpuk_matmul_args *args = job->args;
    const cpuk_weight *weight = args->weight;
    const float *x = args->x.data + t0 * args->x.stride;
    FOR_EACH_PIECE(weight, n0, count, {
        job->context->kernels->dot_rows(
            weight->format, rows, weight->row_bytes, scales, piece, x, args->x.stride, tokens, weight->columns,
            y + offset, ldy);
    })
}

static void finish(
    const matmul_job *job, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy) {
    const cpuk_matmul_args *args = job->args;
    for (int64_t t = 0; t < tokens; t++) {
        int64_t row = t0 + t;
        const float *residual = args->residual.data ? args->residual.data + row * args->residual.stride + n0 : NULL;
        job->context->kernels->finish_row(
            &job->epilogue, n0, count, y + t * ldy, up + t * ldy, residual,
            args->output.data + row * args->output.stride + n0);
    }
}

static void multiply_step(const matmul_job *job, int64_t n, int64_t count, int64_t first, int64_t tokens) {
    const int64_t per_group = tokens <= MAX_ROW_TOKENS ? MAX_ROW_TOKENS : job->context->kernels->group_tokens;
    const int64_t groups = divide_up(tokens, per_group);
    float y[MAX_ROW_TOKENS * ROW_STEP], up[MAX_ROW_TOKENS * ROW_STEP];
    for (int64_t group = 0; group < groups; group++) {
        int64_t t0 = group * tokens / groups, t1 = (group + 1) * tokens / groups;
        dot(job, n, count, first + t0, t1 - t0, y, ROW_STEP);
        if (job->epilogue.gated) dot(job, job->outputs + n, count, first + t0, t1 - t0, up, ROW_STEP);
        finish(job, n, count, first + t0, t1 - t0, y, up, ROW_STEP);
    }
}

static void matmul_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const matmul_job *job = argument;
    const int64_t split = task % job->token_splits, begin = task / job->token_splits * job->outputs_per_task;
    const int64_t count = at_most(job->outputs_per_task, job->outputs - begin);
    const int64_t first = split * job->args->tokens / job->token_splits;
    const int64_t tokens = (split + 1) * job->args->tokens / job->token_splits - first;
    // Blocks and steps of even size: a short last one would read as much for less.
    const int64_t blocks = divide_up(tokens, job->block_tokens), steps = divide_up(count, ROW_STEP);
    const int64_t step_rows = divide_up(divide_up(count, steps), LINE_FLOATS) * LINE_FLOATS;
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t t0 = block * tokens / blocks, t1 = (block + 1) * tokens / blocks;
        for (int64_t n = 0; n < count; n += step_rows)
            multiply_step(job, begin + n, at_most(step_rows, count - n), first + t0, t1 - t0);
    }
}

// The same by a BLAS library on this thread alone, from a whole slice of outputs into scratch.
static void sgemm_task(void *argument, int64_t task, int worker) {
    enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
    const matmul_job *job = argument;
    const cpuk_matmul_args *args = job->args;
    const cpuk_weight *weight = args->weight;
    const int64_t n = task * SGEMM_OUTPUTS, count = at_most(SGEMM_OUTPUTS, job->outputs - n);
    float *products = thread_scratch(job->context, worker);
    for (int64_t t = 0; t < args->tokens; t += SGEMM_TOKENS) {
        const int tokens = (int)at_most(SGEMM_TOKENS, args->tokens - t), columns = (int)weight->columns;
        const float *x = args->x.data + t * args->x.stride;
        for (int half = 0; half < (args->gated ? 2 : 1); half++) {
            float *y = products + half * SGEMM_TOKENS * SGEMM_OUTPUTS;
            FOR_EACH_PIECE(weight, half * job->outputs + n, count, {
                (void)scales;
                job->context->sgemm(
                    ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, tokens, (int)piece, columns, 1, x, (int)args->x.stride,
                    (const float *)rows, columns, 0, y + offset, SGEMM_OUTPUTS);
            })
        }
        finish(job, n, count, t, tokens, products, products + SGEMM_TOKENS * SGEMM_OUTPUTS, SGEMM_OUTPUTS);
    }
}

static bool takes_sgemm(const cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    if (!context->sgemm || weight->format != CPUK_F32 || args->tokens < MIN_SGEMM_TOKENS) return false;
    if (weight->columns < 1 || weight->columns > INT32_MAX || args->x.stride > INT32_MAX) return false;
    for (int64_t part = 0; part < weight->part_count; part++)
        if ((uintptr_t)weight->parts[part].data % sizeof(float) != 0) return false;
    return true;
}

// Outputs of a task, for about `tasks` of them: whole cache lines of each row, so that threads do not write to the
// same ones, and so that threads that are equally fast end together.
static int64_t outputs_per_task(const matmul_job *job, int64_t tasks) {
    const int64_t threads = pool_threads(job->context->pool);
    const int64_t most = divide_up(divide_up(job->outputs, tasks), LINE_FLOATS);
    int64_t best = most, least = INT64_MAX;
    for (int64_t lines = most; lines > 0 && 2 * lines >= most; lines--) {
        const int64_t rounds = divide_up(divide_up(job->outputs, lines * LINE_FLOATS), threads);
        if (rounds * lines >= least) continue;
        best = lines;
        least = rounds * lines;
    }
    return best * LINE_FLOATS;
}

void cpuk_matmul(cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    matmul_job job = {.context = context, .args = args};
    job.outputs = args->gated ? weight->rows / 2 : weight->rows;
    job.epilogue = (epilogue){
        .bias = args->bias, .gate_bias = args->bias && args->gated ? args->bias + job.outputs : NULL,
        .activation = args->activation, .gated = args->gated};
    if (args->tokens == 0 || job.outputs == 0) return;
    if (takes_sgemm(context, args)) {
        pool_run(context->pool, sgemm_task, &job, divide_up(job.outputs, SGEMM_OUTPUTS));
        return;
    }
    const int64_t row_bytes = weight->row_bytes * (args->gated ? 2 : 1), group = context->kernels->group_tokens;
    // Time goes by bytes for few tokens and by products for many.
    const int64_t cost = row_bytes * at_least(1, args->tokens / 4);
    int64_t tasks = task_count(context, job.outputs, cost);
    job.outputs_per_task = outputs_per_task(&job, tasks);
    tasks = divide_up(job.outputs, job.outputs_per_task);
    const int64_t wanted = 2 * (int64_t)pool_threads(context->pool);
    job.token_splits = tasks >= wanted ? 1 : at_least(1, at_most(wanted / tasks, args->tokens / (4 * group)));
    job.block_tokens = at_least(group, TOKEN_BLOCK_BYTES / at_least(4, weight->columns * 4) / group * group);
    run_tasks(context, matmul_task, &job, tasks * job.token_splits, job.outputs * cost);
}
