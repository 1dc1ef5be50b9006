// What prefill and varlen attention share, whatever their products are made of: a tile of queries of one group of
// heads against tiles of keys, with an online softmax (Milakov and Gimelshein, 2018; Dao et al., 2022). Rows of a tile
// are (query, head) pairs, queries first, so what a row sees grows with its number.
//
// A row's result does not depend on the tile it lies in: tiles of keys begin at multiples of ATTENTION_KEY_TILE, and
// hidden keys weigh exactly zero.
#pragma once
#include "attention.h"
#include "cache_rows.inl"
#include <math.h>

#if defined(SIMD_TILES)
enum { QUERY_PANEL = 16 };
#else
enum { QUERY_PANEL = 6 };
#endif
enum { TILE_VECTORS = VECTOR_REGISTERS >= 32 ? 4 : 2 };
_Static_assert(ATTENTION_QUERY_TILE % QUERY_PANEL == 0 && ATTENTION_QUERY_TILE % VL == 0, "whole panels and groups");
_Static_assert(ATTENTION_KEY_TILE % VL == 0, "whole vectors of keys");

/// What all rows of a tile share.
typedef struct {
    const cpuk_attention_args *args;
    const int32_t *table;
    int64_t head, heads, kv_head;
    /// The number of the first query among all tokens, and its place in the context.
    int64_t token, position;
    /// The number of rows, and the number rounded up to whole panels; the additional rows repeat the last one and are
    /// not used.
    int64_t rows, weight_rows;
    int64_t size, padded;
    /// The place in the context of each row's query.
    int32_t positions[ATTENTION_QUERY_TILE];
} prefill_tile;

/// The keys `begin..<end` of a tile of keys that a row, or some row of a panel, sees.
typedef struct {
    int64_t begin, end;
} key_range;

// What row `m` sees of the `keys` keys from `j` on.
INLINE key_range visible_keys(const prefill_tile *tile, int64_t m, int64_t j, int64_t keys) {
    const int64_t at = tile->positions[m], window = tile->args->window;
    const int64_t first = window > 0 ? at + 1 - window - j : 0, end = at + 1 - j;
    const int64_t high = end < 0 ? 0 : end < keys ? end : keys;
    return (key_range){.begin = first < 0 ? 0 : first < high ? first : high, .end = high};
}

// The same for the rows of a panel together, rounded out to whole vectors.
INLINE key_range panel_keys(const prefill_tile *tile, int64_t m, int64_t j, int64_t keys) {
    const key_range first = visible_keys(tile, m, j, keys), last = visible_keys(tile, m + QUERY_PANEL - 1, j, keys);
    return (key_range){.begin = first.begin / VL * VL, .end = (last.end + VL - 1) / VL * VL};
}

// The largest lanes of a row's scores. Before that, caps scores and masks them with minus infinity where that is asked
// for.
INLINE vf prepare_scores(float *scores, key_range panel, key_range row, float soft_cap) {
    vf top = splat(-INFINITY);
    if (panel.begin >= row.begin && panel.end <= row.end && soft_cap <= 0) {
        for (int64_t j = panel.begin; j < panel.end; j += VL) top = max_v(load(scores + j), top);
        return top;
    }
    for (int64_t j = panel.begin; j < panel.end; j += VL) {
        vi at = lane_numbers() + (int32_t)j;
        vi visible = (at >= (int32_t)row.begin) & (at < (int32_t)row.end);
        vf value = select_v(visible, cap_scores(load(scores + j), soft_cap), splat(-INFINITY));
        store(scores + j, value);
        top = max_v(value, top);
    }
    return top;
}

/// Stores the softmax weights of keys `j..<j + VL` of a row where its scores were.
typedef void (*weight_store)(float *row, int64_t j, vf weights);

INLINE vf weigh_vectors(const weight_store put, float *scores, int64_t begin, int64_t end, vf base) {
    vf total = splat(0);
    for (int64_t j = begin; j < end; j += VL) {
        vf weight = exp_negative_v(load(scores + j) - base);
        total += weight;
        put(scores, j, weight);
    }
    return total;
}

// The sums of the lanes of a row's weights. Most tiles are seen whole, so their steps are unrolled.
INLINE vf weigh_row(const weight_store put, float *scores, key_range range, vf base) {
    if (range.begin == 0 && range.end == ATTENTION_KEY_TILE)
        return weigh_vectors(put, scores, 0, ATTENTION_KEY_TILE, base);
    return weigh_vectors(put, scores, range.begin, range.end, base);
}

