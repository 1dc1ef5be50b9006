// Products of weights in FP32, BF16 or FP16 packed once, in blocks of 16 rows: no weight is transposed for each
// product, as gemm_f32.inl does, and a single token reads one stream of addresses.
//
//     block of 16 rows      k0: r0 r1 … r15 | k1: r0 r1 … r15 | …       64 or 32 bytes for each column
//
// A sum is added up in the order of the columns in both kernels, so that a token's result does not depend on how many
// there are.
#pragma once
#include "gemm_f32.inl"

enum {
    BLOCK_VECTORS = PACKED_ROWS / VL,
    /// Blocks that a GEMV takes at once: one vector of sums would wait for its own additions.
    GEMV_BLOCKS = BLOCK_VECTORS == 1 ? 2 : 1,
    GEMV_VECTORS = GEMV_BLOCKS * BLOCK_VECTORS,
    /// Tokens whose sums fit the registers.
    REGISTER_TOKENS = (VECTOR_REGISTERS - 4) / GEMV_VECTORS,
    BLOCK_GEMV_TOKENS = REGISTER_TOKENS < MAX_GEMV_TOKENS ? REGISTER_TOKENS : MAX_GEMV_TOKENS,
    /// How far ahead a block is read into the second-level cache.
    BLOCK_BYTES_AHEAD = 8192,
    /// The most tokens that weights of 16 bits are made floats for in registers, each few of them anew (measured).
    MAX_TOKENS_OF_HALVES = 32,
};

// ---- Packing

static int64_t block_bytes_of_floats(cpuk_format format, int64_t columns) {
    const bool is_value = format == CPUK_F32 || format == CPUK_BF16 || format == CPUK_F16;
    return is_value ? (columns * PACKED_ROWS * format_bytes((int)format) + 63) / 64 * 64 : 0;
}

INLINE void pack_block_of(
    const int format, const char *const rows[PACKED_ROWS], int64_t count, int64_t columns, void *block) {
    for (int64_t r = 0; r < PACKED_ROWS; r += VL)
        for (int64_t k = 0; k < columns; k += VL) {
            const int64_t width = columns - k < VL ? columns - k : VL;
            vf square[VL];
            for (int i = 0; i < VL; i++) {
                if (r + i >= count) square[i] = splat(0);
                else if (width == VL) square[i] = dequantise(format, rows[r + i], k);
                else square[i] = dequantise_part(format, rows[r + i], k, width);
            }
            transpose(square);
            for (int64_t i = 0; i < width; i++) store_as(format, block, (k + i) * PACKED_ROWS + r, square[i]);
        }
}

static void pack_block_of_floats(
    cpuk_format format, const char *const rows[PACKED_ROWS], const float *scales, int64_t count, int64_t columns,
    void *block) {
    (void)scales;
    switch (format) {
    case CPUK_F32: pack_block_of(CPUK_F32, rows, count, columns, block); return;
    case CPUK_BF16: pack_block_of(CPUK_BF16, rows, count, columns, block); return;
    case CPUK_F16: pack_block_of(CPUK_F16, rows, count, columns, block); return;
    default: return;
    }
}

static const weight_packing packing_of_floats = {
    .block_bytes = block_bytes_of_floats, .pack_block = pack_block_of_floats};

// ---- Few tokens

