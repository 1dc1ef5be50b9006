// GEMM with FP32 activations (Goto and van de Geijn, 2008).
//
// A panel of B holds rows as columns: NR of them side by side for each k, so that a tile of MR x NR sums takes
// NR_VECTORS vectors of weights and MR activations in all lanes for each k, and no lanes are summed at the end.
// Packing transposes, and dequantises, once for all tokens. A is read where it lies.
//
//     rows of weights       r0: a0 a1 a2 …     r1: b0 b1 b2 …     …     r63
//     panel of B            a0 b0 … n0 | a1 b1 … n1 | … KC times      rows 0 to NR - 1: NR floats for each k
//                           …                                         rows NR to 2 NR - 1, and so on
#pragma once
#include "../formats/dequantise.h"
#include "matmul.h"
#include "outer_product.inl"

// Chosen so that a tile's sums, a vector of weights each and one activation fit the registers.
enum {
    NR_VECTORS = VECTOR_REGISTERS >= 32 ? 4 : 2,
    MR = 6,
    NR = NR_VECTORS * VL,
    /// Columns of a panel of B, which then takes half of a second-level cache of 512 KB.
    KC = 1024,
    /// How far ahead of them the vectors of a tile that do not lie in one panel are brought into the first-level cache.
    COLUMNS_AHEAD = 8,
    /// Fewer tokens than this are faster by GEMV (measured): for formats that are dequantised quickly, and for blocks,
    /// where each dequantised value should serve all tokens. With AVX-512 gemm_lanes_f32.inl takes those between.
    MIN_GEMM_TOKENS = 128,
#if defined(SIMD_AVX512)
    MIN_GEMM_TOKENS_OF_BLOCKS = MIN_GEMM_TOKENS,
#else
    MIN_GEMM_TOKENS_OF_BLOCKS = MAX_GEMV_TOKENS + 1,
#endif
};
_Static_assert(NC % NR == 0, "whole tiles");

// VL columns of a row, dequantised; zeros for a row that does not exist.
INLINE vf panel_vector(const int format, const weight_rows *rows, int64_t row, int64_t k) {
    if (row >= rows->count) return splat(0);
    const int64_t rest = rows->columns - k;
    const char *from = rows->rows[row];
    // The rows that are packed next, which mostly lie behind these.
    __builtin_prefetch(from + VL * rows->row_bytes + k * rows->row_bytes / rows->columns, 0, 2);
    const vf x = rest >= VL ? dequantise(format, from, k) : dequantise_part(format, from, k, rest);
    return format == CPUK_I8 ? x * rows->scales[row] : x;
}

INLINE void pack_b_of(const int format, const weight_rows *rows, int64_t begin, int64_t depth, float *panel) {
    const int64_t vectors = (rows->count + NR - 1) / NR * NR_VECTORS;
    for (int64_t v = 0; v < vectors; v++) {
        float *to = panel + v / NR_VECTORS * NR * depth + v % NR_VECTORS * VL;
        for (int64_t k = 0; k < depth; k += VL) {
            vf square[VL];
            for (int i = 0; i < VL; i++) square[i] = panel_vector(format, rows, v * VL + i, begin + k);
            transpose(square);
            const int64_t width = depth - k < VL ? depth - k : VL;
            for (int64_t i = 0; i < width; i++) store(to + (k + i) * NR, square[i]);
        }
    }
}

#define PACK_CASE(ID, ...) \
    case CPUK_##ID: pack_b_of(CPUK_##ID, rows, begin, depth, panel); return;
static void pack_b(const weight_rows *rows, int64_t begin, int64_t depth, void *panel) {
    switch (rows->format) {
        NUMBER_FORMATS_OF_VALUES(PACK_CASE)
        NUMBER_FORMATS_OF_BLOCKS(PACK_CASE)
    default: return;
    }
}
#undef PACK_CASE

/// The weights of a tile.
typedef struct {
    /// The first column of each vector.
    const float *vectors[NR_VECTORS];
    /// What to read from memory meanwhile, and the bytes of it that go with each LINE_FLOATS columns.
    const char *ahead;
    int64_t ahead_bytes;
} tile_weights;

