// Products of many tokens whose activations are rounded: strips of tokens against panels of expanded rows.
#include "matmul.h"

typedef struct {
    const matmul_job *job;
    const strip_kernels *kernels;
    int64_t panel_rows;
    /// Blocks the strips are cut into. A panel times a block is a unit of work.
    int64_t blocks;
    /// Units that are a task each; the rest are cut into pieces of strips, so that all threads end together.
    int64_t whole_units, pieces;
} strip_job;

typedef struct {
    float *products, *up_products;
    void *expanded;
} strip_scratch;

enum {
    /// So many strips are few.
    NEAR_STRIPS = 3,
    /// Strips whose products with a panel wait in scratch for their end, and bytes of those.
    BLOCK_STRIPS = PANEL_BLOCK_TOKENS / LANE_TOKENS,
    PRODUCTS_BYTES = PANEL_BLOCK_TOKENS * PANEL_ROWS * sizeof(float),
};

static int64_t strips_of(int64_t tokens) { return divide_up(tokens, LANE_TOKENS); }

int64_t strip_scratch_bytes(const reduced_kernels *kernels) {
    return kernels ? 2 * PRODUCTS_BYTES + kernels->strips.expanded_bytes : 0;
}

int64_t reduced_activation_bytes(const reduced_kernels *kernels, int64_t tokens, int64_t columns) {
    if (!kernels) return 0;
    // A strip is less than four bytes an element and a little.
    if (tokens < 0 || columns < 0 || columns > INT64_MAX / 64 - 1024) return -1;
    int64_t bytes;
    if (__builtin_mul_overflow(kernels->strips.strip_bytes(columns), strips_of(tokens), &bytes)) return -1;
    return at_least(bytes, kernels->record_bytes ? kernels->record_bytes(columns) * MAX_ROW_TOKENS : 0);
}

// ---- Activations

typedef struct {
    const matmul_job *job;
    char *to;
    int64_t stride, pieces;
} rounding_job;

/// Columns of a strip that one task rounds.
enum { ROUNDED_COLUMNS = 512 };

static void round_strip(void *argument, int64_t task, int worker) {
    (void)worker;
    const rounding_job *rounding = argument;
    const cpuk_matmul_args *args = rounding->job->args;
    const int64_t strip = task / rounding->pieces, begin = task % rounding->pieces * ROUNDED_COLUMNS;
    const int64_t t = strip * LANE_TOKENS, columns = args->weight->columns;
    rounding->job->reduced->strips.make_strip(
        args->weight->format, args->x.data + t * args->x.stride, args->x.stride,
        at_most(LANE_TOKENS, args->tokens - t), columns, begin, at_most(begin + ROUNDED_COLUMNS, columns),
        rounding->to + strip * rounding->stride);
}

static void round_record(void *argument, int64_t token, int worker) {
    (void)worker;
    const rounding_job *rounding = argument;
    const cpuk_matmul_args *args = rounding->job->args;
    rounding->job->reduced->convert(
        args->weight->format, args->x.data + token * args->x.stride, args->weight->columns,
        rounding->to + token * rounding->stride);
}

void round_activations(matmul_job *job, bool few) {
    const int64_t columns = job->args->weight->columns, tokens = job->args->tokens;
    rounding_job rounding = {.job = job, .to = job->context->scratch.activations};
    rounding.stride = few ? job->reduced->record_bytes(columns) : job->reduced->strips.strip_bytes(columns);
    rounding.pieces = divide_up(columns, ROUNDED_COLUMNS);
    job->x = (activation_records){.data = rounding.to, .stride = rounding.stride, .columns = columns};
    run_tasks(
        job->context, few ? round_record : round_strip, &rounding,
        few ? tokens : strips_of(tokens) * rounding.pieces, tokens * columns * (int64_t)sizeof(float));
}

// ---- Products

// Rows `n..<n + count`, or the first of them that lie together.
static read_ahead bytes_of(const cpuk_weight *weight, int64_t n, int64_t count) {
    read_ahead ahead = {.from = NULL, .bytes = 0};
    FOR_EACH_PIECE(weight, n, count, {
        (void)scales;
        if (offset == 0) {
            ahead.from = rows;
            ahead.bytes = piece * weight->row_bytes;
        }
    })
    return ahead;
}

// Rows that are expanded at a time: for few strips those of one tile, which then stay in the first-level cache.
static int64_t expanded_rows(int64_t strips) { return strips <= NEAR_STRIPS ? TURNED_ROWS : PANEL_ROWS; }

