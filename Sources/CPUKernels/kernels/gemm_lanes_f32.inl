// GEMM with FP32 activations for a batch of tokens: a token in each lane (token_lanes.inl).
//
// Up to a hundred tokens the tiles of gemm_f32.inl spend much of their time on packing, which transposes the weights.
// Here weights are only dequantised, 16 rows at a time, to lines that stay in the first-level cache.
//
//     panel of A, 16 tokens     k0: t0 t1 … t15 | k1: t0 t1 … t15 | …       64 bytes for each column
//     panel of B                lines of 16 columns
#pragma once
#include "../formats/dequantise.h"
#include "token_lanes.inl"

enum {
    /// Columns of a panel of B: its lines and those of a panel of A fit a first-level cache of 32 KB.
    LANES_KC = 256,
};

static int64_t packed_a_bytes_of_lanes(int64_t columns) { return columns * LINE; }

static void pack_a_of_lanes(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *panel) {
    (void)format;
    (void)columns;
    for (int64_t k = begin; k < end; k += VL) {
        const int64_t width = end - k < VL ? end - k : VL;
        vf square[VL];
        for (int t = 0; t < VL; t++) {
            const float *from = x + t * ldx + k;
            square[t] = t >= tokens ? splat(0) : width == VL ? load(from) : load_part(from, width);
        }
        transpose(square);
        for (int64_t i = 0; i < width; i++) store((float *)panel + (k + i) * VL, square[i]);
    }
}

INLINE void pack_b_of_lanes_of(
    const int format, const weight_rows *rows, int64_t begin, int64_t depth, char *packed) {
    for (int64_t r = 0; r < rounded_rows(rows); r++) {
        const char *row = row_of(rows, r);
        const float scale = rows->scales[r < rows->count ? r : rows->count - 1];
        for (int64_t k = 0; k < depth; k += VL) {
            const int64_t rest = depth - k;
            const vf x =
                rest >= VL ? dequantise(format, row, begin + k) : dequantise_part(format, row, begin + k, rest);
            store((float *)(packed + k / VL * LINES_STRIDE + r * LINE), format == CPUK_I8 ? x * scale : x);
        }
    }
}

#define PACK_CASE(ID, ...) \
    case CPUK_##ID: pack_b_of_lanes_of(CPUK_##ID, rows, begin, depth, packed); return;
static void pack_b_of_lanes(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    switch (rows->format) {
        NUMBER_FORMATS_OF_VALUES(PACK_CASE)
        NUMBER_FORMATS_OF_BLOCKS(PACK_CASE)
    default: return;
    }
}
#undef PACK_CASE

INLINE void add_columns(const int count, const float *lines, const float *tokens, vf *sums) {
    UNROLL for (int i = 0; i < count; i++) {
        const vf x = load(tokens + i * VL);
        UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) sums[r] = fma_v(x, splat(lines[r * VL + i]), sums[r]);
    }
}

static void multiply_lines(
    const char *lines, const float *tokens, int64_t depth, bool accumulate, prefetcher *ahead, float *products) {
    vf sums[TRANSPOSED_ROWS];
    UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) sums[r] = accumulate ? load(products + r * VL) : splat(0);
    int64_t k = 0;
    for (; k + VL <= depth; k += VL, lines += LINES_STRIDE) {
        prefetch_step(ahead);
        add_columns(VL, (const float *)lines, tokens + k * VL, sums);
    }
    for (int64_t i = 0; k + i < depth; i++) add_columns(1, (const float *)lines + i, tokens + (k + i) * VL, sums);
    UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) store(products + r * VL, sums[r]);
}

static void multiply_lanes(
    const weight_rows *rows, const void *packed, const packed_a *panels, int64_t count, int64_t begin, int64_t depth,
    read_ahead ahead, float *products) {
    const int64_t tiles = rounded_rows(rows) / TRANSPOSED_ROWS;
    prefetcher next = prefetch_in(ahead, (depth + VL - 1) / VL * tiles * count);
    for (int64_t s = 0; s < count; s++)
        for (int64_t r = 0; r < rounded_rows(rows); r += TRANSPOSED_ROWS)
            multiply_lines(
                (const char *)packed + r * LINE, (const float *)(panels->data + s * panels->stride) + begin * VL, depth,
                begin > 0, &next, products + s * PRODUCTS_STRIDE + r * VL);
}

// A panel of A takes as long where lanes are empty, while GEMV takes time for each token: this pays where panels are
// full and there are several. On an Emerald Rapids a GEMV of FP32 weights took 16 + T, and this 26 + 12.2 panels; of
// 16-bit weights, which GEMV converts for each token, 6 + T and 10 + 11.1 panels. Blocks are dequantised more slowly,
// which other kernels do several times or with a transposition.
static bool supports_gemm_of_lanes(cpuk_format format, int64_t tokens) {
    const int64_t panels = (tokens + VL - 1) / VL;
    if (format > CPUK_Q8_0) return tokens > MAX_GEMV_TOKENS;
    if (format == CPUK_F32) return 49 * panels + 44 <= 4 * tokens;
    return panels > 1 && 10 * panels + 5 <= tokens * 15 / 16;
}

static const gemm_kernel gemm_of_lanes = {
    .panel_tokens = VL, .kc = LANES_KC, .packed_b_bytes = LANES_KC / VL * LINES_STRIDE, .packing_tokens = VL / 4,
    .few_panels = 8, .packed_a_bytes = packed_a_bytes_of_lanes, .pack_a = pack_a_of_lanes, .pack_b = pack_b_of_lanes,
    .multiply = multiply_lanes, .transpose = transpose_products,
};
