// int8 GEMM of weights packed in blocks of 16 rows (formats/row_blocks.h). Panels of A and the micro-kernel are those
// of rows as they lie (pack_int8.inl, micro_kernel_int8.inl). A panel of B has for each block of 16 rows
//
//     quads      r0: k0 k1 k2 k3 | … | r15    64 bytes; then the next four columns …          BLOCK_KC * 16 bytes
//     scales     r0 r1 … r15                  16 floats for each group, of 16 or 32 columns   BLOCK_KC * 4 bytes
//     minima     likewise                                                                     BLOCK_KC * 4 bytes
//
// so that quants are only unpacked, and not moved. Groups past the last column have scales of zero.
// Quants that are multiplied in pairs (pack_int8.inl) take two vectors for each quad: r0: k0 k1 | r1: k0 k1 …, 16 bits
// each, then k2 and k3.
#pragma once
#include "gemm_int8.inl"
#include "pack_row_blocks.inl"

enum {
    /// Columns of a panel of B. More would push the panels of A out of the first-level cache (measured: 256 to 2048).
    BLOCK_KC = 512,
    BLOCK_SCALES = BLOCK_KC * BLOCK_ROWS * (MAX_LINE / LINE),
    BLOCK_MINIMA = BLOCK_SCALES + BLOCK_KC * 4,
    /// Bytes of a block in a panel of B. Not a power of two, so that blocks fall in different cache sets.
    PANEL_BLOCK_BYTES = BLOCK_MINIMA + BLOCK_KC * 4 + 2 * LINE,
};

INLINE panel_strides block_strides(const int format) {
    const int64_t groups = QUANTS / group_of(format);
    return (panel_strides){
        .row = QUAD, .part = BLOCK_ROWS * QUAD, .line = line_bytes(format) * BLOCK_ROWS, .row_scales = 1,
        .group_scales = BLOCK_ROWS, .line_scales = groups * BLOCK_ROWS};
}

// Stores a quad of each row; returns where the next one goes.
INLINE char *store_quads(const int format, vq quads, char *to) {
    if (!is_paired(format)) {
        store_q(to, quads);
        return to + LINE;
    }
    // Every other one of the four, signed, in 16 bits each.
    const vpairs even = (vpairs)((vq_16)quads << 8) >> 8, odd = (vpairs)quads >> 8;
    store_q(to, (vq)(((vu)even & 0xffff) | (vu)odd << 16));
    store_q(to + LINE, (vq)((vu)even >> 16 | ((vu)odd & 0xffff0000)));
    return to + 2 * LINE;
}

INLINE void unpack_block(
    const int format, const uint8_t *block, int64_t columns, int64_t begin, int64_t depth, char *to) {
    const uint8_t *quants = block + begin / GROUP_COLUMNS * group_quant_bytes(format);
    const uint8_t *scales =
        block + row_block_scales(format, columns) + begin / GROUP_COLUMNS * group_scale_bytes(format);
    const uint8_t *factors = block + row_block_factors(format, columns) + begin / 256 * factor_bytes(format);
    float *panel_scales = (float *)(to + BLOCK_SCALES), *panel_minima = (float *)(to + BLOCK_MINIMA);
    const int groups = has_factors(format) ? 256 / GROUP_COLUMNS : 1;
    for (int64_t k = 0; k < depth; k += groups * GROUP_COLUMNS) {
        const row_factors w_factors = factors_of_rows(format, factors);
        factors += factor_bytes(format);
        for (int g = 0; g < groups; g++) {
            UNROLL for (int half = 0; half < 2; half++)
                UNROLL for (int v = 0; v < GROUP_VECTORS; v++)
                    to = store_quads(format, unpack_rows(format, quants, half, v), to);
            const row_scales w = scales_of_rows(format, scales, w_factors);
            UNROLL for (int i = 0; i < GROUP_COLUMNS / group_of(format); i++) {
                store(panel_scales, w.scales[i]);
                if (has_minimum(format)) store(panel_minima, w.minima[i]);
                panel_scales += BLOCK_ROWS;
                panel_minima += BLOCK_ROWS;
            }
            quants += group_quant_bytes(format);
            scales += group_scale_bytes(format);
        }
    }
    if (depth % QUANTS == 0) return;
    memset(to, 0, (size_t)(line_bytes(format) / 2 * BLOCK_ROWS));
    store(panel_scales, splat(0));
    store(panel_minima, splat(0));
}

