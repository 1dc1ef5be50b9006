// Varlen attention: over plain rows of ragged sequences, without a cache. A tile of queries of one head against tiles
// of keys, with the products and the online softmax of prefill.
#pragma once
#include "short_attention.inl"

// Rows `begin..<begin + count` of a head as floats `*stride` apart, padded to whole vectors: in place where a head is
// whole vectors, else copied to `buffer`.
static inline const float *plain_rows(
    cpuk_rows rows, int64_t begin, int64_t count, int64_t column, int64_t size, float *buffer, int64_t *stride) {
    const float *first = rows.data + begin * rows.stride + column;
    if (size % VL == 0) {
        *stride = rows.stride;
        return first;
    }
    *stride = whole_vectors(size);
    for (int64_t j = 0; j < count; j++) copy_query(first + j * rows.stride, size, 1, buffer + j * *stride);
    return buffer;
}

// The bias of VL keys, the first of which stands `distance` behind its query. `middle` is that of distance 0.
INLINE vf distance_bias(const float *middle, int64_t reach, int64_t distance) {
    if (distance >= -reach && distance + VL - 1 <= reach) return load(middle + distance);
    if (distance >= reach) return splat(middle[reach]);
    if (distance + VL - 1 <= -reach) return splat(middle[-reach]);
    vf bias;
    for (int lane = 0; lane < VL; lane++) {
        const int64_t at = distance + lane;
        bias[lane] = middle[at < -reach ? -reach : at > reach ? reach : at];
    }
    return bias;
}

/// A tile of queries and what it sees.
typedef struct {
    prefill_tile rows;
    const cpuk_varlen_attention_args *args;
    /// The first key row of the sequence, and the place of the tile's first query among its keys.
    int64_t first_key, position;
} varlen_tile;

// Adds the bias to the scores of keys `j + range.begin..<j + range.end` for the rows of the panel at `m`.
static inline void add_bias(
    const varlen_tile *tile, int64_t m, int64_t j, key_range range, prefill_scratch *scratch) {
    const int64_t reach = tile->args->bias_reach;
    const float *middle = tile->args->bias + tile->rows.head * (2 * reach + 1) + reach;
    for (int64_t r = m; r < m + QUERY_PANEL; r++) {
        float *scores = scratch->scores + r * ATTENTION_KEY_TILE;
        const int64_t at = tile->position + (r < tile->rows.rows ? r : tile->rows.rows - 1);
        for (int64_t k = range.begin; k < range.end; k += VL)
            store(scores + k, load(scores + k) + distance_bias(middle, reach, j + k - at));
    }
}

// Adds what queries and keys say of their distance to the scores of keys `j + range.begin..<j + range.end`, as far as
// these are among the tile's `keys`, for the rows of the panel at `m`.
static inline void add_relative(
    const varlen_tile *tile, int64_t m, int64_t j, int64_t keys, key_range range, prefill_scratch *scratch) {
    const cpuk_varlen_attention_args *args = tile->args;
    const cpuk_rows of_queries = args->query_scores, of_keys = args->key_scores;
    const int64_t reach = args->bucket_reach, column = tile->rows.head * args->bucket_count;
    const int64_t end = range.end < keys ? range.end : keys;
    for (int64_t r = m; r < m + QUERY_PANEL; r++) {
        const int64_t row = r < tile->rows.rows ? r : tile->rows.rows - 1;
        float *scores = scratch->scores + r * ATTENTION_KEY_TILE;
        const float *query = of_queries.data
            ? of_queries.data + (tile->rows.token + row) * of_queries.stride + column : NULL;
        const float *key = of_keys.data ? of_keys.data + (tile->first_key + j) * of_keys.stride + column : NULL;
        for (int64_t k = range.begin; k < end; k++) {
            const int64_t distance = j + k - (tile->position + row);
            const int32_t bucket =
                args->buckets[reach + (distance < -reach ? -reach : distance > reach ? reach : distance)];
            const float sum = (query ? query[bucket] : 0) + (key ? key[k * of_keys.stride + bucket] : 0);
            scores[k] += args->scale * sum;
        }
    }
}

// What a bias puts on keys that it hides, or less: what they weigh is zero beside any other key.
static const float HIDDEN_KEY = -1e30f;

// The keys that some query of the tile sees, of `keys` keys: a bias may hide what is far away.
static inline key_range seen_keys(const varlen_tile *tile, int64_t keys) {
    const cpuk_varlen_attention_args *args = tile->args;
    const int64_t end = tile->position + tile->rows.rows;
    if (args->causal) return (key_range){0, end};
    key_range range = {0, keys};
    // A query that is no key may see none, all of which then weigh the same.
    if (!args->bias || tile->position < 0) return range;
    const int64_t reach = args->bias_reach;
    const float *row = args->bias + tile->rows.head * (2 * reach + 1);
    if (row[reach] <= HIDDEN_KEY) return range;
    // Tiles of keys begin where they do for every tile of queries.
    const int64_t first = tile->position - reach + 1;
    if (row[0] <= HIDDEN_KEY && first > 0) range.begin = first / ATTENTION_KEY_TILE * ATTENTION_KEY_TILE;
    if (row[2 * reach] <= HIDDEN_KEY && end - 1 + reach < keys) range.end = end - 1 + reach;
    return range;
}

