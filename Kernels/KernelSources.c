// Embeds every file under Kernels/ with C23's #embed; the build follows edits to them. A new file needs its lines here
// (a test compares this list with the folder).
#pragma clang diagnostic ignored "-Wc23-extensions"

#include "KernelSources.h"

#define SOURCE(identifier, name) {name, identifier, sizeof identifier - 1}

static const char common_blocks[] = {
#embed "common/blocks.cl"
    , 0};
static const char common_dot[] = {
#embed "common/dot.cl"
    , 0};
static const char common_math[] = {
#embed "common/math.cl"
    , 0};
static const char common_rope[] = {
#embed "common/rope.cl"
    , 0};
static const char common_types[] = {
#embed "common/types.cl"
    , 0};
static const char chain_buffer_address[] = {
#embed "chain/buffer_address.cl"
    , 0};
static const char chain_run_chain[] = {
#embed "chain/run_chain.cl"
    , 0};
static const char norm_layer_norm[] = {
#embed "norm/layer_norm.cl"
    , 0};
static const char norm_rms_norm[] = {
#embed "norm/rms_norm.cl"
    , 0};
static const char activation_activation[] = {
#embed "activation/activation.cl"
    , 0};
static const char softmax_softmax[] = {
#embed "softmax/softmax.cl"
    , 0};
static const char rope_rope[] = {
#embed "rope/rope.cl"
    , 0};
static const char embedding_embedding[] = {
#embed "embedding/embedding.cl"
    , 0};
static const char embedding_gather_rows[] = {
#embed "embedding/gather_rows.cl"
    , 0};
static const char cache_copy_blocks[] = {
#embed "cache/copy_blocks.cl"
    , 0};
static const char cache_store_key_value[] = {
#embed "cache/store_key_value.cl"
    , 0};
static const char cache_store_key_value_i8[] = {
#embed "cache/store_key_value_i8.cl"
    , 0};
static const char selection_argmax[] = {
#embed "selection/argmax.cl"
    , 0};
static const char selection_top_k[] = {
#embed "selection/top_k.cl"
    , 0};
static const char attention_attention_common[] = {
#embed "attention/attention_common.cl"
    , 0};
static const char attention_attention_tiles_cpu[] = {
#embed "attention/attention_tiles_cpu.cl"
    , 0};
static const char attention_attention_rows_cpu[] = {
#embed "attention/attention_rows_cpu.cl"
    , 0};
static const char attention_attention_decode_cpu[] = {
#embed "attention/attention_decode_cpu.cl"
    , 0};
static const char attention_attention_prefill_cpu[] = {
#embed "attention/attention_prefill_cpu.cl"
    , 0};
static const char attention_attention_gpu[] = {
#embed "attention/attention_gpu.cl"
    , 0};
static const char attention_attention_merge[] = {
#embed "attention/attention_merge.cl"
    , 0};
static const char attention_encoder_attention_common[] = {
#embed "attention/encoder_attention_common.cl"
    , 0};
static const char attention_encoder_attention_cpu[] = {
#embed "attention/encoder_attention_cpu.cl"
    , 0};
static const char attention_encoder_attention_gpu[] = {
#embed "attention/encoder_attention_gpu.cl"
    , 0};
static const char experts_combine_experts[] = {
#embed "experts/combine_experts.cl"
    , 0};
static const char experts_expert_weights[] = {
#embed "experts/expert_weights.cl"
    , 0};
static const char experts_group_rows[] = {
#embed "experts/group_rows.cl"
    , 0};
static const char matmul_lanes_cpu[] = {
#embed "matmul/lanes_cpu.cl"
    , 0};
static const char matmul_matmul_common[] = {
#embed "matmul/matmul_common.cl"
    , 0};
static const char matmul_row_blocks_cpu[] = {
#embed "matmul/row_blocks_cpu.cl"
    , 0};
static const char matmul_activations_int8_cpu[] = {
#embed "matmul/activations_int8_cpu.cl"
    , 0};
static const char matmul_pack_rows_cpu[] = {
#embed "matmul/pack_rows_cpu.cl"
    , 0};
static const char matmul_unpack_rows_cpu[] = {
#embed "matmul/unpack_rows_cpu.cl"
    , 0};
static const char matmul_quads_cpu[] = {
#embed "matmul/quads_cpu.cl"
    , 0};
static const char matmul_quants_cpu[] = {
#embed "matmul/quants_cpu.cl"
    , 0};
static const char matmul_gemm_int8_cpu[] = {
#embed "matmul/gemm_int8_cpu.cl"
    , 0};
static const char matmul_gemv_int8_cpu[] = {
#embed "matmul/gemv_int8_cpu.cl"
    , 0};
static const char matmul_gemm_cpu[] = {
#embed "matmul/gemm_cpu.cl"
    , 0};
static const char matmul_gemv_cpu[] = {
#embed "matmul/gemv_cpu.cl"
    , 0};
static const char matmul_epilogue_cpu[] = {
#embed "matmul/epilogue_cpu.cl"
    , 0};
static const char matmul_matmul_gpu[] = {
#embed "matmul/matmul_gpu.cl"
    , 0};
static const char convolution_window[] = {
#embed "convolution/window.cl"
    , 0};
static const char convolution_unfold[] = {
#embed "convolution/unfold.cl"
    , 0};
static const char convolution_fold[] = {
#embed "convolution/fold.cl"
    , 0};
static const char convolution_convolve_depthwise[] = {
#embed "convolution/convolve_depthwise.cl"
    , 0};
static const char pooling_pooling[] = {
#embed "pooling/pooling.cl"
    , 0};
