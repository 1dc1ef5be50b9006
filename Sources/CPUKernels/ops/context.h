// The state of one backend: threads, kernels, scratch.
#pragma once
#include "../include/CPUKernelSets.h"
#include "../kernels/kernel_set.h"
#include "../runtime/partition.h"
#include "../runtime/scratch.h"

struct cpuk_context {
    thread_pool *pool;
    /// The kernels of the set of floats.
    const row_kernels *rows;
    const attention_kernels *attention;
    const convolution_kernels *convolution;
    /// The kernels of convolutions with rounded products; NULL: none.
    const convolution_int8_kernels *convolution_int8;
    /// The kernels of attention with rounded products; NULL: none.
    paged_prefill_kernel rounding_prefill;
    /// The GEMM and GEMV kernels, in the order in which they are asked for a product. The last one takes every product.
    const matmul_kernel *matmuls[CPUK_MAX_SETS * MAX_SET_MATMULS];
    int matmul_count;
    /// The library's function; NULL: none.
    cpuk_sgemm sgemm;
    cpuk_limits limits;
    scratch_memory scratch;
};

static inline int64_t thread_count(const cpuk_context *context) { return thread_pool_threads(context->pool); }
