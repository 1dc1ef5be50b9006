// Prefill attention over the paged cache, whose queries, keys, values and softmax weights are rounded to BF16, for
// products of pairs. Scores, the softmax and all sums stay FP32. (Dao et al., 2022)
#pragma once
#include "../simd/bf16_pairs.h"
#include "softmax_tile.inl"
#if defined(SIMD_TILES)
#include "../simd/tiles.h"
#endif

/// Rows of queries whose sums stay in registers together.
enum { PAIR_ROWS = QUERY_PANEL > 8 ? QUERY_PANEL / 4 : QUERY_PANEL };

// Turns rows of queries into pairs, in place: a row's pairs fill its first half.
INLINE void pair_queries(const prefill_tile *tile, prefill_scratch *scratch) {
    for (int64_t m = 0; m < tile->weight_rows; m++) {
        float *row = scratch->query + m * QUERY_STRIDE;
        for (int64_t d = 0; d < tile->padded; d += 2 * VL) {
            const vf high = d + VL < tile->padded ? load(row + d + VL) : splat(0);
            _mm512_storeu_si512((uint16_t *)row + d, join_bf16(load(row + d), high));
        }
    }
}

// pairs[d / 2 * ATTENTION_KEY_TILE + j], rounded up to whole vectors of keys (the last key again).
INLINE void pair_keys(const prefill_tile *tile, int64_t begin, int64_t count, float *buffer, uint32_t *pairs) {
    const cpuk_cache *cache = &tile->args->cache;
    for (int64_t j = 0; j < count; j += VL) {
        int64_t rows = count - j < VL ? count - j : VL, stride;
        const float *first =
            token_rows(cache, keys_of(cache), tile->table, tile->kv_head, begin + j, rows, buffer, &stride);
        for (int64_t d = 0; d < tile->padded; d += 2 * VL) {
            vf square[VL];
            for (int i = 0; i < VL; i++) {
                const float *row = first + (i < rows ? i : rows - 1) * stride + d;
                square[i] = (vf)join_bf16(load(row), d + VL < tile->padded ? load(row + VL) : splat(0));
            }
            transpose(square);
            UNROLL for (int64_t i = 0; i < VL; i++)
                store((float *)pairs + (d / 2 + i) * ATTENTION_KEY_TILE + j, square[i]);
        }
    }
}

// pairs[j / 2 * padded + d], the value behind the last one being zero.
INLINE void pair_values(const prefill_tile *tile, int64_t begin, int64_t count, float *buffer, uint32_t *pairs) {
    const cpuk_cache *cache = &tile->args->cache;
    for (int64_t j = 0; j < count; j += VL) {
        int64_t rows = count - j < VL ? count - j : VL, stride;
        const float *first =
            token_rows(cache, values_of(cache), tile->table, tile->kv_head, begin + j, rows, buffer, &stride);
        for (int64_t i = 0; i < rows; i += 2)
            for (int64_t d = 0; d < tile->padded; d += VL) {
                const vf second = i + 1 < rows ? load(first + (i + 1) * stride + d) : splat(0);
                _mm512_storeu_si512(
                    pairs + (j + i) / 2 * tile->padded + d, interleave_bf16(load(first + i * stride + d), second));
            }
    }
}

