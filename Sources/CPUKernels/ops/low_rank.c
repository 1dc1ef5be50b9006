// What low-rank adapters add: a few dot products, then a few rows of the transposed second matrix. Tokens behind one
// another that share an adapter are taken together, so that a prompt reads it once for several of them.
#include "row_job.h"

enum { LOW_RANK_TOKENS = 6 };

static void add_low_rank(const row_job *job, int64_t token, int64_t tokens) {
    const cpuk_low_rank_args *args = job->args;
    // The last kernel takes every product with FP32 activations.
    const gemv_kernel *gemv = job->context->matmuls[job->context->matmul_count - 1]->gemv;
    float low[LOW_RANK_TOKENS * CPUK_MAX_LOW_RANK];
    const int32_t index = args->indices[token];
    const packed_a x = {
        .data = (const char *)(args->x.data + token * args->x.stride),
        .stride = args->x.stride * (int64_t)sizeof(float), .columns = args->inputs};
    const int64_t size = number_format_block_bytes(args->format);
    gemv->multiply(
        args->format, args->down[index], args->inputs * size, NULL, args->rank, &x, tokens, low, args->rank);
    const char *up = args->up[index];
    float *output = args->output.data + token * args->output.stride;
    int64_t rank = 0;
    for (int64_t part = 0; part < args->parts; part++) {
        job->context->rows->add_products(
            args->format, up + rank * args->outputs * size, args->outputs, low + rank, args->rank,
            args->part_ranks[part], args->part_outputs[part], tokens, output, args->output.stride);
        rank += args->part_ranks[part];
        up += args->part_outputs[part] * size;
        output += args->part_outputs[part];
    }
}

static void low_rank_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_low_rank_args *args = job->args;
    const index_range range = task_range(task, job->tasks, job->rows);
    for (int64_t token = range.begin, tokens; token < range.end; token += tokens) {
        tokens = 1;
        while (tokens < LOW_RANK_TOKENS && token + tokens < range.end
               && args->indices[token + tokens] == args->indices[token])
            tokens++;
        add_low_rank(job, token, tokens);
    }
}

bool cpuk_add_low_rank(cpuk_context *context, const cpuk_low_rank_args *args) {
    if (args->rank > CPUK_MAX_LOW_RANK || !context->matmuls[context->matmul_count - 1]->gemv) return false;
    run_rows(
        context, low_rank_task, args, args->tokens,
        (args->inputs + args->outputs) * args->rank * number_format_block_bytes(args->format));
    return true;
}
