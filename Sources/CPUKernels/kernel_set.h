// The kernels of one instruction set as a table. Included last by each kernels_<isa>.c, inside its target region.
#pragma once
#include "kernels.h"
#include "selection.h"
#include "simd.h"

#include "matmul_kernels.h"

#include "panel_kernels.h"

#include "row_kernels.h"

#include "cache_rows.h"

#include "attention_kernels.h"

#include "attention_tiles.h"

#include "prefill_kernels.h"

#include "encoder_kernels.h"

#define KERNEL_TABLE(isa_value)                                                                                       \
    {                                                                                                                 \
        .isa = isa_value, .group_tokens = GROUP_TOKENS, .dot_rows = dot_rows, .panels = PANEL_KERNELS,                 \
        .finish_row = finish_row, .norm_row = norm_row, .activate_row = activate_row,                                 \
        .soft_cap_row = soft_cap_row, .softmax_reduce = softmax_reduce, .softmax_write = softmax_write,               \
        .embed_row = embed_row, .weighted_sum_row = weighted_sum_row,                                                 \
        .rope_head = rope_head, .store_row = store_row, .quantize_row = quantize_row,                                \
        .attention_prefill = attention_prefill,                                                                       \
        .attention_decode = attention_decode, .attention_merge = attention_merge,                                     \
        .encoder_attention = encoder_attention, .argmax = argmax, .top_k_scan = top_k_scan,                           \
    }
