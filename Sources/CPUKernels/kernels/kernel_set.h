// A kernel set: what one target, compiled for one instruction set, offers (cpuk_kernel_set).
#pragma once
#include "attention.h"
#include "convolution.h"
#include "matmul.h"
#include "row_kernels.h"

/// A context has room for the matrix kernels of as many sets as it may have.
enum { MAX_SET_MATMULS = 8 };
#define MATMUL_COUNT(matmuls) ((int)(sizeof(matmuls) / sizeof *(matmuls)))
#define CHECK_MATMUL_COUNT(matmuls)                                                                                   \
    _Static_assert(MATMUL_COUNT(matmuls) <= MAX_SET_MATMULS, "a context has room for the set's matrix kernels")

typedef struct {
    /// The GEMM and GEMV kernels, in the order in which they are asked for a product; at most MAX_SET_MATMULS.
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
