// Products of many tokens: each task packs one panel of B after another and multiplies it with its panels of A.
#include "matmul.h"

typedef struct {
    const product *product;
    const gemm_kernel *kernel;
    packed_a a;
    /// The pieces of columns that a panel of A is packed in, a task each.
    int64_t packing_pieces;
    product_grid grid;
    product_plan plan;
} gemm_job;

/// Scratch of one thread.
typedef struct {
    float *products, *up_products;
    void *packed_b;
} gemm_scratch;

enum {
    PRODUCTS_BYTES = MC * NC * sizeof(float),
    /// The columns of a panel of A that one task packs.
    PACKED_COLUMNS = 512,
    /// The most tokens of a panel of A.
    MAX_PANEL_TOKENS = 16,
};

static int64_t packed_a_bytes(const matmul_kernel *kernel, const cpuk_limits *limits) {
    // A panel takes less than four bytes for each element, and a little more.
    if (limits->tokens < 0 || limits->matmul_inputs < 0 || limits->matmul_inputs > INT64_MAX / 64 - 1024)
        return SCRATCH_TOO_MUCH;
    if (kernel->gemv)
        return kernel->gemv->packed_a_bytes
            ? scratch_product(kernel->gemv->packed_a_bytes(limits->matmul_inputs), MAX_GEMV_TOKENS) : 0;
    if (kernel->by_token) return scratch_product(kernel->by_token->row_bytes(limits->matmul_inputs), limits->tokens);
    if (!kernel->gemm->packed_a_bytes) return 0;
    return scratch_product(
        kernel->gemm->packed_a_bytes(limits->matmul_inputs), divide_up(limits->tokens, kernel->gemm->panel_tokens));
}

scratch_sizes matmul_scratch(const matmul_kernel *kernel, const cpuk_limits *limits) {
    return (scratch_sizes){
        .packed_a = packed_a_bytes(kernel, limits),
        .per_thread = kernel->gemm ? 2 * PRODUCTS_BYTES + kernel->gemm->packed_b_bytes : 0};
}

// ---- A

static void pack_a_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const gemm_job *job = argument;
    const cpuk_matmul_args *args = job->product->args;
    const int64_t panel = task / job->packing_pieces, begin = task % job->packing_pieces * PACKED_COLUMNS;
    const int64_t mr = job->kernel->panel_tokens, t = panel * mr, columns = args->weight->columns;
    job->kernel->pack_a(
        args->weight->format, args->x.data + t * args->x.stride, args->x.stride, at_most(mr, args->tokens - t), columns,
        begin, at_most(begin + PACKED_COLUMNS, columns), (char *)job->a.data + panel * job->a.stride);
}

static void pack_a(gemm_job *job) {
    const product *product = job->product;
    const cpuk_matmul_args *args = product->args;
    const int64_t columns = args->weight->columns;
    if (!job->kernel->packed_a_bytes) {
        job->a = (packed_a){
            .data = (const char *)args->x.data, .stride = args->x.stride * (int64_t)sizeof(float), .columns = columns};
        return;
    }
    job->a = (packed_a){
        .data = product->context->scratch.packed_a, .stride = job->kernel->packed_a_bytes(columns), .columns = columns};
    job->packing_pieces = divide_up(columns, PACKED_COLUMNS);
    run_tasks(
        product->context->pool, pack_a_task, job, job->grid.panels * job->packing_pieces,
        args->tokens * columns * (int64_t)sizeof(float));
}

// ---- Products

static weight_rows gather_rows(const product *product, int64_t n, int64_t count) {
    const cpuk_weight *weight = product->args->weight;
    weight_rows result = {
        .format = weight->format, .columns = weight->columns, .row_bytes = weight->row_bytes, .count = count};
    if (product->packing) {
        for (int64_t r = 0; r < count; r += PACKED_ROWS)
            result.rows[r / PACKED_ROWS] = packed_block(weight, product->packing, n + r);
        return result;
    }
    for (int64_t done = 0; done < count;) {
        const part_rows part = rows_from(weight, n + done, count - done);
        for (int64_t i = 0; i < part.count; i++) {
            result.rows[done + i] = part.rows + i * weight->row_bytes;
            if (part.scales) result.scales[done + i] = part.scales[i];
        }
        done += part.count;
    }
    return result;
}

static read_ahead rows_after(const product *product, int64_t n, int64_t count) {
    const cpuk_weight *weight = product->args->weight;
    if (!product->packing) {
        const part_rows rows = rows_from(weight, n, count);
        return (read_ahead){.from = rows.rows, .bytes = rows.count * weight->row_bytes};
    }
    if (n >= weight->rows) return (read_ahead){0};
    const char *from = packed_block(weight, product->packing, n);
    return (read_ahead){
        .from = from, .bytes = packed_block(weight, product->packing, at_most(n + count, weight->rows)) - from};
}

