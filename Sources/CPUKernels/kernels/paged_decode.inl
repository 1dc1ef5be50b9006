// Decode attention over the paged cache: one query against chunks of the context, which are merged.
#pragma once
#include "attention.h"
#include "cache_rows.inl"
#include "softmax.inl"
#include <math.h>

/// The distance in groups of VL tokens between the one that is read and the one that is prefetched. Blocks are not
/// contiguous, so the hardware's prefetcher does not know which comes next.
enum { GROUPS_AHEAD = 2 };

// Prefetches the part of the VL rows from token `j` on that is contiguous and before `end`.
INLINE void prefetch_tokens(
    const cpuk_cache *cache, const cache_side side, const int32_t *table, int64_t kv_head, int64_t j, int64_t end) {
    if (j >= end) return;
    const int64_t in_block = cache->block_tokens - j % cache->block_tokens;
    const int64_t row_bytes = cache->head_size * format_bytes((int)cache->format);
    const char *from = (const char *)side.rows + token_row(cache, table, kv_head, j) * row_bytes;
    const int64_t rows = in_block < VL ? in_block : VL;
    for (int64_t i = 0; i < rows * row_bytes; i += 64) __builtin_prefetch(from + i, 0, 3);
}

static void decode_scores(
    const cpuk_attention_args *args, const int32_t *table, int64_t kv_head, int64_t heads, int64_t begin, int64_t end,
    decode_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t padded = padded_head(cache->head_size);
    for (int64_t j = begin; j < end; j += VL) {
        int64_t count = end - j < VL ? end - j : VL, stride;
        const int64_t ahead = j + GROUPS_AHEAD * VL;
        prefetch_tokens(cache, keys_of(cache), table, kv_head, ahead, end);
        // The values are read after the keys, so prefetch them meanwhile.
        if (ahead >= end) {
            const int64_t group = (ahead - begin) / VL - (end - begin + VL - 1) / VL;
            prefetch_tokens(cache, values_of(cache), table, kv_head, begin + group * VL, end);
        }
        const float *rows = token_rows(cache, keys_of(cache), table, kv_head, j, count, scratch->rows, &stride);
        for (int64_t g = 0; g < heads; g++) {
            const float *query = scratch->query + g * MAX_HEAD_SIZE;
            vf sums[VL];
            UNROLL for (int i = 0; i < VL; i++) sums[i] = splat(0);
            if (count == VL) {
                for (int64_t d = 0; d < padded; d += VL) {
                    vf q = load(query + d);
                    UNROLL for (int i = 0; i < VL; i++) sums[i] = fma_v(q, load(rows + i * stride + d), sums[i]);
                }
            } else {
                for (int64_t i = 0; i < count; i++) {
                    vf sum = splat(0);
                    for (int64_t d = 0; d < padded; d += VL)
                        sum = fma_v(load(query + d), load(rows + i * stride + d), sum);
                    sums[i] = sum;
                }
            }
            vf scores = cap_scores(sum_each(sums), args->soft_cap);
            scores = select_v(lane_numbers() < (int32_t)count, scores, splat(-INFINITY));
            store(scratch->scores + g * ATTENTION_CHUNK + (j - begin), scores);
        }
    }
}

INLINE void add_values(
    const int NV, const float *weights, const float *rows, int64_t stride, int64_t count, float *output) {
    vf sums[4];
    UNROLL for (int v = 0; v < NV; v++) sums[v] = load(output + v * VL);
    for (int64_t i = 0; i < count; i++) {
        vf weight = splat(weights[i]);
        UNROLL for (int v = 0; v < NV; v++) sums[v] = fma_v(weight, load(rows + i * stride + v * VL), sums[v]);
    }
    UNROLL for (int v = 0; v < NV; v++) store(output + v * VL, sums[v]);
}

static void paged_decode(
    const cpuk_attention_args *args, int64_t sequence, int64_t query, int64_t head, int64_t heads, int64_t begin,
    int64_t end, decode_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t size = cache->head_size, padded = padded_head(size);
    const int64_t kv_head = head / (args->heads / cache->kv_heads);
    const int32_t *table = args->block_tables + sequence * args->table_stride;
    for (int64_t g = 0; g < heads; g++)
        copy_query(
            args->query.data + query * args->query.stride + (head + g) * size, size, args->scale,
            scratch->query + g * MAX_HEAD_SIZE);
    decode_scores(args, table, kv_head, heads, begin, end, scratch);
    for (int64_t g = 0; g < heads; g++) {
        float *scores = scratch->scores + g * ATTENTION_CHUNK;
        vf top = splat(-INFINITY), total = splat(0);
        for (int64_t j = 0; j < end - begin; j += VL) top = max_v(load(scores + j), top);
        float maximum = max_lanes(top);
        for (int64_t j = 0; j < end - begin; j += VL) {
            vf weight = exp_v(load(scores + j) - exponent_base(maximum));
            total += weight;
            store(scores + j, weight);
        }
        scratch->maxima[g] = maximum;
        scratch->sums[g] = sum_lanes(total);
        memset(scratch->output + g * MAX_HEAD_SIZE, 0, (size_t)padded * sizeof(float));
    }
    for (int64_t j = begin; j < end; j += VL) {
        int64_t count = end - j < VL ? end - j : VL, stride;
        prefetch_tokens(cache, values_of(cache), table, kv_head, j + GROUPS_AHEAD * VL, end);
        const float *rows = token_rows(cache, values_of(cache), table, kv_head, j, count, scratch->rows, &stride);
        for (int64_t g = 0; g < heads; g++) {
            const float *weights = scratch->scores + g * ATTENTION_CHUNK + (j - begin);
            float *output = scratch->output + g * MAX_HEAD_SIZE;
            int64_t d = 0;
            for (; d + 4 * VL <= padded; d += 4 * VL) add_values(4, weights, rows + d, stride, count, output + d);
            for (; d < padded; d += VL) add_values(1, weights, rows + d, stride, count, output + d);
        }
    }
}

static void merge_chunks(
    const float *chunks, int64_t count, int64_t stride, int64_t head_size, float *output) {
    float maximum = -INFINITY, sum = 0;
    for (int64_t c = 0; c < count; c++) maximum = fmaxf(maximum, chunks[c * stride]);
    float base = exponent_base(maximum);
    for (int64_t c = 0; c < count; c++)
        sum += chunks[c * stride + 1] * exp_v(splat(chunks[c * stride] - base))[0];
    for (int64_t d = 0; d < head_size; d += VL) {
        vf total = splat(0);
        for (int64_t c = 0; c < count; c++) {
            const float *values = chunks + c * stride + CHUNK_HEADER;
            vf weight = exp_v(splat(chunks[c * stride] - base));
            total += weight * (head_size - d >= VL ? load(values + d) : load_part(values + d, head_size - d));
        }
        total /= sum;
        if (head_size - d >= VL) store(output + d, total);
        else store_part(output + d, total, head_size - d);
    }
}
