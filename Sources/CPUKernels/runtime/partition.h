// How work is cut into tasks, and which tasks run on one thread because they are short.
#pragma once
#include "thread_pool.h"
#include <stdbool.h>

static inline int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// `begin..<end`.
typedef struct {
    int64_t begin, end;
} index_range;

/// The part of `count` things that task `task` of `tasks` takes. All parts are of even size.
static inline index_range task_range(int64_t task, int64_t tasks, int64_t count) {
    return (index_range){task * count / tasks, (task + 1) * count / tasks};
}

/// Runs tasks on all threads; on the caller alone where they touch so few `bytes` that waking others costs more.
void run_tasks(thread_pool *pool, pool_task task, void *job, int64_t count, int64_t bytes);

/// Tasks to cut `count` rows of `bytes` each into: a few a thread, so that a thread that was held up does not hold up
/// the rest, but none under the size that pays.
int64_t task_count(int64_t threads, int64_t count, int64_t bytes);

/// The sequence that a task belongs to, `first_task` being the first one of each of `sequences`.
int64_t sequence_of_task(const int64_t *first_task, int64_t sequences, int64_t task);

/// A matrix product of many tokens to be cut into tasks.
typedef struct {
    /// The number of outputs (rows of the weight, or pairs of them where it is gated), and of panels of A.
    int64_t outputs, panels;
    /// Tokens of a panel of A, and panels of A whose products wait together for their epilogue.
    int64_t panel_tokens, block_panels;
    /// The number of tokens whose products with a panel of B take as long as packing the panel.
    int64_t packing_tokens;
    /// The most outputs of a panel of B.
    int64_t panel_outputs;
    int64_t threads;
} product_grid;

/// A panel of B times a block of panels of A is a unit of work, and a task. Units that would leave threads without work
/// at the end are cut by panels of A into `pieces`, each a task that packs the panel of B again.
///
///                  block 0    block 1           7 units on 4 threads: 4 whole ones, then 3 in pieces
///     panel of B 0   task 0     task 1
///     panel of B 1   task 2     task 3
///     panel of B 2   4, 5       6, 7
///     …
typedef struct {
    int64_t blocks, whole_units, pieces, tasks;
} product_plan;

/// What one task computes.
typedef struct {
    int64_t output, outputs;
    int64_t panel, panels;
} product_tile;

product_plan plan_product(const product_grid *grid);
product_tile tile_of_task(const product_grid *grid, const product_plan *plan, int64_t task);

/// The outputs of a panel of B, a whole multiple of `step` up to `most`, chosen so that equally fast threads end
/// together.
int64_t even_panel_outputs(int64_t outputs, int64_t threads, int64_t step, int64_t most);