// The rows that are packed at a time; see `few_panels`.
static int64_t packed_rows(const gemm_kernel *kernel, int64_t panels) {
    return panels <= kernel->few_panels ? TRANSPOSED_ROWS : NC;
}

// The products of rows `n..<n + count` with the panels of A of a tile. The rows that follow are read ahead, and after
// the last ones those from `next` on.
static void multiply(
    const gemm_job *job, const product_tile *tile, int64_t n, int64_t count, int64_t next, void *packed_b,
    float *products) {
    const gemm_kernel *kernel = job->kernel;
    const cpuk_weight *weight = job->product->args->weight;
    const packed_a a = {
        .data = job->a.data + tile->panel * job->a.stride, .stride = job->a.stride, .columns = job->a.columns};
    const int64_t step = packed_rows(kernel, tile->panels);
    for (int64_t r = 0; r < count; r += step) {
        const weight_rows rows = gather_rows(job->product, n + r, at_most(step, count - r));
        read_ahead ahead = rows_after(job->product, r + step < count ? n + r + step : next, step);
        for (int64_t k = 0; k < weight->columns; k += kernel->kc) {
            const int64_t depth = at_most(kernel->kc, weight->columns - k);
            kernel->pack_b(&rows, k, depth, packed_b);
            kernel->multiply(&rows, packed_b, &a, tile->panels, k, depth, ahead, products + r * kernel->panel_tokens);
            ahead.bytes = 0;
        }
    }
}

static void finish_tile(const gemm_job *job, const product_tile *tile, const gemm_scratch *scratch) {
    const product *product = job->product;
    const int64_t mr = job->kernel->panel_tokens, t = tile->panel * mr;
    if (!job->kernel->transpose) {
        apply_epilogues(
            product, tile->output, tile->outputs, t, at_most(tile->panels * mr, product->args->tokens - t),
            scratch->products, scratch->up_products, NC);
        return;
    }
    float y[MAX_PANEL_TOKENS * NC], up[MAX_PANEL_TOKENS * NC];
    for (int64_t panel = 0; panel < tile->panels; panel++) {
        const int64_t at = panel * mr * NC, first = t + panel * mr;
        job->kernel->transpose(scratch->products + at, tile->outputs, y);
        if (product->epilogue.gated) job->kernel->transpose(scratch->up_products + at, tile->outputs, up);
        apply_epilogues(
            product, tile->output, tile->outputs, first, at_most(mr, product->args->tokens - first), y, up, NC);
    }
}

static void gemm_task(void *argument, int64_t task, int worker) {
    const gemm_job *job = argument;
    const product *product = job->product;
    char *memory = thread_scratch(&product->context->scratch, worker);
    const gemm_scratch scratch = {
        .products = (float *)memory, .up_products = (float *)(memory + PRODUCTS_BYTES),
        .packed_b = memory + 2 * PRODUCTS_BYTES};
    const product_tile tile = tile_of_task(&job->grid, &job->plan, task);
    // The unit that this thread will most likely take next.
    const int64_t rows_ahead = job->plan.blocks > 1 ? 0 : job->grid.threads * job->grid.panel_outputs;
    const int64_t next = tile.output + rows_ahead, up = product->outputs + tile.output;
    const bool gated = product->epilogue.gated;
    if (job->kernel->begin_thread) job->kernel->begin_thread();
    multiply(job, &tile, tile.output, tile.outputs, gated ? up : next, scratch.packed_b, scratch.products);
    if (gated) multiply(job, &tile, up, tile.outputs, next, scratch.packed_b, scratch.up_products);
    if (job->kernel->end_thread) job->kernel->end_thread();
    finish_tile(job, &tile, &scratch);
}

void gemm(const product *product, const gemm_kernel *kernel) {
    const int64_t tokens = product->args->tokens, threads = thread_count(product->context);
    const int64_t panels = divide_up(tokens, kernel->panel_tokens);
    gemm_job job = {.product = product, .kernel = kernel};
    job.grid = (product_grid){
        .outputs = product->outputs, .panels = panels, .panel_tokens = kernel->panel_tokens,
        .block_panels = MC / kernel->panel_tokens, .packing_tokens = kernel->packing_tokens, .panel_outputs = NC,
        .threads = threads};
    // Where many panels of A are left over, units are cut by those; else panels of B are made even.
    if (panels <= kernel->few_panels)
        job.grid.panel_outputs = even_panel_outputs(product->outputs, threads, TRANSPOSED_ROWS, NC);
    pack_a(&job);
    job.plan = plan_product(&job.grid);
    const cpuk_weight *weight = product->args->weight;
    const int64_t bytes = weight->columns * weight->rows * at_least(1, tokens / 4);
    run_tasks(product->context->pool, gemm_task, &job, job.plan.tasks, bytes);
}