// Replaces the scores of up to VL rows from `m` on by softmax weights against the running maxima, and rescales what was
// summed before to the new maxima.
INLINE void softmax_rows(
    const weight_store put, const prefill_tile *tile, int64_t m, int64_t j, int64_t keys, prefill_scratch *scratch) {
    const int64_t rows = tile->weight_rows - m < VL ? tile->weight_rows - m : VL;
    float bases[VL], corrections[VL];
    key_range panels[VL];
    vf tops[VL], totals[VL];
    for (int64_t r = 0; r < VL; r++) {
        tops[r] = splat(-INFINITY);
        totals[r] = splat(0);
        if (r >= rows) continue;
        panels[r] = panel_keys(tile, (m + r) / QUERY_PANEL * QUERY_PANEL, j, keys);
        tops[r] = prepare_scores(
            scratch->scores + (m + r) * ATTENTION_KEY_TILE, panels[r], visible_keys(tile, m + r, j, keys),
            tile->args->soft_cap);
    }
    const vf before = load(scratch->maxima + m), after = max_v(max_each(tops), before);
    const vf base = select_v(after == -INFINITY, splat(0), after), correction = exp_negative_v(before - base);
    store(bases, base);
    store(corrections, correction);
    for (int64_t r = 0; r < rows; r++) {
        float *output = scratch->output + (m + r) * tile->padded;
        totals[r] = weigh_row(put, scratch->scores + (m + r) * ATTENTION_KEY_TILE, panels[r], splat(bases[r]));
        if (corrections[r] == 1) continue;
        for (int64_t d = 0; d < tile->padded; d += VL) store(output + d, load(output + d) * corrections[r]);
    }
    store(scratch->maxima + m, after);
    store(scratch->sums + m, load(scratch->sums + m) * correction + sum_each(totals));
}

INLINE void start_tile(prefill_tile *tile, prefill_scratch *scratch) {
    const cpuk_attention_args *args = tile->args;
    for (int64_t m = 0; m < tile->weight_rows; m++) {
        const int64_t row = m < tile->rows ? m : tile->rows - 1;
        tile->positions[m] = (int32_t)(tile->position + row / tile->heads);
        const float *query = args->query.data + (tile->token + row / tile->heads) * args->query.stride;
        copy_query(
            query + (tile->head + row % tile->heads) * tile->size, tile->size, args->scale,
            scratch->query + m * QUERY_STRIDE);
    }
    for (int64_t m = 0; m < ATTENTION_QUERY_TILE; m++) {
        scratch->maxima[m] = -INFINITY;
        scratch->sums[m] = 0;
    }
    memset(scratch->output, 0, (size_t)(tile->weight_rows * tile->padded) * sizeof(float));
}

INLINE void store_tile(const prefill_tile *tile, const prefill_scratch *scratch) {
    const cpuk_attention_args *args = tile->args;
    for (int64_t m = 0; m < tile->rows; m++) {
        float *output = args->output.data + (tile->token + m / tile->heads) * args->output.stride
            + (tile->head + m % tile->heads) * tile->size;
        const float factor = 1.0f / scratch->sums[m];
        for (int64_t d = 0; d < tile->size; d += VL) {
            vf value = load(scratch->output + m * tile->padded + d) * factor;
            if (tile->size - d >= VL) store(output + d, value);
            else store_part(output + d, value, tile->size - d);
        }
    }
}

/// Packs the queries of a tile as its products take them.
typedef void (*query_function)(const prefill_tile *tile, prefill_scratch *scratch);
/// Adds the part of `keys` keys from `j` on that a tile's rows see.
typedef void (*attend_function)(const prefill_tile *tile, int64_t j, int64_t keys, prefill_scratch *scratch);

INLINE void attend_tile(
    const attend_function attend_keys, const query_function pack_queries, const cpuk_attention_args *args,
    int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count, prefill_scratch *scratch) {
    const int64_t queries = args->query_offsets[sequence + 1] - args->query_offsets[sequence];
    const int64_t rows = count * heads;
    prefill_tile tile = {
        .args = args, .table = args->block_tables + sequence * args->table_stride, .head = head, .heads = heads,
        .kv_head = head / (args->heads / args->cache.kv_heads), .token = args->query_offsets[sequence] + first,
        .position = args->context_lengths[sequence] - queries + first, .rows = rows,
        .weight_rows = (rows + QUERY_PANEL - 1) / QUERY_PANEL * QUERY_PANEL, .size = args->cache.head_size,
        .padded = whole_vectors(args->cache.head_size)};
    start_tile(&tile, scratch);
    if (pack_queries) pack_queries(&tile, scratch);
    const int64_t end = tile.position + count;
    int64_t begin = args->window > 0 && tile.position + 1 > args->window ? tile.position + 1 - args->window : 0;
    begin -= begin % ATTENTION_KEY_TILE;
    for (int64_t j = begin; j < end; j += ATTENTION_KEY_TILE)
        attend_keys(&tile, j, end - j < ATTENTION_KEY_TILE ? end - j : ATTENTION_KEY_TILE, scratch);
    store_tile(&tile, scratch);
}
