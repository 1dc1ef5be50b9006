// Products of many tokens: each task packs one panel of weights after another and multiplies it with its tokens.
#include "matmul.h"

typedef struct {
    const matmul_job *job;
    const panel_kernels *kernels;
    /// Panels of rows, and pieces the tokens are cut into.
    int64_t steps, splits;
} panel_job;

typedef struct {
    float *y, *up;
    void *panel;
} panel_scratch;

enum { PRODUCTS_BYTES = PANEL_BLOCK_TOKENS * PANEL_ROWS * sizeof(float) };

static int64_t panel_bytes(const reduced_kernels *kernels) { return kernels ? kernels->panels.panel_bytes : 0; }

int64_t panel_scratch_bytes(const cpuk_context *context) {
    const int64_t reduced = at_least(panel_bytes(context->bf16), panel_bytes(context->integer));
    return 2 * PRODUCTS_BYTES + at_least(context->kernels->panels.panel_bytes, reduced);
}

static int64_t record_bytes(const reduced_kernels *kernels, int64_t columns, bool few) {
    return kernels ? kernels->record_bytes(columns, few) : 0;
}

int64_t activation_scratch_bytes(const cpuk_context *context, int64_t tokens, int64_t columns) {
    // A record is less than four bytes an element and a little.
    if (tokens < 0 || columns < 0 || columns > INT64_MAX / 8 - 1024) return -1;
    const int64_t many = at_least(
        record_bytes(context->bf16, columns, false), record_bytes(context->integer, columns, false));
    const int64_t few = at_least(
        record_bytes(context->bf16, columns, true), record_bytes(context->integer, columns, true));
    int64_t bytes;
    if (__builtin_mul_overflow(many, tokens, &bytes) || bytes > INT64_MAX / 2) return -1;
    return at_least(bytes, few * MAX_ROW_TOKENS);
}

static panel_rows rows_of(const cpuk_weight *weight, int64_t n, int64_t count) {
    panel_rows result = {.format = weight->format, .columns = weight->columns, .count = count};
    FOR_EACH_PIECE(weight, n, count, {
        for (int64_t i = 0; i < piece; i++) {
            result.rows[offset + i] = rows + i * weight->row_bytes;
            if (scales) result.scales[offset + i] = scales[i];
        }
    })
    return result;
}

// The products of rows `n..<n + count` with some tokens.
static void multiply(
    const panel_job *job, int64_t n, int64_t count, const activation_records *x, int64_t tokens, void *panel,
    float *y) {
    const cpuk_weight *weight = job->job->args->weight;
    const panel_rows rows = rows_of(weight, n, count);
    for (int64_t k = 0; k < weight->columns; k += job->kernels->depth) {
        const int64_t depth = at_most(job->kernels->depth, weight->columns - k);
        job->kernels->pack(&rows, k, depth, panel);
        job->kernels->multiply(&rows, panel, x, tokens, k, depth, y);
    }
}

static void panel_task(void *argument, int64_t task, int worker) {
    const panel_job *panels = argument;
    const matmul_job *job = panels->job;
    char *memory = thread_scratch(job->context, worker);
    const panel_scratch scratch = {
        .y = (float *)memory, .up = (float *)(memory + PRODUCTS_BYTES), .panel = memory + 2 * PRODUCTS_BYTES};
    const int64_t n = task / panels->splits * PANEL_ROWS, count = at_most(PANEL_ROWS, job->outputs - n);
    const int64_t split = task % panels->splits, all = job->args->tokens;
    const int64_t t = split * all / panels->splits, tokens = (split + 1) * all / panels->splits - t;
    const activation_records x = {
        .data = job->x.data + t * job->x.stride, .stride = job->x.stride, .columns = job->x.columns};
    multiply(panels, n, count, &x, tokens, scratch.panel, scratch.y);
    if (job->epilogue.gated) multiply(panels, job->outputs + n, count, &x, tokens, scratch.panel, scratch.up);
    finish_products(job, n, count, t, tokens, scratch.y, scratch.up, PANEL_ROWS);
}

// The fewest pieces of the tokens that keep all threads busy to the end.
static int64_t token_splits(int64_t steps, int64_t tokens, int64_t threads) {
    enum { LEAST_TOKENS = 48 };
    const int64_t fewest = divide_up(tokens, PANEL_BLOCK_TOKENS);
    int64_t best = fewest;
    double best_share = 0;
    for (int64_t splits = fewest; splits == fewest || tokens / splits >= LEAST_TOKENS; splits++) {
        const int64_t tasks = steps * splits;
        const double share = (double)tasks / (double)(divide_up(tasks, threads) * threads);
        if (share <= best_share + 0.02) continue;
        best = splits;
        best_share = share;
    }
    return best;
}

void multiply_panels(const matmul_job *job) {
    panel_job panels = {.job = job, .kernels = &job->context->kernels->panels};
    if (job->reduced) panels.kernels = &job->reduced->panels;
    panels.steps = divide_up(job->outputs, PANEL_ROWS);
    panels.splits = token_splits(panels.steps, job->args->tokens, pool_threads(job->context->pool));
    const int64_t bytes = job->args->weight->columns * job->args->weight->rows * at_least(1, job->args->tokens / 4);
    run_tasks(job->context, panel_task, &panels, panels.steps * panels.splits, bytes);
}

typedef struct {
    matmul_job *job;
    char *records;
    bool few;
} rounding_job;

static void round_task(void *argument, int64_t token, int worker) {
    (void)worker;
    const rounding_job *rounding = argument;
    const cpuk_matmul_args *args = rounding->job->args;
    rounding->job->reduced->convert(
        args->weight->format, args->x.data + token * args->x.stride, args->weight->columns, rounding->few,
        rounding->records + token * rounding->job->x.stride);
}

void round_activations(matmul_job *job, bool few) {
    const int64_t columns = job->args->weight->columns, tokens = job->args->tokens;
    rounding_job rounding = {.job = job, .records = job->context->scratch.activations, .few = few};
    job->x = (activation_records){
        .data = rounding.records, .stride = job->reduced->record_bytes(columns, few), .columns = columns};
    run_tasks(job->context, round_task, &rounding, tokens, tokens * columns);
}
