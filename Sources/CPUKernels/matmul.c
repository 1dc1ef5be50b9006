// Splits matrix products over the threads. A row's result does not depend on how many there are.
#include "context.h"

enum {
    /// Up to this many tokens, rows of weights are taken as they are; above, they are packed first.
    MAX_UNPACKED_TOKENS = 24,
    /// Outputs of one step of the unpacked product.
    ROW_STEP = 32,
    MAX_PANEL_TOKENS = 16,
    MAX_PANEL_ROWS = 32,
};

typedef struct {
    cpuk_context *context;
    const cpuk_matmul_args *args;
    epilogue epilogue;
    /// Output columns, and how many a task takes.
    int64_t outputs, outputs_per_task;
    /// Tokens `first..<first + tokens` are under way, in `panels` packed panels, split over `token_splits` tasks.
    int64_t first, tokens, panels, token_splits;
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

static void pack(const matmul_job *job, int64_t n0, int64_t count, float *panel) {
    const cpuk_weight *weight = job->args->weight;
    FOR_EACH_PIECE(weight, n0, count, {
        job->context->kernels->pack_rows(
            weight->format, rows, weight->row_bytes, scales, piece, weight->columns, panel, offset);
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

static void unpacked_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const matmul_job *job = argument;
    const int64_t tokens = job->args->tokens, groups = divide_up(tokens, MAX_ROW_TOKENS);
    float y[MAX_ROW_TOKENS * ROW_STEP], up[MAX_ROW_TOKENS * ROW_STEP];
    int64_t end = at_most((task + 1) * job->outputs_per_task, job->outputs);
    for (int64_t n = task * job->outputs_per_task; n < end; n += ROW_STEP) {
        int64_t count = at_most(end - n, ROW_STEP);
        for (int64_t group = 0; group < groups; group++) {
            int64_t t0 = group * tokens / groups, t1 = (group + 1) * tokens / groups;
            dot(job, n, count, t0, t1 - t0, y, ROW_STEP);
            if (job->epilogue.gated) dot(job, job->outputs + n, count, t0, t1 - t0, up, ROW_STEP);
            finish(job, n, count, t0, t1 - t0, y, up, ROW_STEP);
        }
    }
}

static int64_t panel_begin(const matmul_job *job, int64_t panel) { return panel * job->tokens / job->panels; }

static void pack_tokens_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const matmul_job *job = argument;
    const cpuk_rows x = job->args->x;
    int64_t begin = panel_begin(job, task), end = panel_begin(job, task + 1), columns = job->args->weight->columns;
    job->context->kernels->pack_tokens(
        x.data + (job->first + begin) * x.stride, x.stride, end - begin, columns,
        job->context->scratch.shared + begin * columns);
}

static void packed_task(void *argument, int64_t task, int worker) {
    const matmul_job *job = argument;
    const kernel_table *kernels = job->context->kernels;
    const int64_t columns = job->args->weight->columns, rows = kernels->panel_rows;
    const int64_t n = task / job->token_splits * rows, split = task % job->token_splits;
    const int64_t count = at_most(rows, job->outputs - n);
    float *panel = thread_scratch(job->context, worker), *up_panel = panel + columns * rows;
    float y[MAX_PANEL_TOKENS * MAX_PANEL_ROWS], up[MAX_PANEL_TOKENS * MAX_PANEL_ROWS];
    pack(job, n, count, panel);
    if (job->epilogue.gated) pack(job, job->outputs + n, count, up_panel);
    int64_t end = (split + 1) * job->panels / job->token_splits;
    for (int64_t p = split * job->panels / job->token_splits; p < end; p++) {
        int64_t t0 = panel_begin(job, p), tokens = panel_begin(job, p + 1) - t0;
        const float *x = job->context->scratch.shared + t0 * columns;
        kernels->multiply_panels(x, tokens, panel, columns, y, rows);
        if (job->epilogue.gated) kernels->multiply_panels(x, tokens, up_panel, columns, up, rows);
        finish(job, n, count, job->first + t0, tokens, y, up, rows);
    }
}

static void multiply_packed(matmul_job *job) {
    cpuk_context *context = job->context;
    const int64_t tokens = job->args->tokens, columns = job->args->weight->columns;
    const int64_t row_panels = divide_up(job->outputs, context->kernels->panel_rows);
    // As many pieces as keep every thread busy, each packing its own copy of the weights.
    const int64_t wanted = 4 * (int64_t)pool_threads(context->pool);
    for (job->first = 0; job->first < tokens; job->first += TOKEN_BLOCK) {
        job->tokens = at_most(tokens - job->first, TOKEN_BLOCK);
        job->panels = divide_up(job->tokens, context->kernels->panel_tokens);
        job->token_splits = at_least(1, at_most(job->panels, wanted / row_panels));
        run_tasks(context, pack_tokens_task, job, job->panels, job->tokens * columns * 4);
        run_tasks(
            context, packed_task, job, row_panels * job->token_splits, job->outputs * columns * job->tokens / 4);
    }
}

void cpuk_matmul(cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    matmul_job job = {.context = context, .args = args};
    job.outputs = args->gated ? weight->rows / 2 : weight->rows;
    job.epilogue = (epilogue){
        .bias = args->bias, .gate_bias = args->bias && args->gated ? args->bias + job.outputs : NULL,
        .activation = args->activation, .gated = args->gated};
    if (args->tokens == 0 || job.outputs == 0) return;
    if (args->tokens > MAX_UNPACKED_TOKENS) {
        multiply_packed(&job);
        return;
    }
    int64_t bytes = weight->row_bytes * (args->gated ? 2 : 1);
    int64_t tasks = task_count(context, job.outputs, bytes);
    job.outputs_per_task = divide_up(divide_up(job.outputs, tasks), 8) * 8;
    run_tasks(
        context, unpacked_task, &job, divide_up(job.outputs, job.outputs_per_task),
        job.outputs * bytes * at_least(1, args->tokens / 4));
}
