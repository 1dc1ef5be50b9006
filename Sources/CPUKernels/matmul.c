// Matrix products: chooses the kernels, and splits products of few tokens over the threads. A row's result does not
// depend on how many threads there are.
#include "matmul.h"

enum {
    /// Outputs of one step, whose products wait on the stack for their end.
    ROW_STEP = 64,
    /// Floats of a cache line.
    LINE_FLOATS = 16,
    /// Fewer tokens than this are faster without a library's packing.
    MIN_SGEMM_TOKENS = 32,
    /// Fewer tokens than this are faster from rows where they lie: of formats that are read quickly; of those whose
    /// reading should serve all tokens.
    MIN_PANEL_TOKENS = 128,
    MIN_UNPACKED_TOKENS = MAX_ROW_TOKENS + 1,
};

typedef struct {
    const matmul_job *job;
    int64_t outputs_per_task;
} row_job;

static void dot(const matmul_job *job, int64_t n0, int64_t count, int64_t t0, int64_t tokens, float *y, int64_t ldy) {
    const cpuk_matmul_args *args = job->args;
    const cpuk_weight *weight = args->weight;
    const float *x = args->x.data + t0 * args->x.stride;
    const activation_records records = {
        .data = job->x.data + t0 * job->x.stride, .stride = job->x.stride, .columns = job->x.columns};
    FOR_EACH_PIECE(weight, n0, count, {
        if (job->reduced)
            job->reduced->dot_rows(
                weight->format, rows, weight->row_bytes, scales, piece, &records, tokens, y + offset, ldy);
        else
            job->context->kernels->dot_rows(
                weight->format, rows, weight->row_bytes, scales, piece, x, args->x.stride, tokens, weight->columns,
                y + offset, ldy);
    })
}

void finish_products(
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

static void multiply_step(const matmul_job *job, int64_t n, int64_t count) {
    const int64_t tokens = job->args->tokens;
    const int64_t per_group = tokens <= MAX_ROW_TOKENS ? MAX_ROW_TOKENS : job->context->kernels->group_tokens;
    const int64_t groups = divide_up(tokens, per_group);
    float y[MAX_ROW_TOKENS * ROW_STEP], up[MAX_ROW_TOKENS * ROW_STEP];
    for (int64_t group = 0; group < groups; group++) {
        int64_t t0 = group * tokens / groups, t1 = (group + 1) * tokens / groups;
        dot(job, n, count, t0, t1 - t0, y, ROW_STEP);
        if (job->epilogue.gated) dot(job, job->outputs + n, count, t0, t1 - t0, up, ROW_STEP);
        finish_products(job, n, count, t0, t1 - t0, y, up, ROW_STEP);
    }
}

static void row_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *rows = argument;
    const int64_t begin = task * rows->outputs_per_task;
    const int64_t count = at_most(rows->outputs_per_task, rows->job->outputs - begin);
    // Steps of even size: a short last one would read as much for less.
    const int64_t steps = divide_up(count, ROW_STEP);
    const int64_t step_rows = divide_up(divide_up(count, steps), LINE_FLOATS) * LINE_FLOATS;
    for (int64_t n = 0; n < count; n += step_rows)
        multiply_step(rows->job, begin + n, at_most(step_rows, count - n));
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

static void multiply_rows(const matmul_job *job) {
    // Time goes by bytes for few tokens and by products for more.
    const int64_t row_bytes = job->args->weight->row_bytes * (job->args->gated ? 2 : 1);
    const int64_t cost = row_bytes * at_least(1, job->args->tokens / 4);
    row_job rows = {.job = job};
    rows.outputs_per_task = outputs_per_task(job, task_count(job->context, job->outputs, cost));
    const int64_t tasks = divide_up(job->outputs, rows.outputs_per_task);
    run_tasks(job->context, row_task, &rows, tasks, job->outputs * cost);
}

// ---- By a BLAS library, each task on its thread alone, from a whole slice of outputs into scratch

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
        finish_products(job, n, count, t, tokens, products, products + SGEMM_TOKENS * SGEMM_OUTPUTS, SGEMM_OUTPUTS);
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

// ---- The choice

static const reduced_kernels *reduced_for(const cpuk_context *context, const cpuk_weight *weight, bool few) {
    if (!weight->reduced) return NULL;
    if (context->bf16 && context->bf16->takes(weight->format, few)) return context->bf16;
    if (context->integer && context->integer->takes(weight->format, few)) return context->integer;
    return NULL;
}

static bool are_few(const cpuk_context *context, const cpuk_matmul_args *args) {
    const reduced_kernels *many = reduced_for(context, args->weight, false);
    if (many) return args->tokens < many->strips.min_tokens;
    return args->tokens < (args->weight->format > CPUK_Q8_0 ? MIN_UNPACKED_TOKENS : MIN_PANEL_TOKENS);
}

void cpuk_matmul(cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    matmul_job job = {.context = context, .args = args};
    job.outputs = args->gated ? weight->rows / 2 : weight->rows;
    job.epilogue = (epilogue){
        .bias = args->bias, .gate_bias = args->bias && args->gated ? args->bias + job.outputs : NULL,
        .activation = args->activation, .gated = args->gated};
    if (args->tokens == 0 || job.outputs == 0) return;
    const bool few = are_few(context, args);
    job.reduced = reduced_for(context, weight, few);
    if (job.reduced) {
        round_activations(&job, few);
    } else {
        job.x = (activation_records){
            .data = (const char *)args->x.data, .stride = args->x.stride * (int64_t)sizeof(float),
            .columns = weight->columns};
        if (takes_sgemm(context, args)) {
            pool_run(context->pool, sgemm_task, &job, divide_up(job.outputs, SGEMM_OUTPUTS));
            return;
        }
    }
    if (few) multiply_rows(&job);
    else if (job.reduced) multiply_strips(&job);
    else multiply_panels(&job);
}
