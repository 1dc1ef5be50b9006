// FP32 products of many tokens, of one instruction set.
//
// A panel holds rows as columns: PANEL_VECTORS vectors of rows for each k, so that a tile of sums takes a vector of
// weights and one activation in all lanes a product, and no lanes are summed at the end. Packing transposes, and
// widens narrow formats, once for all tokens. (Goto and van de Geijn, 2008)
#pragma once

// A tile's sums, a vector of weights each and one activation fit the registers.
#if VECTOR_REGISTERS >= 32
enum { PANEL_VECTORS = 4, PANEL_TOKENS = 6 };
#else
enum { PANEL_VECTORS = 2, PANEL_TOKENS = 6 };
#endif
/// Rows of a tile: a panel is made of groups of so many rows, one behind the other.
enum { TILE_ROWS = PANEL_VECTORS * VL };
/// Columns of a panel: half the second-level cache of 512 KB and more.
enum { PANEL_DEPTH = 1024 };
_Static_assert(PANEL_ROWS % TILE_ROWS == 0, "whole tiles");

INLINE vf panel_vector(const int format, const panel_rows *rows, int64_t row, int64_t k) {
    if (row >= rows->count) return splat(0);
    const int64_t rest = rows->columns - k;
    const char *from = rows->rows[row];
    // The rows packed next, which mostly lie behind these.
    __builtin_prefetch(from + VL * rows->row_bytes + k * rows->row_bytes / rows->columns, 0, 2);
    const vf x = rest >= VL ? load_as_float(format, from, k) : load_part_as_float(format, from, k, rest);
    return format == CPUK_I8 ? x * rows->scales[row] : x;
}

INLINE void pack_panel_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, float *panel) {
    const int64_t vectors = (rows->count + TILE_ROWS - 1) / TILE_ROWS * PANEL_VECTORS;
    for (int64_t v = 0; v < vectors; v++) {
        float *to = panel + v / PANEL_VECTORS * TILE_ROWS * depth + v % PANEL_VECTORS * VL;
        for (int64_t k = 0; k < depth; k += VL) {
            vf square[VL];
            for (int i = 0; i < VL; i++) square[i] = panel_vector(format, rows, v * VL + i, begin + k);
            transpose(square);
            const int64_t width = depth - k < VL ? depth - k : VL;
            for (int64_t i = 0; i < width; i++) store(to + (k + i) * TILE_ROWS, square[i]);
        }
    }
}

#define PACK_PANEL_CASE(format)                                                                                       \
    case format: pack_panel_of(format, rows, begin, depth, panel); return;
static void pack_panel(const panel_rows *rows, int64_t begin, int64_t depth, void *panel) {
    switch (rows->format) {
        PACK_PANEL_CASE(CPUK_F32)
        PACK_PANEL_CASE(CPUK_BF16)
        PACK_PANEL_CASE(CPUK_F16)
        PACK_PANEL_CASE(CPUK_I8)
        PACK_PANEL_CASE(CPUK_Q8_0)
        PACK_PANEL_CASE(CPUK_Q4_0)
        PACK_PANEL_CASE(CPUK_Q4_1)
        PACK_PANEL_CASE(CPUK_Q5_0)
        PACK_PANEL_CASE(CPUK_Q5_1)
        PACK_PANEL_CASE(CPUK_Q2_K)
        PACK_PANEL_CASE(CPUK_Q3_K)
        PACK_PANEL_CASE(CPUK_Q4_K)
        PACK_PANEL_CASE(CPUK_Q5_K)
        PACK_PANEL_CASE(CPUK_Q6_K)
        PACK_PANEL_CASE(CPUK_IQ4_NL)
        PACK_PANEL_CASE(CPUK_IQ4_XS)
    default: return;
    }
}

// y[t * PANEL_ROWS + r] (+)= sum_k x[t * ldx + k] * panel[k * TILE_ROWS + r], t < T, r < TILE_ROWS
INLINE void multiply_tile(
    const int T, const float *panel, const float *x, int64_t ldx, int64_t depth, bool accumulate, float *y) {
    vf sums[PANEL_TOKENS][PANEL_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
            sums[t][v] = accumulate ? load(y + t * PANEL_ROWS + v * VL) : splat(0);
    for (int64_t k = 0; k < depth; k++) {
        vf weights[PANEL_VECTORS];
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) weights[v] = load(panel + k * TILE_ROWS + v * VL);
        UNROLL for (int t = 0; t < T; t++) {
            vf token = splat(x[t * ldx + k]);
            UNROLL for (int v = 0; v < PANEL_VECTORS; v++) sums[t][v] = fma_v(token, weights[v], sums[t][v]);
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) store(y + t * PANEL_ROWS + v * VL, sums[t][v]);
}

#define MULTIPLY_TILE_CASE(T)                                                                                         \
    case T: multiply_tile(T, tile, from, ldx, depth, begin > 0, to); break;
static void multiply_panel(
    const panel_rows *rows, const void *panel, const activation_records *x, int64_t tokens, int64_t begin,
    int64_t depth, float *y) {
    const int64_t ldx = x->stride / (int64_t)sizeof(float), groups = (tokens + PANEL_TOKENS - 1) / PANEL_TOKENS;
    for (int64_t group = 0; group < groups; group++) {
        const int64_t t = group * tokens / groups, count = (group + 1) * tokens / groups - t;
        const float *from = (const float *)x->data + t * ldx + begin;
        for (int64_t r = 0; r < rows->count; r += TILE_ROWS) {
            const float *tile = (const float *)panel + r * depth;
            float *to = y + t * PANEL_ROWS + r;
            switch (count) {
                MULTIPLY_TILE_CASE(1)
                MULTIPLY_TILE_CASE(2)
                MULTIPLY_TILE_CASE(3)
                MULTIPLY_TILE_CASE(4)
                MULTIPLY_TILE_CASE(5)
                MULTIPLY_TILE_CASE(6)
            default: break;
            }
        }
    }
}

#define PANEL_KERNELS                                                                                                 \
    {                                                                                                                 \
        .depth = PANEL_DEPTH, .panel_bytes = PANEL_ROWS * PANEL_DEPTH * sizeof(float), .pack = pack_panel,            \
        .multiply = multiply_panel,                                                                                   \
    }
