// Products of many tokens with FP32 activations: each task packs one panel of weights after another and multiplies it
// with its tokens.
#include "matmul.h"

typedef struct {
    const matmul_job *job;
    const panel_kernels *kernels;
    /// Blocks the tokens are cut into. A panel of rows times a block of tokens is a unit of work.
    int64_t blocks;
    /// Units that are a task each; the rest are cut into pieces of tokens, so that all threads end together.
    int64_t whole_units, pieces;
} panel_job;

typedef struct {
    float *y, *up;
    void *panel;
} panel_scratch;

enum { PRODUCTS_BYTES = PANEL_BLOCK_TOKENS * PANEL_ROWS * sizeof(float) };

int64_t panel_scratch_bytes(const cpuk_context *context) {
    return 2 * PRODUCTS_BYTES + context->kernels->panels.panel_bytes;
}

panel_rows rows_of(const cpuk_weight *weight, int64_t n, int64_t count) {
    panel_rows result = {
        .format = weight->format, .columns = weight->columns, .row_bytes = weight->row_bytes, .count = count};
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
    const bool is_whole = task < panels->whole_units;
    const int64_t rest = task - panels->whole_units, pieces = is_whole ? 1 : panels->pieces;
    const int64_t unit = is_whole ? task : panels->whole_units + rest / pieces, piece = is_whole ? 0 : rest % pieces;
    const int64_t n = unit / panels->blocks * PANEL_ROWS, count = at_most(PANEL_ROWS, job->outputs - n);
    // Tokens in the order of blocks, each of `pieces` pieces.
    const int64_t part = unit % panels->blocks * pieces + piece, parts = panels->blocks * pieces;
    const int64_t t = part * job->args->tokens / parts, tokens = (part + 1) * job->args->tokens / parts - t;
    const activation_records x = {
        .data = job->x.data + t * job->x.stride, .stride = job->x.stride, .columns = job->x.columns};
    multiply(panels, n, count, &x, tokens, scratch.panel, scratch.y);
    if (job->epilogue.gated) multiply(panels, job->outputs + n, count, &x, tokens, scratch.panel, scratch.up);
    finish_products(job, n, count, t, tokens, scratch.y, scratch.up, PANEL_ROWS);
}

// Pieces to cut each of `units` units into, fewer than there are threads: each packs the panel again.
static int64_t pieces_of(int64_t units, int64_t tokens, int64_t threads) {
    // Tokens of which the products take as long as packing.
    enum { PACKING_TOKENS = 24 };
    int64_t best = 1, least = INT64_MAX;
    for (int64_t pieces = 1; pieces <= threads && tokens / pieces > PACKING_TOKENS; pieces++) {
        const int64_t cost = divide_up(units * pieces, threads) * (tokens / pieces + PACKING_TOKENS);
        if (cost >= least) continue;
        best = pieces;
        least = cost;
    }
    return best;
}

void multiply_panels(const matmul_job *job) {
    panel_job panels = {.job = job, .kernels = &job->context->kernels->panels};
    const int64_t threads = pool_threads(job->context->pool), tokens = job->args->tokens;
    panels.blocks = divide_up(tokens, PANEL_BLOCK_TOKENS);
    const int64_t units = divide_up(job->outputs, PANEL_ROWS) * panels.blocks, rest = units % threads;
    panels.whole_units = units - rest;
    panels.pieces = pieces_of(rest, tokens / panels.blocks, threads);
    const int64_t bytes = job->args->weight->columns * job->args->weight->rows * at_least(1, tokens / 4);
    run_tasks(job->context, panel_task, &panels, panels.whole_units + rest * panels.pieces, bytes);
}
