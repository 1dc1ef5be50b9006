// Products of few tokens: each thread reads rows of the weight once, where they lie.
#include "matmul.h"

enum {
    /// Outputs of one step, whose products wait on the stack for their epilogue.
    ROW_STEP = 64,
};

typedef struct {
    const product *product;
    const gemv_kernel *kernel;
    packed_a x;
    int64_t outputs_per_task;
} gemv_job;

// Multiplies rows `n..<n + count` with tokens `t..<t + tokens`.
static void multiply(const gemv_job *job, int64_t n, int64_t count, int64_t t, int64_t tokens, float *y) {
    const cpuk_weight *weight = job->product->args->weight;
    const packed_a x = {.data = job->x.data + t * job->x.stride, .stride = job->x.stride, .columns = job->x.columns};
    if (job->product->packing) {
        const char *blocks = packed_block(weight, job->product->packing, n);
        job->kernel->multiply(weight->format, blocks, 0, NULL, count, &x, tokens, y, ROW_STEP);
        return;
    }
    for (int64_t done = 0; done < count;) {
        const part_rows part = rows_from(weight, n + done, count - done);
        job->kernel->multiply(
            weight->format, part.rows, weight->row_bytes, part.scales, part.count, &x, tokens, y + done, ROW_STEP);
        done += part.count;
    }
}

static void multiply_step(const gemv_job *job, int64_t n, int64_t count) {
    const product *product = job->product;
    const int64_t tokens = product->args->tokens;
    const int64_t per_group = tokens <= MAX_GEMV_TOKENS ? MAX_GEMV_TOKENS : job->kernel->tokens;
    const int64_t groups = divide_up(tokens, per_group);
    float y[MAX_GEMV_TOKENS * ROW_STEP], up[MAX_GEMV_TOKENS * ROW_STEP];
    for (int64_t group = 0; group < groups; group++) {
        const index_range t = task_range(group, groups, tokens);
        multiply(job, n, count, t.begin, t.end - t.begin, y);
        if (product->epilogue.gated) multiply(job, product->outputs + n, count, t.begin, t.end - t.begin, up);
        apply_epilogues(product, n, count, t.begin, t.end - t.begin, y, up, ROW_STEP);
    }
}

static void gemv_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const gemv_job *job = argument;
    const int64_t begin = task * job->outputs_per_task;
    const int64_t count = at_most(job->outputs_per_task, job->product->outputs - begin);
    // Steps are of even size: a short last one would read as much for fewer outputs.
    const int64_t steps = divide_up(count, ROW_STEP);
    const int64_t step_rows = divide_up(divide_up(count, steps), LINE_FLOATS) * LINE_FLOATS;
    for (int64_t n = 0; n < count; n += step_rows) multiply_step(job, begin + n, at_most(step_rows, count - n));
}

// Outputs of a task, for about `tasks` of them: whole cache lines of each row, so that threads do not write to the
// same ones, and so that threads that are equally fast end together.
static int64_t outputs_per_task(int64_t outputs, int64_t threads, int64_t tasks) {
    const int64_t most = divide_up(divide_up(outputs, tasks), LINE_FLOATS);
    int64_t best = most, least = INT64_MAX;
    for (int64_t lines = most; lines > 0 && 2 * lines >= most; lines--) {
        const int64_t rounds = divide_up(divide_up(outputs, lines * LINE_FLOATS), threads);
        if (rounds * lines >= least) continue;
        best = lines;
        least = rounds * lines;
    }
    return best * LINE_FLOATS;
}

static void pack_task(void *argument, int64_t token, int worker) {
    (void)worker;
    const gemv_job *job = argument;
    const cpuk_matmul_args *args = job->product->args;
    job->kernel->pack_a(
        args->weight->format, args->x.data + token * args->x.stride, args->weight->columns,
        (char *)job->x.data + token * job->x.stride);
}

static void pack(gemv_job *job) {
    const product *product = job->product;
    const cpuk_matmul_args *args = product->args;
    const int64_t columns = args->weight->columns;
    if (!job->kernel->packed_a_bytes) {
        job->x = (packed_a){
            .data = (const char *)args->x.data, .stride = args->x.stride * (int64_t)sizeof(float), .columns = columns};
        return;
    }
    job->x = (packed_a){
        .data = product->context->scratch.packed_a, .stride = job->kernel->packed_a_bytes(columns), .columns = columns};
    run_tasks(
        product->context->pool, pack_task, job, args->tokens, args->tokens * columns * (int64_t)sizeof(float));
}

void gemv(const product *product, const gemv_kernel *kernel) {
    gemv_job job = {.product = product, .kernel = kernel};
    pack(&job);
    // For few tokens the time is that of reading the bytes, for more that of the products.
    const cpuk_matmul_args *args = product->args;
    const int64_t row_bytes = args->weight->row_bytes * (args->gated ? 2 : 1);
    const int64_t cost = row_bytes * at_least(1, args->tokens / 4), threads = thread_count(product->context);
    job.outputs_per_task = outputs_per_task(product->outputs, threads, task_count(threads, product->outputs, cost));
    const int64_t tasks = divide_up(product->outputs, job.outputs_per_task);
    run_tasks(product->context->pool, gemv_task, &job, tasks, product->outputs * cost);
}
