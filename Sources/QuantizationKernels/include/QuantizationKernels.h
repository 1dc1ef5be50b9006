// Packs float32 rows into GGUF's block formats: the writing side, run once when a file is made. What the formats hold
// is described by ggml's `dequantize_row_*`; how quants and scales are searched is in search.h and superblocks.h.
#pragma once

#include "NumberFormats.h"

#include <stdbool.h>
#include <stdint.h>

// Packs `count` values, whole blocks of the format, one block behind the other. The values must be finite.
// Returns false where a block's scale is over what a binary16 holds; the output is then not to be used.
// The format must be one that `quantization_packs`.
bool quantization_pack(number_format format, const float *values, int64_t count, uint8_t *output);

// Whether blocks of the format can be packed.
bool quantization_packs(number_format format);

// Whether none of `count` values is an infinity or a NaN.
bool quantization_all_finite(const float *values, int64_t count);
