#include "partition.h"

/// Work that touches fewer bytes than this takes some microseconds and is not worth another thread.
enum { MIN_PARALLEL_BYTES = 48 * 1024 };

void run_tasks(thread_pool *pool, pool_task task, void *job, int64_t count, int64_t bytes) {
    if (bytes >= MIN_PARALLEL_BYTES) {
        thread_pool_run(pool, task, job, count);
        return;
    }
    for (int64_t index = 0; index < count; index++) task(job, index, 0);
}

int64_t task_count(int64_t threads, int64_t count, int64_t bytes) {
    int64_t most = at_least(1, count * bytes / (MIN_PARALLEL_BYTES / 2));
    return at_least(1, at_most(at_most(count, most), 4 * threads));
}

int64_t sequence_of_task(const int64_t *first_task, int64_t sequences, int64_t task) {
    int64_t low = 0, high = sequences;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (first_task[middle] <= task) low = middle;
        else high = middle;
    }
    return low;
}

// How many pieces each of `units` units is cut into, where there are fewer units than threads. Chosen by the time of
// the slowest thread: that of its tokens, and of packing the panel of B again for each piece.
static int64_t pieces_of(const product_grid *grid, int64_t units, int64_t panels) {
    int64_t best = 1, least = INT64_MAX;
    for (int64_t pieces = 1; pieces <= grid->threads; pieces++) {
        if (panels / pieces * grid->panel_tokens <= grid->packing_tokens) break;
        const int64_t tokens = divide_up(panels, pieces) * grid->panel_tokens;
        const int64_t cost = divide_up(units * pieces, grid->threads) * (tokens + grid->packing_tokens);
        if (cost >= least) continue;
        best = pieces;
        least = cost;
    }
    return best;
}

product_plan plan_product(const product_grid *grid) {
    product_plan plan = {.blocks = divide_up(grid->panels, grid->block_panels)};
    const int64_t units = divide_up(grid->outputs, grid->panel_outputs) * plan.blocks, rest = units % grid->threads;
    plan.whole_units = units - rest;
    plan.pieces = pieces_of(grid, rest, grid->panels / plan.blocks);
    plan.tasks = plan.whole_units + rest * plan.pieces;
    return plan;
}

product_tile tile_of_task(const product_grid *grid, const product_plan *plan, int64_t task) {
    const bool is_whole = task < plan->whole_units;
    const int64_t rest = task - plan->whole_units, pieces = is_whole ? 1 : plan->pieces;
    const int64_t unit = is_whole ? task : plan->whole_units + rest / pieces, piece = is_whole ? 0 : rest % pieces;
    const int64_t output = unit / plan->blocks * grid->panel_outputs;
    // Panels of A are numbered block by block, each block being cut into `pieces`.
    const index_range panels =
        task_range(unit % plan->blocks * pieces + piece, plan->blocks * pieces, grid->panels);
    return (product_tile){
        .output = output, .outputs = at_most(grid->panel_outputs, grid->outputs - output), .panel = panels.begin,
        .panels = panels.end - panels.begin};
}

int64_t even_panel_outputs(int64_t outputs, int64_t threads, int64_t step, int64_t most) {
    int64_t best = most, least = INT64_MAX;
    for (int64_t rows = most; rows > most / 4; rows -= step) {
        const int64_t cost = divide_up(divide_up(outputs, rows), threads) * rows;
        if (cost >= least) continue;
        best = rows;
        least = cost;
    }
    return best;
}
