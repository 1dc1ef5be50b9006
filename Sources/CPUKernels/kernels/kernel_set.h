// A kernel set: what one target, compiled for one instruction set, offers (cpuk_kernel_set).
#pragma once
#include "attention.h"
#include "convolution.h"
#include "matmul.h"
#include "row_kernels.h"

typedef struct {
    /// The GEMM and GEMV kernels, in the order in which they are asked for a product.
    int matmul_count;
    const matmul_kernel *matmuls;
    /// Only in sets of floats.
    const row_kernels *rows;
    const attention_kernels *attention;
    const convolution_kernels *convolution;
    /// Prefill attention with rounded products; NULL: none. (A set of floats has its own in `attention`.)
    paged_prefill_kernel paged_prefill;
    /// Sets of int8 only; NULL: none.
    const convolution_int8_kernels *convolution_int8;
} kernel_set;
