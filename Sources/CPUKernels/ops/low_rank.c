// What low-rank adapters add, row by row: a few dot products, then a few rows of the transposed second matrix.
#include "row_job.h"

static void low_rank_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const row_job *job = argument;
    const cpuk_low_rank_args *args = job->args;
    // The last kernel takes every product with FP32 activations.
    const gemv_kernel *gemv = job->context->matmuls[job->context->matmul_count - 1]->gemv;
    FOR_EACH_ROW(job, task, row) {
        float low[CPUK_MAX_LOW_RANK];
        const int32_t index = args->indices[row];
        const packed_a x = {
            .data = (const char *)(args->x.data + row * args->x.stride),
            .stride = args->x.stride * (int64_t)sizeof(float), .columns = args->inputs};
        gemv->multiply(
            CPUK_F32, args->down[index], args->inputs * (int64_t)sizeof(float), NULL, args->rank, &x, 1, low,
            args->rank);
        float *output = args->output.data + row * args->output.stride;
        job->context->rows->weighted_sum(
            args->up[index], args->outputs, low, args->rank, args->outputs, output, output);
    }
}

bool cpuk_add_low_rank(cpuk_context *context, const cpuk_low_rank_args *args) {
    if (args->rank > CPUK_MAX_LOW_RANK || !context->matmuls[context->matmul_count - 1]->gemv) return false;
    run_rows(
        context, low_rank_task, args, args->tokens,
        (args->inputs + args->outputs) * args->rank * (int64_t)sizeof(float));
    return true;
}