#define UNPACK_CASE(ID)                                                                                               \
    case CPUK_##ID:                                                                                                   \
        for (int64_t b = 0; b * BLOCK_ROWS < rows->count; b++)                                                        \
            unpack_block(                                                                                             \
                CPUK_##ID, (const uint8_t *)rows->rows[b], rows->columns, begin, depth,                               \
                (char *)packed + b * PANEL_BLOCK_BYTES);                                                              \
        return;
static void pack_b_of_row_blocks(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    switch (rows->format) {
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(UNPACK_CASE)
    default: return;
    }
}
#undef UNPACK_CASE

// The products of all rows with S registers of tokens from the `p`th panel of A on.
INLINE void multiply_row_tiles(
    const int format, const int S, const char *packed, const packed_a *a, int64_t p, int64_t rows, int64_t begin,
    int64_t lines, prefetcher *ahead, float *products) {
    for (int64_t r = 0; r < rows; r += TILE_SUMS / S) {
        const char *block = packed + r / BLOCK_ROWS * PANEL_BLOCK_BYTES;
        const int64_t row = r % BLOCK_ROWS;
        quads_step first = {
            .quants = block + row * QUAD, .scales = (const float *)(block + BLOCK_SCALES) + row,
            .minima = (const float *)(block + BLOCK_MINIMA) + row, .strides = block_strides(format)};
        UNROLL for (int s = 0; s < S; s++)
            first.groups[s] =
                a->data + p * a->stride + register_at(s, a->stride) + begin / X_GROUP * group_bytes(format);
        micro_kernel(format, S, first, lines, begin > 0, ahead, products + p * PRODUCTS_STRIDE + r * VL);
    }
}

INLINE void multiply_row_blocks_of(
    const int format, const weight_rows *rows, const char *packed, const packed_a *a, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    // Tiles as in gemm_int8.inl: one panel of A and eight rows, or two panels and four.
    const int64_t lines = padded_columns(depth) / QUANTS, row_count = rounded_rows(rows);
    prefetcher next = prefetch_in(ahead, lines * row_count * count / TILE_SUMS);
    int64_t p = 0;
    for (; p + TILE_PANELS <= count; p += TILE_PANELS)
        multiply_row_tiles(format, MAX_TILE_TOKENS, packed, a, p, row_count, begin, lines, &next, products);
    if (TILE_PANELS > 1 && p < count)
        multiply_row_tiles(format, 1, packed, a, p, row_count, begin, lines, &next, products);
}

#define MULTIPLY_CASE(ID)                                                                                             \
    case CPUK_##ID:                                                                                                   \
        if (has_code(CPUK_##ID))                                                                                      \
            multiply_row_blocks_of(CPUK_##ID, rows, packed, a, count, begin, depth, ahead, products);                 \
        return;
static void multiply_panels_of_row_blocks(
    const weight_rows *rows, const void *packed, const packed_a *a, int64_t count, int64_t begin, int64_t depth,
    read_ahead ahead, float *products) {
    switch (multiplied_as(rows->format)) {
        FOR_EACH_FORMAT_WITH_CODE(MULTIPLY_CASE)
    default: return;
    }
}
#undef MULTIPLY_CASE

static bool supports_gemm_row_blocks(cpuk_format format, int64_t tokens) {
    return has_row_blocks((int)format) && tokens > MAX_GEMV_TOKENS;
}

static const gemm_kernel gemm_of_row_blocks = {
    .panel_tokens = MR, .kc = BLOCK_KC, .packed_b_bytes = NC / BLOCK_ROWS * PANEL_BLOCK_BYTES, .packing_tokens = MR / 4,
    .few_panels = 3, .packed_a_bytes = packed_a_bytes, .pack_a = pack_a, .pack_b = pack_b_of_row_blocks,
    .multiply = multiply_panels_of_row_blocks, .transpose = transpose_products,
};
