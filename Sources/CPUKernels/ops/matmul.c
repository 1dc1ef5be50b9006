// Matrix products: chooses the kernel. A row's result does not depend on how many threads there are.
#include "matmul.h"

// Finds the first kernel that takes the product.
static const matmul_kernel *choose(const cpuk_context *context, const cpuk_weight *weight, int64_t tokens) {
    const int last = context->matmul_count - 1;
    const bool by_token = is_packed_by_token(context, weight);
    for (int i = 0; i < last; i++) {
        const matmul_kernel *kernel = context->matmuls[i];
        if (kernel->rounds_activations && !weight->reduced) continue;
        if ((kernel->packing != NULL) != (weight->packed != NULL)) continue;
        if ((kernel->by_token != NULL) != by_token) continue;
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
    product.packing = kernel->packing;
    if (!kernel->rounds_activations && takes_sgemm(context, args)) sgemm(&product);
    else if (kernel->by_token) gemm_by_token(&product, kernel->by_token);
    else if (kernel->gemm) gemm(&product, kernel->gemm);
    else gemv(&product, kernel->gemv);
}
