// What the drivers of matrix products share. The arguments of a product go down once:
//
//     cpuk_matmul (matmul.c)                    chooses the kernel
//     gemv, gemm or sgemm (gemv.c, …)           packs A and cuts the product into tasks
//     thread_pool_run (../runtime)              gives tasks to threads
//     a task (gemv.c, gemm.c, sgemm.c)          rows of the weight, panels of A
//     pack_b, multiply (../kernels)             packs a panel of B, loops over tiles
//     micro_kernel (../kernels)                 MR x NR sums in registers
//     apply_epilogues (product.c)               bias, activation, gate, residual, and the store
#pragma once
#include "context.h"

typedef struct {
    cpuk_context *context;
    const cpuk_matmul_args *args;
    /// The packing of the weight; NULL: it is not packed.
    const weight_packing *packing;
    epilogue epilogue;
    /// Output columns.
    int64_t outputs;
} product;

void gemv(const product *product, const gemv_kernel *kernel);
void gemm(const product *product, const gemm_kernel *kernel);
void gemm_by_token(const product *product, const token_kernel *kernel);

/// Whether the library of `cpuk_set_sgemm` takes a product with FP32 activations.
bool takes_sgemm(const cpuk_context *context, const cpuk_matmul_args *args);
void sgemm(const product *product);

/// Scratch of a kernel, and of the library.
scratch_sizes matmul_scratch(const matmul_kernel *kernel, const cpuk_limits *limits);
scratch_sizes sgemm_scratch(const cpuk_context *context);

/// Rows of a weight that lie together.
typedef struct {
    const char *rows;
    /// The scales of the rows, only for CPUK_I8.
    const float *scales;
    int64_t count;
} part_rows;

/// The first of rows `n..<n + count` that lie in one part. No rows where `n` is behind the last one.
part_rows rows_from(const cpuk_weight *weight, int64_t n, int64_t count);

/// The block of the packed rows from `n` on; `n` is a multiple of PACKED_ROWS.
const char *packed_block(const cpuk_weight *weight, const weight_packing *packing, int64_t n);

/// Whether a packed weight is for kernels that quantise tokens with one scale each; false: for others, or not packed.
bool is_packed_by_token(const cpuk_context *context, const cpuk_weight *weight);

/// Calls the epilogue for `count` outputs from `n0` on of `tokens` rows from `t0` on, whose products lie in `y` (and
/// `up`) with rows `ldy` apart.
void apply_epilogues(
    const product *product, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy);
