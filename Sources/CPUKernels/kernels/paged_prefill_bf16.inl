// Prefill attention over the paged cache, whose queries, keys, values and softmax weights are rounded to BF16, for
// products of pairs. Scores, the softmax and all sums stay FP32. (Dao et al., 2022)
#pragma once
#include "softmax_tile.inl"
#include <immintrin.h>

INLINE __m512i join_pairs(vf low, vf high) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }

// A vector of pairs: an element of `first` with that of `second`.
INLINE __m512i interleave_pairs(vf first, vf second) {
    const __m512i rows = join_pairs(first, second);
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(rows));
    const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(rows, 1));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// Turns rows of queries into pairs, in place: a row's pairs fill its first half.
INLINE void pair_queries(const prefill_tile *tile, prefill_scratch *scratch) {
    for (int64_t m = 0; m < tile->weight_rows; m++) {
        float *row = scratch->query + m * QUERY_STRIDE;
        for (int64_t d = 0; d < tile->padded; d += 2 * VL) {
            const vf high = d + VL < tile->padded ? load(row + d + VL) : splat(0);
            _mm512_storeu_si512((uint16_t *)row + d, join_pairs(load(row + d), high));
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
                square[i] = (vf)join_pairs(load(row), d + VL < tile->padded ? load(row + VL) : splat(0));
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
                    pairs + (j + i) / 2 * tile->padded + d, interleave_pairs(load(first + i * stride + d), second));
            }
    }
}

// c[i * ldc + j] (+)= sum over pairs of x[i * ldx + k] . w[k * ldw + j], i < QUERY_PANEL, j < NV * VL
INLINE void multiply_pairs_block(
    const int NV, const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw,
    int64_t pairs, float *c, int64_t ldc) {
    vf sums[QUERY_PANEL][TILE_VECTORS];
    UNROLL for (int i = 0; i < QUERY_PANEL; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = accumulate ? load(c + i * ldc + v * VL) : splat(0);
    for (int64_t k = 0; k < pairs; k++) {
        __m512i columns[TILE_VECTORS];
        UNROLL for (int v = 0; v < NV; v++) columns[v] = _mm512_loadu_si512(w + k * ldw + v * VL);
        UNROLL for (int i = 0; i < QUERY_PANEL; i++) {
            const __m512bh row = (__m512bh)_mm512_set1_epi32((int32_t)x[i * ldx + k]);
            UNROLL for (int v = 0; v < NV; v++)
                sums[i][v] = _mm512_dpbf16_ps(sums[i][v], (__m512bh)columns[v], row);
        }
    }
    UNROLL for (int i = 0; i < QUERY_PANEL; i++)
        UNROLL for (int v = 0; v < NV; v++) store(c + i * ldc + v * VL, sums[i][v]);
}

INLINE void multiply_pairs(
    const int64_t ldx, const bool accumulate, const uint32_t *x, const uint32_t *w, int64_t ldw, int64_t pairs,
    float *c, int64_t ldc, int64_t width) {
    int64_t j = 0;
    for (; j + TILE_VECTORS * VL <= width; j += TILE_VECTORS * VL)
        multiply_pairs_block(TILE_VECTORS, ldx, accumulate, x, w + j, ldw, pairs, c + j, ldc);
    for (; j < width; j += VL) multiply_pairs_block(1, ldx, accumulate, x, w + j, ldw, pairs, c + j, ldc);
}

// Stores weights as BF16 where the row's scores began. They are half as long, so later scores stay.
INLINE void put_pairs(float *row, int64_t j, vf weights) {
    _mm256_storeu_si256((__m256i *)((uint16_t *)row + j), (__m256i)_mm512_cvtneps_pbh(weights));
}

INLINE void attend_pairs(const prefill_tile *tile, int64_t j, int64_t keys, prefill_scratch *scratch) {
    // Pairs take half the room of floats. Rows that cannot be read in place are dequantised to the other half.
    uint32_t *key_pairs = (uint32_t *)scratch->keys, *value_pairs = (uint32_t *)scratch->values;
    float *buffer = scratch->keys + (MAX_HEAD_SIZE / 2 + VL) * ATTENTION_KEY_TILE;
    const int64_t size_pairs = (tile->size + 1) / 2;
    pair_keys(tile, j, keys, buffer, key_pairs);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        multiply_pairs(
            QUERY_STRIDE, false, (const uint32_t *)(scratch->query + m * QUERY_STRIDE), key_pairs + range.begin,
            ATTENTION_KEY_TILE, size_pairs, scratch->scores + m * ATTENTION_KEY_TILE + range.begin, ATTENTION_KEY_TILE,
            range.end - range.begin);
    }
    for (int64_t m = 0; m < tile->weight_rows; m += VL) softmax_rows(put_pairs, tile, m, j, keys, scratch);
    pair_values(tile, j, keys, buffer, value_pairs);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        const int64_t end = range.end < keys ? range.end : keys;
        multiply_pairs(
            ATTENTION_KEY_TILE, true,
            (const uint32_t *)(scratch->scores + m * ATTENTION_KEY_TILE) + range.begin / 2,
            value_pairs + range.begin / 2 * tile->padded, tile->padded, (end - range.begin + 1) / 2,
            scratch->output + m * tile->padded, tile->padded, tile->padded);
    }
}

static void paged_prefill_bf16(
    const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
    prefill_scratch *scratch) {
    attend_tile(attend_pairs, pair_queries, args, sequence, head, heads, first, count, scratch);
}
