// Products of many tokens with weights of 16 bits in blocks of 16 rows (row_blocks_floats.inl), which are made floats
// once for all tokens.
#pragma once
#include "row_blocks_floats.inl"

enum {
    /// Columns that are made floats together for many tokens (measured): tiles of wide vectors want them in the
    /// first-level cache, others hide what the second one takes.
    HALVES_KC = VECTOR_REGISTERS >= 32 ? 128 : 512,
};

// Numbers of 16 bits become floats in the panels that gemm_f32.inl packs, without being moved otherwise. Rows behind
// the last block, up to a whole panel, are zeros.
INLINE void dequantise_blocks(const int format, const weight_rows *rows, int64_t begin, int64_t depth, float *panel) {
    const int64_t column_bytes = PACKED_ROWS * format_bytes(format);
    const int64_t end = (rows->count + PACKED_ROWS - 1) / PACKED_ROWS * PACKED_ROWS;
    for (int64_t r = 0; r < (end + NR - 1) / NR * NR; r += VL) {
        const bool exists = r < end;
        const char *from = exists ? rows->rows[r / PACKED_ROWS] + begin * column_bytes : NULL;
        float *to = panel + r / NR * NR * depth + r % NR;
        for (int64_t k = 0; k < depth; k++) {
            if (exists) __builtin_prefetch(from + k * column_bytes + BLOCK_BYTES_AHEAD, 0, 2);
            const vf column = exists ? dequantise(format, from + k * column_bytes, r % PACKED_ROWS) : splat(0);
            store(to + k * NR, column);
        }
    }
}

static void pack_b_of_halves(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    if (rows->format == CPUK_BF16) dequantise_blocks(CPUK_BF16, rows, begin, depth, packed);
    else dequantise_blocks(CPUK_F16, rows, begin, depth, packed);
}

static bool supports_gemm_blocks_of_halves(cpuk_format format, int64_t tokens) {
    return (format == CPUK_BF16 || format == CPUK_F16) && tokens > MAX_TOKENS_OF_HALVES;
}

static const gemm_kernel gemm_of_blocks_of_halves = {
    .panel_tokens = 1, .kc = HALVES_KC, .packed_b_bytes = NC * HALVES_KC * sizeof(float), .packing_tokens = 4,
    .pack_b = pack_b_of_halves, .multiply = multiply,
};