static const char image_image[] = {
#embed "image/image.cl"
    , 0};
static const char probe_dot_bf16[] = {
#embed "probe/dot_bf16.cl"
    , 0};
static const char probe_dot_i8[] = {
#embed "probe/dot_i8.cl"
    , 0};
static const char probe_half_arithmetic[] = {
#embed "probe/half_arithmetic.cl"
    , 0};
static const char probe_inline_ptx[] = {
#embed "probe/inline_ptx.cl"
    , 0};
static const char probe_integer_dot[] = {
#embed "probe/integer_dot.cl"
    , 0};
static const char probe_subgroup_sum[] = {
#embed "probe/subgroup_sum.cl"
    , 0};

static const kernel_source sources[] = {
    SOURCE(attention_attention_common, "attention/attention_common.cl"),
    SOURCE(attention_attention_tiles_cpu, "attention/attention_tiles_cpu.cl"),
    SOURCE(attention_attention_rows_cpu, "attention/attention_rows_cpu.cl"),
    SOURCE(attention_attention_decode_cpu, "attention/attention_decode_cpu.cl"),
    SOURCE(attention_attention_prefill_cpu, "attention/attention_prefill_cpu.cl"),
    SOURCE(attention_attention_gpu, "attention/attention_gpu.cl"),
    SOURCE(attention_attention_merge, "attention/attention_merge.cl"),
    SOURCE(attention_encoder_attention_common, "attention/encoder_attention_common.cl"),
    SOURCE(attention_encoder_attention_cpu, "attention/encoder_attention_cpu.cl"),
    SOURCE(attention_encoder_attention_gpu, "attention/encoder_attention_gpu.cl"),
    SOURCE(experts_combine_experts, "experts/combine_experts.cl"),
    SOURCE(experts_expert_weights, "experts/expert_weights.cl"),
    SOURCE(experts_group_rows, "experts/group_rows.cl"),
    SOURCE(matmul_lanes_cpu, "matmul/lanes_cpu.cl"),
    SOURCE(matmul_matmul_common, "matmul/matmul_common.cl"),
    SOURCE(matmul_row_blocks_cpu, "matmul/row_blocks_cpu.cl"),
    SOURCE(matmul_activations_int8_cpu, "matmul/activations_int8_cpu.cl"),
    SOURCE(matmul_pack_rows_cpu, "matmul/pack_rows_cpu.cl"),
    SOURCE(matmul_unpack_rows_cpu, "matmul/unpack_rows_cpu.cl"),
    SOURCE(matmul_quads_cpu, "matmul/quads_cpu.cl"),
    SOURCE(matmul_quants_cpu, "matmul/quants_cpu.cl"),
    SOURCE(matmul_gemm_int8_cpu, "matmul/gemm_int8_cpu.cl"),
    SOURCE(matmul_gemv_int8_cpu, "matmul/gemv_int8_cpu.cl"),
    SOURCE(matmul_gemm_cpu, "matmul/gemm_cpu.cl"),
    SOURCE(matmul_gemv_cpu, "matmul/gemv_cpu.cl"),
    SOURCE(matmul_epilogue_cpu, "matmul/epilogue_cpu.cl"),
    SOURCE(matmul_matmul_gpu, "matmul/matmul_gpu.cl"),
    SOURCE(common_blocks, "common/blocks.cl"),
    SOURCE(common_dot, "common/dot.cl"),
    SOURCE(common_math, "common/math.cl"),
    SOURCE(common_rope, "common/rope.cl"),
    SOURCE(common_types, "common/types.cl"),
    SOURCE(chain_buffer_address, "chain/buffer_address.cl"),
    SOURCE(chain_run_chain, "chain/run_chain.cl"),
    SOURCE(norm_layer_norm, "norm/layer_norm.cl"),
    SOURCE(norm_rms_norm, "norm/rms_norm.cl"),
    SOURCE(activation_activation, "activation/activation.cl"),
    SOURCE(softmax_softmax, "softmax/softmax.cl"),
    SOURCE(rope_rope, "rope/rope.cl"),
    SOURCE(embedding_embedding, "embedding/embedding.cl"),
    SOURCE(embedding_gather_rows, "embedding/gather_rows.cl"),
    SOURCE(cache_copy_blocks, "cache/copy_blocks.cl"),
    SOURCE(cache_store_key_value, "cache/store_key_value.cl"),
    SOURCE(cache_store_key_value_i8, "cache/store_key_value_i8.cl"),
    SOURCE(convolution_window, "convolution/window.cl"),
    SOURCE(convolution_unfold, "convolution/unfold.cl"),
    SOURCE(convolution_fold, "convolution/fold.cl"),
    SOURCE(convolution_convolve_depthwise, "convolution/convolve_depthwise.cl"),
    SOURCE(pooling_pooling, "pooling/pooling.cl"),
    SOURCE(image_image, "image/image.cl"),
    SOURCE(probe_dot_bf16, "probe/dot_bf16.cl"),
    SOURCE(probe_dot_i8, "probe/dot_i8.cl"),
    SOURCE(probe_half_arithmetic, "probe/half_arithmetic.cl"),
    SOURCE(probe_inline_ptx, "probe/inline_ptx.cl"),
    SOURCE(probe_integer_dot, "probe/integer_dot.cl"),
    SOURCE(probe_subgroup_sum, "probe/subgroup_sum.cl"),
    SOURCE(selection_argmax, "selection/argmax.cl"),
    SOURCE(selection_top_k, "selection/top_k.cl"),
};

size_t kernel_source_count(void) { return sizeof sources / sizeof sources[0]; }

kernel_source kernel_source_at(size_t index) { return sources[index]; }
