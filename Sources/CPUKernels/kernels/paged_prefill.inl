// Prefill attention over the paged cache, in FP32.
#pragma once
#include "attention_products.inl"

static void pack_keys(
    const cpuk_cache *cache, const int32_t *table, int64_t kv_head, int64_t begin, int64_t count, float *buffer,
    float *keys) {
    for (int64_t j = 0; j < count; j += VL) {
        int64_t rows = count - j < VL ? count - j : VL, stride;
        const float *first = token_rows(cache, keys_of(cache), table, kv_head, begin + j, rows, buffer, &stride);
        pack_rows(first, stride, rows, cache->head_size, keys + j);
    }
}

INLINE void attend_keys(const prefill_tile *tile, int64_t j, int64_t keys, prefill_scratch *scratch) {
    const cpuk_cache *cache = &tile->args->cache;
    pack_keys(cache, tile->table, tile->kv_head, j, keys, scratch->values, scratch->keys);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        multiply_rows(
            QUERY_STRIDE, false, scratch->query + m * QUERY_STRIDE, scratch->keys + range.begin, ATTENTION_KEY_TILE,
            tile->size, scratch->scores + m * ATTENTION_KEY_TILE + range.begin, ATTENTION_KEY_TILE,
            range.end - range.begin);
    }
    for (int64_t m = 0; m < tile->weight_rows; m += VL) softmax_rows(put_weights, tile, m, j, keys, scratch);
    dequantise_tokens(cache, values_of(cache), tile->table, tile->kv_head, j, keys, scratch->values, tile->padded);
    for (int64_t m = 0; m < tile->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(tile, m, j, keys);
        const int64_t end = range.end < keys ? range.end : keys;
        multiply_rows(
            ATTENTION_KEY_TILE, true, scratch->scores + m * ATTENTION_KEY_TILE + range.begin,
            scratch->values + range.begin * tile->padded, tile->padded, end - range.begin,
            scratch->output + m * tile->padded, tile->padded, tile->padded);
    }
}

static void paged_prefill(
    const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
    prefill_scratch *scratch) {
    attend_tile(attend_keys, NULL, args, sequence, head, heads, first, count, scratch);
}
