// The kernel set of floats of one target: every op, with FP32 activations. A target includes this inside its
// attributes.
#pragma once
#include "convolution.inl"
#include "epilogue.inl"
#include "gemm_f32.inl"
#if defined(SIMD_AVX512)
#include "gemm_lanes_f32.inl"
#endif
#include "gemv_f32.inl"
#include "kernel_set.h"
#include "norm.inl"
#include "paged_decode.inl"
#include "paged_prefill.inl"
#include "pixels.inl"
#include "row_blocks_16_bits.inl"
#include "row_blocks_floats.inl"
#include "rows.inl"
#include "selection.inl"
#include "softmax.inl"
#include "varlen_attention.inl"
#include "winograd.inl"

static const matmul_kernel matmuls[] = {
    {.supports = supports_gemm_blocks_f32, .packing = &packing_of_floats, .gemm = &gemm_of_blocks_f32},
    {.supports = supports_gemm_blocks_of_halves, .packing = &packing_of_floats, .gemm = &gemm_of_blocks_of_halves},
    {.supports = supports_gemv_blocks_of_floats, .packing = &packing_of_floats, .gemv = &gemv_of_blocks_of_floats},
    {.supports = supports_gemm, .gemm = &gemm},
#if defined(SIMD_AVX512)
    {.supports = supports_gemm_of_lanes, .gemm = &gemm_of_lanes},
#endif
    {.supports = supports_gemv, .gemv = &gemv},
};
CHECK_MATMUL_COUNT(matmuls);
static const row_kernels rows_of_floats = {
    .apply_epilogue = apply_epilogue, .norm = norm_row, .activate = activate_row, .soft_cap = soft_cap_row,
    .softmax_reduce = softmax_reduce, .softmax_write = softmax_write, .embed = embed_row,
    .weighted_sum = weighted_sum_row, .add_products = add_products_row, .rope_head = rope_head, .store = store_row,
    .quantise = quantise_row,
    .sum_pixels = sum_pixels, .max_pixels = max_pixels, .argmax = argmax, .top_k_scan = top_k_scan,
};
static const attention_kernels attention = {
    .paged_prefill = paged_prefill, .paged_decode = paged_decode, .merge_chunks = merge_chunks,
    .varlen = varlen_attention,
};
static const convolution_kernels convolution = {
    .panel_outputs = CONVOLUTION_NR, .vector = VL, .pack = pack_convolution, .multiply = multiply_convolution,
    .small_winograd = &winograd_2, .large_winograd = &winograd_4,
};
static const kernel_set set = {
    .matmul_count = MATMUL_COUNT(matmuls), .matmuls = matmuls,
    .rows = &rows_of_floats, .attention = &attention, .convolution = &convolution};
