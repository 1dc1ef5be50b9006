// Matrix products: chooses the kernel. A row's result does not depend on how many threads there are.
#include "matmul.h"

part_rows rows_from(const cpuk_weight *weight, int64_t n, int64_t count) {
    for (int64_t index = 0; index < weight->part_count; index++) {
        const cpuk_weight_part *part = &weight->parts[index];
        if (n < part->rows)
            return (part_rows){
                .rows = (const char *)part->data + n * weight->row_bytes,
                .scales = part->scales ? part->scales + n : NULL, .count = at_most(count, part->rows - n)};
        n -= part->rows;
    }
    return (part_rows){.rows = NULL};
}

void apply_epilogues(
    const product *product, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy) {
    const cpuk_matmul_args *args = product->args;
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t row = t0 + t;
        const float *residual = args->residual.data ? args->residual.data + row * args->residual.stride + n0 : NULL;
        product->context->rows->apply_epilogue(
            &product->epilogue, n0, count, y + t * ldy, up + t * ldy, residual,
            args->output.data + row * args->output.stride + n0);
    }
}

// The first kernel that takes the product.
static const matmul_kernel *choose(const cpuk_context *context, const cpuk_weight *weight, int64_t tokens) {
    const int last = context->matmul_count - 1;
    for (int i = 0; i < last; i++) {
        const matmul_kernel *kernel = context->matmuls[i];
        if (kernel->rounds_activations && !weight->reduced) continue;
        if (kernel->supports(weight->format, tokens)) return kernel;
    }
    return context->matmuls[last];
}

void cpuk_matmul(cpuk_context *context, const cpuk_matmul_args *args) {
    const cpuk_weight *weight = args->weight;
    product product = {.context = context, .args = args};
    product.outputs = args->gated ? weight->rows / 2 : weight->rows;
    product.epilogue = (epilogue){
        .bias = args->bias, .gate_bias = args->bias && args->gated ? args->bias + product.outputs : NULL,
        .activation = args->activation, .gated = args->gated};
    if (args->tokens == 0 || product.outputs == 0) return;
    const matmul_kernel *kernel = choose(context, weight, args->tokens);
    if (!kernel->rounds_activations && takes_sgemm(context, args)) sgemm(&product);
    else if (kernel->gemm) gemm(&product, kernel->gemm);
    else gemv(&product, kernel->gemv);
}