static inline void attend_plain_keys(const varlen_tile *tile, int64_t j, int64_t keys, prefill_scratch *scratch) {
    const prefill_tile *rows = &tile->rows;
    const int64_t column = rows->head * rows->size, begin = tile->first_key + j;
    int64_t stride;
    const float *from = plain_rows(tile->args->key, begin, keys, column, rows->size, scratch->values, &stride);
    pack_rows(from, stride, keys, rows->size, scratch->keys);
    for (int64_t m = 0; m < rows->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(rows, m, j, keys);
        multiply_rows(
            QUERY_STRIDE, false, scratch->query + m * QUERY_STRIDE, scratch->keys + range.begin, ATTENTION_KEY_TILE,
            rows->size, scratch->scores + m * ATTENTION_KEY_TILE + range.begin, ATTENTION_KEY_TILE,
            range.end - range.begin);
        if (tile->args->bias) add_bias(tile, m, j, range, scratch);
        if (tile->args->buckets) add_relative(tile, m, j, keys, range, scratch);
    }
    for (int64_t m = 0; m < rows->weight_rows; m += VL) softmax_rows(put_weights, rows, m, j, keys, scratch);
    from = plain_rows(tile->args->value, begin, keys, column, rows->size, scratch->values, &stride);
    for (int64_t m = 0; m < rows->weight_rows; m += QUERY_PANEL) {
        const key_range range = panel_keys(rows, m, j, keys);
        const int64_t end = range.end < keys ? range.end : keys;
        multiply_rows(
            ATTENTION_KEY_TILE, true, scratch->scores + m * ATTENTION_KEY_TILE + range.begin,
            from + range.begin * stride, stride, end - range.begin, scratch->output + m * rows->padded, rows->padded,
            rows->padded);
    }
}

// Keys of which every query sees all as they are.
static bool is_short(const cpuk_varlen_attention_args *args, int64_t keys) {
    return fits_short_attention(keys, args->head_size) && !args->causal && !args->bias && !args->buckets;
}

static cpuk_rows head_rows(cpuk_rows rows, int64_t first, int64_t column) {
    return (cpuk_rows){rows.data + first * rows.stride + column, rows.stride};
}

static void attend_all_keys(
    const cpuk_varlen_attention_args *args, int64_t head, int64_t token, int64_t queries, int64_t first_key,
    int64_t keys, prefill_scratch *scratch) {
    const int64_t size = args->head_size, column = head * size;
    const short_head seen = pack_short_head(
        head_rows(args->key, first_key, column), head_rows(args->value, first_key, column), keys, size, args->scale,
        queries, scratch);
    short_attention(
        &seen, queries, head_rows(args->query, token, column), head_rows(args->output, token, column), scratch);
}

// Up to ATTENTION_QUERY_TILE queries, the first of which stands at `position` among the `keys` keys.
static void attend_query_tile(
    const cpuk_varlen_attention_args *args, int64_t head, int64_t token, int64_t count, int64_t position,
    int64_t first_key, int64_t keys, prefill_scratch *scratch) {
    // The parts of the arguments that the tile reads.
    const cpuk_attention_args shared = {
        .query = args->query, .output = args->output, .heads = args->heads, .scale = args->scale,
        .cache = {.kv_heads = args->heads, .head_size = args->head_size}};
    varlen_tile tile = {
        .args = args, .first_key = first_key, .position = position,
        .rows = {
            .args = &shared, .head = head, .heads = 1, .kv_head = head, .token = token, .position = position,
            .rows = count, .weight_rows = (count + QUERY_PANEL - 1) / QUERY_PANEL * QUERY_PANEL,
            .size = args->head_size, .padded = whole_vectors(args->head_size)}};
    start_tile(&tile.rows, scratch);
    // Without a causal mask every query sees the same keys as the last one.
    if (!args->causal)
        for (int64_t m = 0; m < tile.rows.weight_rows; m++) tile.rows.positions[m] = (int32_t)(keys - 1);
    const key_range seen = seen_keys(&tile, keys);
    for (int64_t j = seen.begin; j < seen.end; j += ATTENTION_KEY_TILE)
        attend_plain_keys(
            &tile, j, seen.end - j < ATTENTION_KEY_TILE ? seen.end - j : ATTENTION_KEY_TILE, scratch);
    store_tile(&tile.rows, scratch);
}

static void varlen_attention(
    const cpuk_varlen_attention_args *args, int64_t sequence, int64_t head, int64_t first, int64_t count,
    prefill_scratch *scratch) {
    const int64_t token = args->query_offsets[sequence];
    const int64_t queries = args->query_offsets[sequence + 1] - token;
    const int64_t first_key = args->key_ranges[2 * sequence];
    const int64_t keys = args->key_ranges[2 * sequence + 1] - first_key;
    if (is_short(args, keys)) {
        attend_all_keys(args, head, token + first, count, first_key, keys, scratch);
        return;
    }
    for (const int64_t end = first + count; first < end; first += ATTENTION_QUERY_TILE)
        attend_query_tile(
            args, head, token + first, end - first < ATTENTION_QUERY_TILE ? end - first : ATTENTION_QUERY_TILE,
            keys - queries + first, first_key, keys, scratch);
}