// The products of rows `n..<n + count` with some strips. The rows that follow are read ahead, and after the last ones
// those from `next` on.
static void multiply(
    const strip_job *job, int64_t n, int64_t count, int64_t next, int64_t strip, int64_t strips, void *expanded,
    float *products) {
    const cpuk_weight *weight = job->job->args->weight;
    activation_records x = job->job->x;
    x.data += strip * x.stride;
    const int64_t step = expanded_rows(strips);
    for (int64_t r = 0; r < count; r += step) {
        const panel_rows rows = rows_of(weight, n + r, at_most(step, count - r));
        read_ahead ahead = bytes_of(weight, r + step < count ? n + r + step : next, step);
        for (int64_t k = 0; k < weight->columns; k += job->kernels->depth) {
            const int64_t depth = at_most(job->kernels->depth, weight->columns - k);
            job->kernels->expand(&rows, k, depth, expanded);
            job->kernels->multiply(&rows, expanded, &x, strips, k, depth, ahead, products + r * LANE_TOKENS);
            ahead.bytes = 0;
        }
    }
}

static void finish(
    const strip_job *job, int64_t n, int64_t count, int64_t strip, int64_t strips, const strip_scratch *scratch) {
    const matmul_job *whole = job->job;
    float y[LANE_TOKENS * PANEL_ROWS], up[LANE_TOKENS * PANEL_ROWS];
    for (int64_t s = 0; s < strips; s++) {
        const int64_t t = (strip + s) * LANE_TOKENS, at = s * LANE_TOKENS * PANEL_ROWS;
        job->kernels->turn(scratch->products + at, count, y);
        if (whole->epilogue.gated) job->kernels->turn(scratch->up_products + at, count, up);
        finish_products(whole, n, count, t, at_most(LANE_TOKENS, whole->args->tokens - t), y, up, PANEL_ROWS);
    }
}

static void strip_task(void *argument, int64_t task, int worker) {
    const strip_job *strips = argument;
    const matmul_job *job = strips->job;
    char *memory = thread_scratch(job->context, worker);
    const strip_scratch scratch = {
        .products = (float *)memory, .up_products = (float *)(memory + PRODUCTS_BYTES),
        .expanded = memory + 2 * PRODUCTS_BYTES};
    const bool is_whole = task < strips->whole_units;
    const int64_t rest = task - strips->whole_units, pieces = is_whole ? 1 : strips->pieces;
    const int64_t unit = is_whole ? task : strips->whole_units + rest / pieces, piece = is_whole ? 0 : rest % pieces;
    const int64_t n = unit / strips->blocks * strips->panel_rows, count = at_most(strips->panel_rows, job->outputs - n);
    // Strips in the order of blocks, each of `pieces` pieces.
    const int64_t part = unit % strips->blocks * pieces + piece, parts = strips->blocks * pieces;
    const int64_t all = strips_of(job->args->tokens), s = part * all / parts, some = (part + 1) * all / parts - s;
    // What this thread most likely takes next.
    const int64_t next = n + (strips->blocks > 1 ? 0 : pool_threads(job->context->pool) * strips->panel_rows);
    const int64_t up = job->outputs + n;
    multiply(strips, n, count, job->epilogue.gated ? up : next, s, some, scratch.expanded, scratch.products);
    if (job->epilogue.gated) multiply(strips, up, count, next, s, some, scratch.expanded, scratch.up_products);
    finish(strips, n, count, s, some, &scratch);
}

// Rows of a panel such that threads that are equally fast end together.
static int64_t rows_of_panels(int64_t outputs, int64_t threads) {
    int64_t best = PANEL_ROWS, least = INT64_MAX;
    for (int64_t rows = PANEL_ROWS; rows > PANEL_ROWS / 4; rows -= TURNED_ROWS) {
        const int64_t cost = divide_up(divide_up(outputs, rows), threads) * rows;
        if (cost >= least) continue;
        best = rows;
        least = cost;
    }
    return best;
}

// Pieces to cut each of `units` units into, fewer than there are threads: each expands the panel again.
static int64_t pieces_of(int64_t units, int64_t strips, int64_t threads) {
    // Expanding takes as long as the products of a part of a strip.
    enum { STRIP_COST = 4 };
    int64_t best = 1, least = INT64_MAX;
    for (int64_t pieces = 1; pieces <= threads && pieces <= strips; pieces++) {
        const int64_t cost = divide_up(units * pieces, threads) * (STRIP_COST * divide_up(strips, pieces) + 1);
        if (cost >= least) continue;
        best = pieces;
        least = cost;
    }
    return best;
}

void multiply_strips(const matmul_job *job) {
    strip_job strips = {.job = job, .kernels = &job->reduced->strips};
    const int64_t threads = pool_threads(job->context->pool), tokens = job->args->tokens;
    strips.blocks = divide_up(strips_of(tokens), BLOCK_STRIPS);
    // Panels that are left over can be cut by strips where there are enough of those.
    strips.panel_rows = strips_of(tokens) > NEAR_STRIPS ? PANEL_ROWS : rows_of_panels(job->outputs, threads);
    const int64_t units = divide_up(job->outputs, strips.panel_rows) * strips.blocks, rest = units % threads;
    strips.whole_units = units - rest;
    strips.pieces = pieces_of(rest, strips_of(tokens) / strips.blocks, threads);
    const int64_t bytes = job->args->weight->columns * job->args->weight->rows * at_least(1, tokens / 4);
    run_tasks(job->context, strip_task, &strips, strips.whole_units + rest * strips.pieces, bytes);
}
