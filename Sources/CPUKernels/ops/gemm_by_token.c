// Products of activations that are quantised with one scale a token: rows are quantised first, each once, and then
// multiplied with panels of the packed weight, tile by tile with the epilogue.
#include "matmul.h"

enum {
    /// Tokens of a task at most: their rows stay in the second-level cache while panels are multiplied with them.
    TASK_TOKENS = 192,
};

typedef struct {
    const product *product;
    const token_kernel *kernel;
    char *rows;
    int64_t row_bytes;
    int64_t quantising_tasks;
    /// Tiles of tokens, tasks that share a panel, and panels.
    int64_t tiles, blocks, panels;
} token_job;

static void quantise_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const token_job *job = argument;
    const cpuk_matmul_args *args = job->product->args;
    const index_range range = task_range(task, job->quantising_tasks, args->tokens);
    for (int64_t t = range.begin; t < range.end; t++)
        job->kernel->quantise_row(
            args->x.data + t * args->x.stride, args->weight->columns, job->rows + t * job->row_bytes);
}

static void multiply_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const token_job *job = argument;
    const product *product = job->product;
    const cpuk_matmul_args *args = product->args;
    const token_kernel *kernel = job->kernel;
    const index_range tiles = task_range(task / job->panels, job->blocks, job->tiles);
    const int64_t n = task % job->panels * kernel->panel_outputs;
    const int64_t t = tiles.begin * kernel->tile_tokens;
    const token_tile tile = {
        .rows = job->rows + t * job->row_bytes, .row_bytes = job->row_bytes,
        .tokens = at_most(tiles.end * kernel->tile_tokens, args->tokens) - t, .columns = args->weight->columns,
        .blocks = packed_block(args->weight, product->packing, n),
        .gates = args->gated ? packed_block(args->weight, product->packing, product->outputs + n) : NULL,
        .block_bytes = product->packing->block_bytes(args->weight->format, args->weight->columns),
        .outputs = at_most(kernel->panel_outputs, product->outputs - n), .epilogue = &product->epilogue,
        .first_output = n,
        .target = {
            .data = args->output.data + t * args->output.stride + n, .stride = args->output.stride,
            .residual = args->residual.data ? args->residual.data + t * args->residual.stride + n : NULL,
            .residual_stride = args->residual.stride}};
    kernel->multiply(&tile);
}

void gemm_by_token(const product *product, const token_kernel *kernel) {
    const cpuk_matmul_args *args = product->args;
    const int64_t columns = args->weight->columns, threads = thread_count(product->context);
    token_job job = {
        .product = product, .kernel = kernel, .rows = product->context->scratch.packed_a,
        .row_bytes = kernel->row_bytes(columns), .tiles = divide_up(args->tokens, kernel->tile_tokens),
        .panels = divide_up(product->outputs, kernel->panel_outputs)};
    const int64_t bytes = columns * (int64_t)sizeof(float);
    job.quantising_tasks = task_count(threads, args->tokens, bytes);
    run_tasks(product->context->pool, quantise_task, &job, job.quantising_tasks, args->tokens * bytes);
    // A few tasks for each thread, where there are tokens enough.
    const int64_t blocks = at_least(divide_up(args->tokens, TASK_TOKENS), divide_up(2 * threads, job.panels));
    job.blocks = at_most(job.tiles, blocks);
    run_tasks(
        product->context->pool, multiply_task, &job, job.blocks * job.panels,
        columns * args->weight->rows * at_least(1, args->tokens / 4));
}