// Adds the products of COUNT columns from `k` on. A column of a vector of weights lies STRIDE floats behind the one
// before.
INLINE void add_tile_columns(
    const int COUNT, const int T, const int STRIDE, const tile_weights *tile, const float *const *x, int64_t k,
    vf *sums) {
    // Vectors of one panel lie side by side.
    if (STRIDE == NR) {
        add_outer_products(COUNT, T, NR_VECTORS, NR_VECTORS, x, k, tile->vectors[0] + k * STRIDE, STRIDE, sums);
        return;
    }
    UNROLL for (int i = 0; i < COUNT; i++) {
        vf weights[NR_VECTORS];
        UNROLL for (int v = 0; v < NR_VECTORS; v++) {
            const float *column = tile->vectors[v] + (k + i) * STRIDE;
            weights[v] = load(column);
            // Several streams, one a vector: measured, the hardware's prefetcher keeps up with one panel only.
            __builtin_prefetch(column + COLUMNS_AHEAD * STRIDE, 0, 3);
        }
        add_outer_product(T, NR_VECTORS, NR_VECTORS, x, k + i, weights, sums);
    }
}

// y[t * NC + r] (+)= sum_k x[t * ldx + k] * weight[k][r], t < T, r < NR.
//
// The tokens of the next tile are fetched meanwhile: of many tokens the activations do not stay in the second-level
// cache, and their rows are too short for processors to foresee.
INLINE void micro_kernel(
    const int T, const int STRIDE, tile_weights tile, const float *tokens, int64_t ldx, int64_t depth, bool accumulate,
    float *y) {
    vf sums[MR][NR_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < NR_VECTORS; v++)
            sums[t][v] = accumulate ? load(y + t * NC + v * VL) : splat(0);
    const float *x[MR];
    UNROLL for (int t = 0; t < T; t++) x[t] = tokens + t * ldx;
    int64_t k = 0;
    for (; k + COLUMN_BLOCK <= depth; k += COLUMN_BLOCK) {
        if (k % LINE_FLOATS == 0) {
            UNROLL for (int t = 0; t < T; t++) __builtin_prefetch(x[t] + T * ldx + k, 0, 2);
            for (int64_t i = 0; i < tile.ahead_bytes; i += 64) __builtin_prefetch(tile.ahead + i, 0, 2);
            tile.ahead += tile.ahead_bytes;
        }
        add_tile_columns(COLUMN_BLOCK, T, STRIDE, &tile, x, k, sums[0]);
    }
    for (; k < depth; k++) add_tile_columns(1, T, STRIDE, &tile, x, k, sums[0]);
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < NR_VECTORS; v++) store(y + t * NC + v * VL, sums[t][v]);
}

// Row `r` and those behind it in the panel that `pack_b` made.
INLINE tile_weights tile_of_panel(const float *panel, int64_t r, int64_t depth) {
    tile_weights tile = {.ahead_bytes = 0};
    UNROLL for (int v = 0; v < NR_VECTORS; v++) tile.vectors[v] = panel + r * depth + v * VL;
    return tile;
}

INLINE void multiply_tokens(
    const int STRIDE, int64_t tokens, tile_weights tile, const float *x, int64_t ldx, int64_t depth, bool accumulate,
    float *y) {
    switch (tokens) {
    case 1: micro_kernel(1, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    case 2: micro_kernel(2, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    case 3: micro_kernel(3, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    case 4: micro_kernel(4, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    case 5: micro_kernel(5, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    case 6: micro_kernel(6, STRIDE, tile, x, ldx, depth, accumulate, y); return;
    default: return;
    }
}

static void multiply(
    const weight_rows *rows, const void *panel, const packed_a *x, int64_t tokens, int64_t begin, int64_t depth,
    read_ahead ahead, float *y) {
    (void)ahead;  // Not needed: packing prefetches.
    const int64_t ldx = x->stride / (int64_t)sizeof(float), groups = (tokens + MR - 1) / MR;
    for (int64_t group = 0; group < groups; group++) {
        const int64_t t = group * tokens / groups, count = (group + 1) * tokens / groups - t;
        const float *from = (const float *)x->data + t * ldx + begin;
        for (int64_t r = 0; r < rows->count; r += NR)
            multiply_tokens(NR, count, tile_of_panel(panel, r, depth), from, ldx, depth, begin > 0, y + t * NC + r);
    }
}

static bool supports_gemm(cpuk_format format, int64_t tokens) {
    return tokens >= (format > CPUK_Q8_0 ? MIN_GEMM_TOKENS_OF_BLOCKS : MIN_GEMM_TOKENS);
}

static const gemm_kernel gemm = {
    .panel_tokens = 1, .kc = KC, .packed_b_bytes = NC * KC * sizeof(float), .packing_tokens = 24, .pack_b = pack_b,
    .multiply = multiply,
};
