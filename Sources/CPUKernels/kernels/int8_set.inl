// The kernel set of int8 products of one target: activations are quantised to int8, and four products at a time go
// into an integer sum. A target includes this inside its attributes.
#pragma once
#include "gemm_int8.inl"
#include "gemm_row_blocks.inl"
#include "gemv_int8.inl"
#include "gemv_row_blocks.inl"
#if defined(SIMD_AVX2_WIDE) || (defined(SIMD_AVX512) && defined(SIMD_VNNI))
#define HAS_INT8_CONVOLUTION
#include "convolution_int8.inl"
#endif
#if defined(SIMD_AVX512) && defined(SIMD_VNNI)
#include "gemm_int8_by_token.inl"
#endif
#include "kernel_set.h"

static const matmul_kernel matmuls[] = {
#if defined(SIMD_AVX512) && defined(SIMD_VNNI)
    {.rounds_activations = true, .supports = supports_token_blocks, .packing = &token_blocks, .by_token = &by_token},
#endif
    {.rounds_activations = true, .supports = supports_gemm, .gemm = &gemm},
    {.rounds_activations = true, .supports = supports_gemv, .gemv = &gemv},
    {.rounds_activations = true, .supports = supports_gemv_row_blocks, .packing = &row_blocks,
     .gemv = &gemv_of_row_blocks},
    {.rounds_activations = true, .supports = supports_gemm_row_blocks, .packing = &row_blocks,
     .gemm = &gemm_of_row_blocks},
};
CHECK_MATMUL_COUNT(matmuls);
static const kernel_set set = {
    .matmul_count = MATMUL_COUNT(matmuls), .matmuls = matmuls,
#if defined(HAS_INT8_CONVOLUTION)
    .convolution_int8 = &convolution_int8,
#endif
};
