// Packs float32 rows into GGUF's block formats: the writing side, run once when a file is made. What the formats hold
// is described by ggml's `dequantize_row_*`; how levels and scales are searched is in search.h and superblocks.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum quantization_format {
    QUANTIZATION_Q8_0,
    QUANTIZATION_Q4_0,
    QUANTIZATION_Q4_1,
    QUANTIZATION_Q5_0,
    QUANTIZATION_Q5_1,
    QUANTIZATION_Q2_K,
    QUANTIZATION_Q3_K,
    QUANTIZATION_Q4_K,
    QUANTIZATION_Q5_K,
    QUANTIZATION_Q6_K,
    QUANTIZATION_IQ4_NL,
    QUANTIZATION_IQ4_XS,
};

// Packs `count` values, whole blocks of the format, one block behind the other. The values must be finite.
// Returns false where a block's scale is over what a binary16 holds; the output is then not to be used.
bool quantization_pack(enum quantization_format format, const float *values, int64_t count, uint8_t *output);

// Whether none of `count` values is an infinity or a NaN.
bool quantization_all_finite(const float *values, int64_t count);
