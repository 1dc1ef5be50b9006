#include "CPUKernelsProbe.h"

#include "ops/context.h"
#include "runtime/partition.h"
#include "runtime/scratch.h"

#include <stdatomic.h>
#include <string.h>

int64_t probe_partition(
    int64_t outputs, int64_t panels, int64_t panel_tokens, int64_t packing_tokens, int64_t threads, int32_t *counts) {
    const product_grid grid = {
        .outputs = outputs, .panels = panels, .panel_tokens = panel_tokens, .block_panels = MC / panel_tokens,
        .packing_tokens = packing_tokens, .panel_outputs = NC, .threads = threads};
    const product_plan plan = plan_product(&grid);
    for (int64_t task = 0; task < plan.tasks; task++) {
        const product_tile tile = tile_of_task(&grid, &plan, task);
        for (int64_t n = 0; n < tile.outputs; n++)
            for (int64_t p = 0; p < tile.panels; p++) counts[(tile.output + n) * panels + tile.panel + p]++;
    }
    return plan.tasks;
}

int64_t probe_sequence(const int64_t *first_task, int64_t sequences, int64_t task) {
    return sequence_of_task(first_task, sequences, task);
}

int64_t probe_row_tasks(int64_t threads, int64_t count, int64_t bytes, bool *is_whole) {
    const int64_t tasks = task_count(threads, count, bytes);
    int64_t end = 0;
    *is_whole = true;
    for (int64_t task = 0; task < tasks; task++) {
        const index_range range = task_range(task, tasks, count);
        *is_whole = *is_whole && range.begin == end && range.end >= range.begin;
        end = range.end;
    }
    *is_whole = *is_whole && end == count;
    return tasks;
}

typedef struct {
    int32_t *runs;
    int threads;
    _Atomic bool is_wrong;
} counting_job;

static void count_task(void *argument, int64_t task, int worker) {
    counting_job *job = argument;
    __atomic_fetch_add(&job->runs[task], 1, __ATOMIC_RELAXED);
    if (worker < 0 || worker >= job->threads) job->is_wrong = true;
}

bool probe_pool(int threads, int jobs, int64_t count, int32_t *runs) {
    thread_pool *pool = thread_pool_create(threads);
    if (!pool) return false;
    counting_job job = {.runs = runs, .threads = threads};
    for (int i = 0; i < jobs; i++) thread_pool_run(pool, count_task, &job, count);
    thread_pool_destroy(pool);
    return !job.is_wrong;
}

// ---- Hooks

static _Atomic int64_t begins, ends, outside;
static _Thread_local bool is_inside;
static const gemm_kernel *wrapped;

static void begin_thread(void) {
    if (is_inside) outside++;
    is_inside = true;
    begins++;
}
static void end_thread(void) {
    if (!is_inside) outside++;
    is_inside = false;
    ends++;
}
static void pack_b(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    if (!is_inside) outside++;
    wrapped->pack_b(rows, begin, depth, packed);
}
static void multiply(
    const weight_rows *rows, const void *packed_b, const packed_a *x, int64_t count, int64_t begin, int64_t depth,
    read_ahead ahead, float *products) {
    if (!is_inside) outside++;
    wrapped->multiply(rows, packed_b, x, count, begin, depth, ahead, products);
}

probe_hooks probe_hooks_of_product(
    int set, int threads, const float *weight, const float *x, int64_t tokens, int64_t outputs, int64_t columns,
    float *y) {
    begins = ends = outside = 0;
    cpuk_context *context = cpuk_create(threads, &set, 1);
    if (!context) return (probe_hooks){0};
    // The first for weights that are not packed.
    int index = 0;
    while (context->matmuls[index]->packing) index++;
    wrapped = context->matmuls[index]->gemm;
    gemm_kernel hooked = *wrapped;
    hooked.begin_thread = begin_thread;
    hooked.end_thread = end_thread;
    hooked.pack_b = pack_b;
    hooked.multiply = multiply;
    matmul_kernel kernel = *context->matmuls[index];
    kernel.gemm = &hooked;
    context->matmuls[index] = &kernel;
    const cpuk_limits limits = {.tokens = tokens, .sequences = 1, .matmul_inputs = columns, .heads = 1, .head_size = 1};
    const cpuk_weight_part part = {.rows = outputs, .data = weight};
    const cpuk_weight whole = {
        .format = CPUK_F32, .rows = outputs, .columns = columns, .row_bytes = columns * 4, .part_count = 1,
        .parts = &part};
    const cpuk_matmul_args args = {
        .x = {(float *)x, columns}, .tokens = tokens, .weight = &whole, .output = {y, outputs}};
    if (cpuk_reserve(context, &limits)) cpuk_matmul(context, &args);
    cpuk_destroy(context);
    return (probe_hooks){.begins = begins, .ends = ends, .outside = outside};
}

bool probe_refuses_scratch(int64_t bytes) {
    scratch_memory memory = {0};
    if (!scratch_reserve(&memory, (scratch_sizes){.partials = 64, .per_thread = 64}, 2)) return false;
    const scratch_memory before = memory;
    const bool refused = !scratch_reserve(&memory, (scratch_sizes){.packed_a = bytes}, 2);
    const bool kept = memcmp(&memory, &before, sizeof memory) == 0;
    scratch_free(&memory);
    return refused && kept;
}
