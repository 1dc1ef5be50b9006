// The kernel set of products in BF16: GEMM, and prefill attention. A target includes this inside its attributes.
#pragma once
#include "gemm_bf16.inl"
#include "kernel_set.h"
#include "paged_prefill_bf16.inl"

static const matmul_kernel matmuls[] = {{.rounds_activations = true, .supports = supports_gemm, .gemm = &gemm}};
CHECK_MATMUL_COUNT(matmuls);
static const kernel_set set = {
    .matmul_count = MATMUL_COUNT(matmuls), .matmuls = matmuls,
    .paged_prefill = paged_prefill_bf16};