// y[t * ldy + r] for B blocks and T tokens.
INLINE void gemv_blocks_of_floats(
    const int format, const int B, const int T, const char *blocks, int64_t count, const float *x, int64_t ldx,
    int64_t columns, float *y, int64_t ldy) {
    const int64_t column_bytes = PACKED_ROWS * format_bytes(format), stride = block_bytes_of_floats(format, columns);
    // Behind a block's last columns lie those of its neighbour, which is read already: what follows is behind that.
    const int64_t last = columns - BLOCK_BYTES_AHEAD / column_bytes, skipped = (B - 1) * stride;
    vf sums[MAX_GEMV_TOKENS][GEMV_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < B * BLOCK_VECTORS; v++) sums[t][v] = splat(0);
    for (int64_t k = 0; k < columns; k++) {
        const int64_t ahead = BLOCK_BYTES_AHEAD + (k < last ? 0 : skipped);
        UNROLL for (int b = 0; b < B; b++) {
            const char *at = blocks + b * stride + k * column_bytes;
            __builtin_prefetch(at + ahead, 0, 2);
            UNROLL for (int v = 0; v < BLOCK_VECTORS; v++) {
                const vf weights = dequantise(format, at, v * VL);
                UNROLL for (int t = 0; t < T; t++) {
                    vf *sum = &sums[t][b * BLOCK_VECTORS + v];
                    *sum = fma_v(weights, splat(x[t * ldx + k]), *sum);
                }
            }
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < B * BLOCK_VECTORS; v++) {
            const int64_t rest = count - v * VL;
            if (rest >= VL) store(y + t * ldy + v * VL, sums[t][v]);
            else if (rest > 0) store_part(y + t * ldy + v * VL, sums[t][v], rest);
        }
}

INLINE void gemv_rows_of_blocks(
    const int format, const int T, const char *blocks, int64_t count, const float *x, int64_t ldx, int64_t columns,
    float *y, int64_t ldy) {
    enum { ROWS = GEMV_BLOCKS * PACKED_ROWS };
    const int64_t row_bytes = block_bytes_of_floats(format, columns) / PACKED_ROWS;
    int64_t r = 0;
    for (; count - r > ROWS - PACKED_ROWS; r += ROWS)
        gemv_blocks_of_floats(format, GEMV_BLOCKS, T, blocks + r * row_bytes, count - r, x, ldx, columns, y + r, ldy);
    if (r < count) gemv_blocks_of_floats(format, 1, T, blocks + r * row_bytes, count - r, x, ldx, columns, y + r, ldy);
}

#define FEW_CASE(T) \
    case T: gemv_rows_of_blocks(format, T, blocks, count, tokens, ldx, x->columns, to, ldy); break;
INLINE void multiply_blocks_of(
    const int format, const char *blocks, int64_t count, const packed_a *x, int64_t token_count, float *y,
    int64_t ldy) {
    const int64_t ldx = x->stride / (int64_t)sizeof(float);
    const int64_t groups = (token_count + BLOCK_GEMV_TOKENS - 1) / BLOCK_GEMV_TOKENS;
    for (int64_t group = 0; group < groups; group++) {
        const int64_t t = group * token_count / groups;
        const float *tokens = (const float *)x->data + t * ldx;
        float *to = y + t * ldy;
        switch ((group + 1) * token_count / groups - t) {
            FEW_CASE(1)
            FEW_CASE(2)
            FEW_CASE(3)
            FEW_CASE(4)
            FEW_CASE(5)
            FEW_CASE(6)
            FEW_CASE(7)
            FEW_CASE(8)
        default: break;
        }
    }
}
#undef FEW_CASE

static void multiply_blocks_of_floats(
    cpuk_format format, const void *blocks, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
    int64_t tokens, float *y, int64_t ldy) {
    (void)row_bytes;
    (void)scales;
    switch (format) {
    case CPUK_F32: multiply_blocks_of(CPUK_F32, blocks, count, x, tokens, y, ldy); return;
    case CPUK_BF16: multiply_blocks_of(CPUK_BF16, blocks, count, x, tokens, y, ldy); return;
    case CPUK_F16: multiply_blocks_of(CPUK_F16, blocks, count, x, tokens, y, ldy); return;
    default: return;
    }
}

static bool supports_gemv_blocks_of_floats(cpuk_format format, int64_t tokens) {
    const int64_t most = format == CPUK_F32 ? MAX_GEMV_TOKENS : MAX_TOKENS_OF_HALVES;
    return block_bytes_of_floats(format, 1) > 0 && tokens <= most;
}

static const gemv_kernel gemv_of_blocks_of_floats = {
    .tokens = BLOCK_GEMV_TOKENS, .multiply = multiply_blocks_of_floats};

// ---- Many tokens

// Blocks are panels of B as they are.
static void no_packing(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    (void)rows;
    (void)begin;
    (void)depth;
    (void)packed;
}

// Row `r` and those behind it. Behind the last block it is repeated; the products of the repeats are not used.
INLINE tile_weights tile_of_blocks(const weight_rows *rows, int64_t r, int64_t begin) {
    const int64_t last = (rows->count - 1) / PACKED_ROWS;
    tile_weights tile = {.ahead_bytes = 0};
    UNROLL for (int v = 0; v < NR_VECTORS; v++) {
        const int64_t row = r + v * VL, block = row / PACKED_ROWS;
        tile.vectors[v] =
            (const float *)rows->rows[block < last ? block : last] + begin * PACKED_ROWS + row % PACKED_ROWS;
    }
    return tile;
}

// The part of what is read next that goes with group `group` of `groups` tokens: the next columns of a block, each
// block having some of the groups, or, behind the last columns, the rows that follow, as far as `next` has them.
INLINE read_ahead ahead_of_group(
    const weight_rows *rows, int64_t begin, int64_t depth, read_ahead next, int64_t group, int64_t groups) {
    const int64_t column_bytes = PACKED_ROWS * (int64_t)sizeof(float), end = begin + depth;
    if (end == rows->columns)
        return (read_ahead){.from = next.from + next.bytes * group / groups, .bytes = next.bytes / groups};
    const int64_t blocks = (rows->count + PACKED_ROWS - 1) / PACKED_ROWS, block = group * blocks / groups;
    const int64_t first = (block * groups + blocks - 1) / blocks, last = ((block + 1) * groups + blocks - 1) / blocks;
    const int64_t rest = rows->columns - end, bytes = (rest < depth ? rest : depth) * column_bytes / (last - first);
    return (read_ahead){.from = rows->rows[block] + end * column_bytes + (group - first) * bytes, .bytes = bytes};
}

static void multiply_panel_of_blocks(
    const weight_rows *rows, const void *packed, const packed_a *x, int64_t tokens, int64_t begin, int64_t depth,
    read_ahead ahead, float *y) {
    (void)packed;
    const int64_t ldx = x->stride / (int64_t)sizeof(float), groups = (tokens + MR - 1) / MR;
    for (int64_t group = 0; group < groups; group++) {
        const int64_t t = group * tokens / groups, count = (group + 1) * tokens / groups - t;
        const float *from = (const float *)x->data + t * ldx + begin;
        const read_ahead next = ahead_of_group(rows, begin, depth, ahead, group, groups);
        for (int64_t r = 0; r < rows->count; r += NR) {
            tile_weights tile = tile_of_blocks(rows, r, begin);
            if (r == 0) tile.ahead = next.from;
            if (r == 0) tile.ahead_bytes = next.bytes * LINE_FLOATS / depth;
            multiply_tokens(PACKED_ROWS, count, tile, from, ldx, depth, begin > 0, y + t * NC + r);
        }
    }
}

static bool supports_gemm_blocks_f32(cpuk_format format, int64_t tokens) {
    return format == CPUK_F32 && tokens > MAX_GEMV_TOKENS;
}

static const gemm_kernel gemm_of_blocks_f32 = {
    .panel_tokens = 1, .kc = KC, .pack_b = no_packing, .multiply = multiply_panel_of_blocks,
};
