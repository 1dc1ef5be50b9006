// GEMM on tiles (simd/tiles.h) with activations rounded to BF16, and weights of every format as BF16. Panels are those
// of pack_bf16.inl: 16 rows of weights of a line are a tile, and so are 16 pairs of columns of a panel of A.
//
//     products of 32 rows and 32 tokens, in tiles 0 to 3          tokens 0 to 15 (tile 6)    16 to 31 (tile 7)
//         rows 0 to 15    (tile 4)                                       tile 0                   tile 1
//         rows 16 to 31   (tile 5)                                       tile 2                   tile 3
//
// Each of the four multiplications of a step takes 16 cycles, and each of the four loads 8 from the first-level cache.
#pragma once
#include "../simd/tiles.h"
#include "pack_bf16.inl"
#include "pack_row_blocks.inl"

enum {
    /// Columns of a panel of B: with 512 tokens of A they fill half of a second-level cache of 2 MiB.
    TILES_KC = 1024,
    /// Fewer tokens are faster by GEMV, which reads the weights as fast as memory gives them.
    MIN_TILE_TOKENS = 9,
    /// Fewer tokens are faster as int8 products, for which blocks are unpacked but not converted.
    MIN_TILE_TOKENS_OF_BLOCKS = 32,
};

// ---- B

#define PACK_CASE(ID) case CPUK_##ID: pack_b_bf16(CPUK_##ID, rows, begin, depth, packed); return;
static void pack_b_of_rows(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    switch (rows->format) {
        PACK_CASE(F32)
        PACK_CASE(BF16)
        PACK_CASE(F16)
        FOR_EACH_FORMAT_OF_QUANTS(PACK_CASE)
    default: return;
    }
}
#undef PACK_CASE

// Bytes `b` and `b + 1` of quads as pairs of weights.
INLINE __m512i pairs_of_quads(vq quads, const int b, vf scale, vf offset) {
    const vu numbers = (vu)quads >> (8 * b);
    const vf first = __builtin_convertvector((vi)(numbers & 255u), vf);
    const vf second = __builtin_convertvector((vi)(numbers >> 8 & 255u), vf);
    return interleave_bf16(fma_v(first, scale, offset), fma_v(second, scale, offset));
}

// A line of 16 rows from a group of 32 columns. The lanes of what is unpacked are rows, so pairs are transposed.
INLINE void line_of_row_block(const int format, const uint8_t *quants, row_scales scales, char *line) {
    vf square[VL];
    UNROLL for (int half = 0; half < 2; half++) {
        const vf scale = scales.scales[scale_of_half(format, half)];
        const vf offset = has_minimum(format) ? scales.minima[scale_of_half(format, half)]
                                              : scale * -(float)quant_offset(format);
        UNROLL for (int v = 0; v < GROUP_VECTORS; v++) {
            const vq quads = unpack_rows(format, quants, half, v);
            UNROLL for (int pair = 0; pair < 2; pair++)
                square[(half * GROUP_VECTORS + v) * 2 + pair] = (vf)pairs_of_quads(quads, 2 * pair, scale, offset);
        }
    }
    transpose(square);
    UNROLL for (int r = 0; r < BLOCK_ROWS; r++) store((float *)(line + r * LINE), square[r]);
}

INLINE void lines_of_row_block(
    const int format, const uint8_t *block, int64_t columns, int64_t begin, int64_t depth, char *line) {
    const uint8_t *quants = block + begin / GROUP_COLUMNS * group_quant_bytes(format);
    const uint8_t *scales =
        block + row_block_scales(format, columns) + begin / GROUP_COLUMNS * group_scale_bytes(format);
    const uint8_t *factors = block + row_block_factors(format, columns) + begin / 256 * factor_bytes(format);
    row_factors w_factors = {0};
    for (int64_t k = 0; k < depth; k += GROUP_COLUMNS) {
        if (k % 256 == 0) w_factors = factors_of_rows(format, factors + k / 256 * factor_bytes(format));
        line_of_row_block(format, quants, scales_of_rows(format, scales, w_factors), line);
        quants += group_quant_bytes(format);
        scales += group_scale_bytes(format);
        line += LINES_STRIDE;
    }
}

#define UNPACK_CASE(ID)                                                                                               \
    case CPUK_##ID:                                                                                                   \
        for (int64_t b = 0; b * BLOCK_ROWS < rows->count; b++)                                                        \
            lines_of_row_block(                                                                                       \
                CPUK_##ID, (const uint8_t *)rows->rows[b], rows->columns, begin, depth,                               \
                (char *)packed + b * BLOCK_ROWS * LINE);                                                              \
        return;
static void pack_b_of_row_blocks(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    switch (rows->format) {
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(UNPACK_CASE)
    default: return;
    }
}
#undef UNPACK_CASE

// ---- Products

