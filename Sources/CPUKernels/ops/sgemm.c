// Products by a BLAS library: each task on its thread alone, from a whole slice of outputs into scratch.
#include "matmul.h"

enum {
    /// Outputs and tokens of one call.
    SGEMM_OUTPUTS = 128,
    SGEMM_TOKENS = 512,
    /// Fewer tokens than this are faster without the library's packing.
    MIN_SGEMM_TOKENS = 32,
};

scratch_sizes sgemm_scratch(const cpuk_context *context) {
    return (scratch_sizes){
        .per_thread = context->sgemm ? 2 * SGEMM_OUTPUTS * SGEMM_TOKENS * (int64_t)sizeof(float) : 0};
}

bool takes_sgemm(const cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    if (!context->sgemm || weight->packed || weight->format != CPUK_F32) return false;
    if (args->tokens < MIN_SGEMM_TOKENS) return false;
    if (weight->columns < 1 || weight->columns > INT32_MAX || args->x.stride > INT32_MAX) return false;
    for (int64_t part = 0; part < weight->part_count; part++)
        if ((uintptr_t)weight->parts[part].data % sizeof(float) != 0) return false;
    return true;
}

static void multiply(const product *product, int64_t n, int64_t count, const float *x, int tokens, float *y) {
    enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
    const cpuk_matmul_args *args = product->args;
    const int columns = (int)args->weight->columns;
    for (int64_t done = 0; done < count;) {
        const part_rows part = rows_from(args->weight, n + done, count - done);
        product->context->sgemm(
            ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, tokens, (int)part.count, columns, 1, x, (int)args->x.stride,
            (const float *)part.rows, columns, 0, y + done, SGEMM_OUTPUTS);
        done += part.count;
    }
}

static void sgemm_task(void *argument, int64_t task, int worker) {
    const product *product = argument;
    const cpuk_matmul_args *args = product->args;
    const int64_t n = task * SGEMM_OUTPUTS, count = at_most(SGEMM_OUTPUTS, product->outputs - n);
    float *y = thread_scratch(&product->context->scratch, worker), *up = y + SGEMM_TOKENS * SGEMM_OUTPUTS;
    for (int64_t t = 0; t < args->tokens; t += SGEMM_TOKENS) {
        const int tokens = (int)at_most(SGEMM_TOKENS, args->tokens - t);
        const float *x = args->x.data + t * args->x.stride;
        multiply(product, n, count, x, tokens, y);
        if (args->gated) multiply(product, product->outputs + n, count, x, tokens, up);
        apply_epilogues(product, n, count, t, tokens, y, up, SGEMM_OUTPUTS);
    }
}

void sgemm(const product *given) {
    product product = *given;
    thread_pool_run(product.context->pool, sgemm_task, &product, divide_up(product.outputs, SGEMM_OUTPUTS));
}
