// The kernel set of products on tiles: GEMM of every format, and prefill attention. A target includes this inside its
// attributes.
#pragma once
#define SIMD_TILES
#include "gemm_tiles.inl"
#include "kernel_set.h"
#include "paged_prefill_bf16.inl"

static const matmul_kernel matmuls[] = {
    {.rounds_activations = true, .supports = supports_gemm, .gemm = &gemm},
    {.rounds_activations = true, .supports = supports_gemm_row_blocks, .packing = &row_blocks,
     .gemm = &gemm_of_row_blocks},
};
CHECK_MATMUL_COUNT(matmuls);
static const kernel_set set = {
    .matmul_count = MATMUL_COUNT(matmuls), .matmuls = matmuls,
    .paged_prefill = paged_prefill_bf16};