// Those of R times 16 rows with P panels of A, each of which is 1 or 2.
INLINE void multiply_tiles(
    const int R, const int P, const char *lines, const char *panel, int64_t panel_stride, int64_t steps,
    bool accumulate, prefetcher *ahead, float *products) {
    tile_registers registers, *tiles = &registers;
    float *below = products + TILE_ROWS * VL;
    if (accumulate) {
        TILE_LOAD(tiles, 0, products, LINE);
        if (P > 1) TILE_LOAD(tiles, 1, products + PRODUCTS_STRIDE, LINE);
        if (R > 1) TILE_LOAD(tiles, 2, below, LINE);
        if (R > 1 && P > 1) TILE_LOAD(tiles, 3, below + PRODUCTS_STRIDE, LINE);
    } else {
        TILE_ZERO(tiles, 0);
        if (P > 1) TILE_ZERO(tiles, 1);
        if (R > 1) TILE_ZERO(tiles, 2);
        if (R > 1 && P > 1) TILE_ZERO(tiles, 3);
    }
    for (int64_t step = 0; step < steps; step++) {
        prefetch_step(ahead);
        TILE_LOAD(tiles, 4, lines, LINE);
        TILE_LOAD(tiles, 6, panel, LINE);
        TILE_MULTIPLY(tiles, 0, 4, 6);
        if (P > 1) TILE_LOAD(tiles, 7, panel + panel_stride, LINE);
        if (P > 1) TILE_MULTIPLY(tiles, 1, 4, 7);
        if (R > 1) TILE_LOAD(tiles, 5, lines + TILE_ROWS * LINE, LINE);
        if (R > 1) TILE_MULTIPLY(tiles, 2, 5, 6);
        if (R > 1 && P > 1) TILE_MULTIPLY(tiles, 3, 5, 7);
        lines += LINES_STRIDE;
        panel += TILE_BYTES;
    }
    TILE_STORE(tiles, 0, products, LINE);
    if (P > 1) TILE_STORE(tiles, 1, products + PRODUCTS_STRIDE, LINE);
    if (R > 1) TILE_STORE(tiles, 2, below, LINE);
    if (R > 1 && P > 1) TILE_STORE(tiles, 3, below + PRODUCTS_STRIDE, LINE);
}

static void multiply_rows_with_panels(
    const weight_rows *rows, const void *packed, const packed_a *a, int64_t count, int64_t begin, int64_t depth,
    read_ahead ahead, float *products) {
    const int64_t steps = (depth + STEP - 1) / STEP, row_count = rounded_rows(rows);
    const int64_t row_pairs = (row_count + 2 * TILE_ROWS - 1) / (2 * TILE_ROWS);
    prefetcher next = prefetch_in(ahead, steps * row_pairs * ((count + 1) / 2));
    for (int64_t p = 0; p < count; p += 2) {
        const char *panel = a->data + p * a->stride + begin / 2 * LINE;
        const bool two_panels = p + 1 < count;
        for (int64_t r = 0; r < row_count; r += 2 * TILE_ROWS) {
            const bool two_rows = r + TILE_ROWS < row_count;
            const char *lines = (const char *)packed + r * LINE;
            float *to = products + p * PRODUCTS_STRIDE + r * VL;
            if (two_rows && two_panels)
                multiply_tiles(2, 2, lines, panel, a->stride, steps, begin > 0, &next, to);
            else if (two_rows) multiply_tiles(2, 1, lines, panel, a->stride, steps, begin > 0, &next, to);
            else if (two_panels) multiply_tiles(1, 2, lines, panel, a->stride, steps, begin > 0, &next, to);
            else multiply_tiles(1, 1, lines, panel, a->stride, steps, begin > 0, &next, to);
        }
    }
}

static void begin_tiles(void) { tiles_begin(); }
static void end_tiles(void) { tiles_end(); }

static bool supports_gemm(cpuk_format format, int64_t tokens) {
    const bool is_float = format == CPUK_F32 || format == CPUK_BF16 || format == CPUK_F16;
    return is_float ? tokens >= MIN_TILE_TOKENS
                    : has_quants((int)format) && tokens >= MIN_TILE_TOKENS_OF_BLOCKS;
}
static bool supports_gemm_row_blocks(cpuk_format format, int64_t tokens) {
    return has_row_blocks((int)format) && tokens >= MIN_TILE_TOKENS_OF_BLOCKS;
}

#define TILES_GEMM(pack)                                                                                              \
    {                                                                                                                 \
        .panel_tokens = MR, .kc = TILES_KC, .packed_b_bytes = TILES_KC / STEP * LINES_STRIDE,                         \
        .packing_tokens = 4 * MR, .few_panels = 3, .packed_a_bytes = packed_a_bytes_bf16, .pack_a = pack_a_bf16,      \
        .pack_b = pack, .multiply = multiply_rows_with_panels, .transpose = transpose_products,                       \
        .begin_thread = begin_tiles, .end_thread = end_tiles,                                                         \
    }
static const gemm_kernel gemm = TILES_GEMM(pack_b_of_rows);
static const gemm_kernel gemm_of_row_blocks = TILES_GEMM(pack_b_of_row_blocks);
#undef TILES_GEMM
