// Packing weights once, while a model loads.
#include "matmul.h"

_Static_assert(CPUK_PACKED_ROWS == PACKED_ROWS, "what the interface says");

// Whether a kernel before this one multiplies many tokens with rows as they are.
static bool has_faster(const cpuk_context *context, int index, const cpuk_weight *weight) {
    enum { MANY_TOKENS = 512 };
    for (int i = 0; i < index; i++) {
        const matmul_kernel *kernel = context->matmuls[i];
        if (kernel->packing || (kernel->rounds_activations && !weight->reduced)) continue;
        if (kernel->supports(weight->format, MANY_TOKENS)) return true;
    }
    return false;
}

// Whether the packing is one for this weight, and its kernels take few tokens too. Those with one scale a token are for
// weights that allow it; they, and floats, only where no kernel before them (those of AMX, of BF16) takes many tokens.
static bool takes_packing(const cpuk_context *context, int index, const cpuk_weight *weight) {
    const matmul_kernel *kernel = context->matmuls[index];
    if (!kernel->packing || kernel->packing->block_bytes(weight->format, weight->columns) == 0) return false;
    if (!kernel->rounds_activations)
        return kernel->gemv && !context->sgemm && !has_faster(context, index, weight);
    if (!weight->reduced) return false;
    return kernel->by_token ? weight->by_token && !has_faster(context, index, weight) : kernel->gemv != NULL;
}

// The first of the context's kernels for which this weight is packed, those for few tokens too. NULL: none.
static const matmul_kernel *packed_for(const cpuk_context *context, const cpuk_weight *weight) {
    // The second half of a gated weight must begin with a block. One with an odd number of rows is never gated.
    if (weight->columns == 0 || weight->rows == 0) return NULL;
    if (weight->rows % (2 * PACKED_ROWS) != 0 && weight->rows % 2 == 0) return NULL;
    for (int i = 0; i < context->matmul_count; i++)
        if (takes_packing(context, i, weight)) return context->matmuls[i];
    return NULL;
}

static const weight_packing *packing_of(const cpuk_context *context, const cpuk_weight *weight) {
    const matmul_kernel *kernel = packed_for(context, weight);
    return kernel ? kernel->packing : NULL;
}

bool is_packed_by_token(const cpuk_context *context, const cpuk_weight *weight) {
    const matmul_kernel *kernel = weight->packed ? packed_for(context, weight) : NULL;
    return kernel && kernel->by_token;
}

int64_t cpuk_packed_bytes(const cpuk_context *context, const cpuk_weight *weight) {
    const weight_packing *packing = packing_of(context, weight);
    if (!packing) return 0;
    return divide_up(weight->rows, PACKED_ROWS) * packing->block_bytes(weight->format, weight->columns);
}

typedef struct {
    const cpuk_weight *weight;
    const weight_packing *packing;
    int64_t first, count, tasks;
    char *packed;
} pack_job;

static void pack_blocks(void *argument, int64_t task, int worker) {
    (void)worker;
    const pack_job *job = argument;
    const cpuk_weight *weight = job->weight;
    const int64_t bytes = job->packing->block_bytes(weight->format, weight->columns);
    const index_range blocks = task_range(task, job->tasks, divide_up(job->count, PACKED_ROWS));
    for (int64_t b = blocks.begin; b < blocks.end; b++) {
        const int64_t n = job->first + b * PACKED_ROWS, count = at_most(PACKED_ROWS, job->first + job->count - n);
        const char *rows[PACKED_ROWS];
        float scales[PACKED_ROWS];
        for (int64_t r = 0; r < count; r++) {
            const part_rows row = rows_from(weight, n + r, 1);
            rows[r] = row.rows;
            scales[r] = row.scales ? *row.scales : 1;
        }
        job->packing->pack_block(
            weight->format, rows, scales, count, weight->columns, job->packed + n / PACKED_ROWS * bytes);
    }
}

void cpuk_pack(cpuk_context *context, const cpuk_weight *weight, int64_t first, int64_t count, void *packed) {
    pack_job job = {
        .weight = weight, .packing = packing_of(context, weight), .first = first, .count = count, .packed = packed};
    if (!job.packing || count <= 0) return;
    const int64_t blocks = divide_up(count, PACKED_ROWS), bytes = PACKED_ROWS * weight->row_bytes;
    job.tasks = task_count(thread_count(context), blocks, bytes);
    run_tasks(context->pool, pack_blocks, &job, job.tasks, blocks * bytes);
}