// c[i * ldc + j] (+)= sum over pairs of x[i * ldx + k] . w[k * ldw + j], i < M, j < NV * VL
INLINE void multiply_pairs_block(
    const int M, const int NV, const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w,
    int64_t ldw, int64_t pairs, float *c, int64_t ldc) {
    vf sums[PAIR_ROWS][TILE_VECTORS];
    UNROLL for (int i = 0; i < M; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = accumulate ? load(c + i * ldc + v * VL) : splat(0);
    for (int64_t k = 0; k < pairs; k++) {
        __m512i columns[TILE_VECTORS];
        UNROLL for (int v = 0; v < NV; v++) columns[v] = _mm512_loadu_si512(w + k * ldw + v * VL);
        UNROLL for (int i = 0; i < M; i++) {
            const __m512i row = _mm512_set1_epi32((int32_t)x[i * ldx + k]);
            UNROLL for (int v = 0; v < NV; v++) sums[i][v] = dot_pairs(sums[i][v], columns[v], row);
        }
    }
    UNROLL for (int i = 0; i < M; i++)
        UNROLL for (int v = 0; v < NV; v++) store(c + i * ldc + v * VL, sums[i][v]);
}

INLINE void multiply_pairs(
    const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw, int64_t pairs,
    float *c, int64_t ldc, int64_t width) {
    for (int i = 0; i < QUERY_PANEL; i += PAIR_ROWS, x += PAIR_ROWS * ldx, c += PAIR_ROWS * ldc) {
        int64_t j = 0;
        for (; j + TILE_VECTORS * VL <= width; j += TILE_VECTORS * VL)
            multiply_pairs_block(PAIR_ROWS, TILE_VECTORS, ldx, accumulate, x, w + j, ldw, pairs, c + j, ldc);
        for (; j < width; j += VL)
            multiply_pairs_block(PAIR_ROWS, 1, ldx, accumulate, x, w + j, ldw, pairs, c + j, ldc);
    }
}

#if defined(SIMD_TILES)
_Static_assert(QUERY_PANEL == TILE_ROWS, "the rows of a panel are those of a tile");

// The products of whole tiles of pairs with N tiles of columns.
INLINE void multiply_tiles_block(
    const int N, const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw,
    int64_t pairs, float *c, int64_t ldc) {
    tile_registers registers, *tiles = &registers;
    const int64_t c_stride = ldc * 4;
    if (accumulate) {
        TILE_LOAD(tiles, 0, c, c_stride);
        if (N > 1) TILE_LOAD(tiles, 1, c + VL, c_stride);
        if (N > 2) TILE_LOAD(tiles, 2, c + 2 * VL, c_stride);
        if (N > 3) TILE_LOAD(tiles, 3, c + 3 * VL, c_stride);
    } else {
        TILE_ZERO(tiles, 0);
        if (N > 1) TILE_ZERO(tiles, 1);
        if (N > 2) TILE_ZERO(tiles, 2);
        if (N > 3) TILE_ZERO(tiles, 3);
    }
    for (int64_t k = 0; k < pairs; k += TILE_ROWS) {
        const uint32_t *columns = w + k * ldw;
        TILE_LOAD(tiles, 4, x + k, ldx * 4);
        TILE_LOAD(tiles, 5, columns, ldw * 4);
        TILE_MULTIPLY(tiles, 0, 4, 5);
        if (N > 1) TILE_LOAD(tiles, 6, columns + VL, ldw * 4);
        if (N > 1) TILE_MULTIPLY(tiles, 1, 4, 6);
        if (N > 2) TILE_LOAD(tiles, 7, columns + 2 * VL, ldw * 4);
        if (N > 2) TILE_MULTIPLY(tiles, 2, 4, 7);
        if (N > 3) TILE_LOAD(tiles, 5, columns + 3 * VL, ldw * 4);
        if (N > 3) TILE_MULTIPLY(tiles, 3, 4, 5);
    }
    TILE_STORE(tiles, 0, c, c_stride);
    if (N > 1) TILE_STORE(tiles, 1, c + VL, c_stride);
    if (N > 2) TILE_STORE(tiles, 2, c + 2 * VL, c_stride);
    if (N > 3) TILE_STORE(tiles, 3, c + 3 * VL, c_stride);
}

// Pairs that fill no tile, as of heads whose size is no multiple of 32, are multiplied by vectors.
INLINE void multiply_panel(
    const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw, int64_t pairs,
    float *c, int64_t ldc, int64_t width) {
    const int64_t whole = pairs / TILE_ROWS * TILE_ROWS;
    int64_t j = whole > 0 ? 0 : width;
    for (; j + 4 * VL <= width; j += 4 * VL)
        multiply_tiles_block(4, ldx, accumulate, x, w + j, ldw, whole, c + j, ldc);
    for (; j < width; j += VL) multiply_tiles_block(1, ldx, accumulate, x, w + j, ldw, whole, c + j, ldc);
    if (whole == 0) multiply_pairs(ldx, accumulate, x, w, ldw, pairs, c, ldc, width);
    else if (whole < pairs)
        multiply_pairs(ldx, true, x + whole, w + whole * ldw, ldw, pairs - whole, c, ldc, width);
}
#else
INLINE void tiles_begin(void) {}
INLINE void tiles_end(void) {}
INLINE void multiply_panel(
    const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw, int64_t pairs,
    float *c, int64_t ldc, int64_t width) {
    multiply_pairs(ldx, accumulate, x, w, ldw, pairs, c, ldc, width);
}
#endif

// Stores weights as BF16 where the row's scores began. They are half as long, so later scores stay.
INLINE void put_pairs(float *row, int64_t j, vf weights) {
    _mm256_storeu_si256((__m256i *)((uint16_t *)row + j), round_to_bf16(weights));
}

INLINE void attend_pairs(const prefill_tile *tile, int64_t j, int64_t keys, prefill_scratch *scratch) {
    // Pairs take half the room of floats. Rows that cannot be read in place are dequantised to the other half.
    uint32_t *key_pairs = (uint32_t *)scratch->keys, *value_pairs = (uint32_t *)scratch->values;
    float *buffer = scratch->keys + (MAX_HEAD_SIZE / 2 + VL) * ATTENTION_KEY_TILE;
    const int64_t size_pairs = (tile->size + 1) / 2;
    pair_keys(tile, j, keys, buffer, key_pairs);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        multiply_panel(
            QUERY_STRIDE, false, (const uint32_t *)(scratch->query + m * QUERY_STRIDE), key_pairs + range.begin,
            ATTENTION_KEY_TILE, size_pairs, scratch->scores + m * ATTENTION_KEY_TILE + range.begin, ATTENTION_KEY_TILE,
            range.end - range.begin);
    }
    for (int64_t m = 0; m < tile->weight_rows; m += VL) softmax_rows(put_pairs, tile, m, j, keys, scratch);
    pair_values(tile, j, keys, buffer, value_pairs);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        const int64_t end = range.end < keys ? range.end : keys;
        multiply_panel(
            ATTENTION_KEY_TILE, true,
            (const uint32_t *)(scratch->scores + m * ATTENTION_KEY_TILE) + range.begin / 2,
            value_pairs + range.begin / 2 * tile->padded, tile->padded, (end - range.begin + 1) / 2,
            scratch->output + m * tile->padded, tile->padded, tile->padded);
    }
}

static void paged_prefill_bf16(
    const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
    prefill_scratch *scratch) {
    tiles_begin();
    attend_tile(attend_pairs, pair_queries, args, sequence, head, heads, first, count, scratch);
    tiles_end();
}
