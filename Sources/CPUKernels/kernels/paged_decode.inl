// Decode attention over the paged cache: one query against chunks of the context, which are merged.
//
// Keys and values are read as vectors of floats straight from the cache, VL tokens at a time, and each vector serves a
// block of the query heads that share it.
#pragma once
#include "attention.h"
#include "cache_rows.inl"
#include "softmax.inl"
#include <math.h>

enum {
    /// Query heads whose sums stay in registers together: TOKEN_BLOCK scores or ROW_VECTORS vectors of output each.
    HEAD_BLOCK = VECTOR_REGISTERS >= 32 ? 4 : 2,
    TOKEN_BLOCK = 4,
    ROW_VECTORS = 4,
    /// The distance in groups of VL tokens between the one that is read and the one that is prefetched. Blocks are not
    /// contiguous, so the hardware's prefetcher does not know which comes next.
    GROUPS_AHEAD = 2,
};
_Static_assert(ATTENTION_GROUP % VL == 0 && ATTENTION_CHUNK % ATTENTION_GROUP == 0, "whole groups of tokens");

/// Keys or values of VL tokens of one head.
typedef struct {
    const char *rows;
    /// Bytes from one row to the next.
    int64_t stride;
    /// Of int8 rows in the cache; else NULL.
    const float *scales;
    /// The tokens that are seen.
    int64_t first, count;
    /// As many rows of a later group, to prefetch meanwhile; NULL: none.
    const char *next;
} token_group;

/// What the tokens of one task have in common.
typedef struct {
    const cpuk_cache *cache;
    const int32_t *table;
    int64_t kv_head;
    /// Tokens `begin..<end`, the first of a group and the last that is seen.
    int64_t begin, end;
    /// The first token that is seen.
    int64_t first_seen;
    int64_t row_bytes, padded;
    float soft_cap;
} decode_context;

// Whether the VL tokens from `j` on are whole rows of vectors in one block.
INLINE bool lies_whole(const decode_context *context, int64_t j) {
    const int64_t block = context->cache->block_tokens;
    return context->end - j >= VL && j % block + VL <= block && context->cache->head_size % VL == 0;
}

INLINE const char *first_byte(const decode_context *context, const cache_side side, int64_t j) {
    const int64_t row = token_row(context->cache, context->table, context->kv_head, j);
    return (const char *)side.rows + row * context->row_bytes;
}

// The group of tokens from `j` on: in place where it lies whole (then true), else copied to `buffer` as floats. What is
// read next comes after it, and then `then`'s first tokens.
static inline bool find_group(
    const decode_context *context, const cache_side side, const cache_side *then, int64_t j, float *buffer,
    token_group *group) {
    const cpuk_cache *cache = context->cache;
    const int64_t ahead = j + GROUPS_AHEAD * VL, left = context->end - j;
    *group = (token_group){
        .first = context->first_seen > j ? context->first_seen - j : 0, .count = left < VL ? left : VL};
    if (!lies_whole(context, j)) {
        group->rows = (const char *)buffer;
        group->stride = context->padded * (int64_t)sizeof(float);
        dequantise_tokens(cache, side, context->table, context->kv_head, j, group->count, buffer, context->padded);
        return false;
    }
    group->rows = first_byte(context, side, j);
    group->stride = context->row_bytes;
    if (cache->format == CPUK_I8) group->scales = side.scales + token_row(cache, context->table, context->kv_head, j);
    if (ahead < context->end) {
        group->next = first_byte(context, side, ahead);
    } else if (then) {
        const int64_t groups = (context->end - context->begin + VL - 1) / VL;
        const int64_t start = ahead - groups * VL;
        if (start < context->end) group->next = first_byte(context, *then, start);
    }
    return true;
}

// A few rows at a time, between products: a core has buffers for a dozen lines, and one prefetch more waits for one of
// them and holds up what comes after it.
INLINE void prefetch_rows(const token_group *group, int64_t first, int64_t count) {
    if (!group->next) return;
    for (int64_t i = first * group->stride; i < (first + count) * group->stride; i += 64)
        __builtin_prefetch(group->next + i, 0, 2);
}

// For each head, vectors whose lane i is a part of the score of token i % TOKEN_BLOCK.
INLINE void score_block(
    const int format, const int heads, const float *query, int64_t padded, const char *rows, int64_t stride,
    vf results[HEAD_BLOCK]) {
    vf sums[HEAD_BLOCK][TOKEN_BLOCK];
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int i = 0; i < TOKEN_BLOCK; i++) sums[h][i] = splat(0);
    for (int64_t d = 0; d < padded; d += VL) {
        vf keys[TOKEN_BLOCK];
        UNROLL for (int i = 0; i < TOKEN_BLOCK; i++) keys[i] = dequantise(format, rows + i * stride, d);
        UNROLL for (int h = 0; h < heads; h++) {
            const vf q = load(query + h * padded + d);
            UNROLL for (int i = 0; i < TOKEN_BLOCK; i++) sums[h][i] = fma_v(q, keys[i], sums[h][i]);
        }
    }
    UNROLL for (int h = 0; h < heads; h++) {
        sum_pairs(2, 2, sums[h]);
        sum_pairs(1, 1, sums[h]);
        results[h] = sums[h][0];
    }
}

// The scores of a group for `heads` heads; those of tokens that are not seen are minus infinity.
INLINE void score_group(
    const int format, const int heads, const bool prefetches, const decode_context *context, const token_group *group,
    const float *query, float *scores) {
    enum { BLOCKS = VL / TOKEN_BLOCK };
    vf parts[HEAD_BLOCK][BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
        vf results[HEAD_BLOCK];
        if (prefetches) prefetch_rows(group, b * TOKEN_BLOCK, TOKEN_BLOCK);
        score_block(
            format, heads, query, context->padded, group->rows + b * TOKEN_BLOCK * group->stride, group->stride,
            results);
        UNROLL for (int h = 0; h < heads; h++) parts[h][b] = results[h];
    }
    UNROLL for (int h = 0; h < heads; h++) {
        if (BLOCKS > 2) sum_pairs(8, 2, parts[h]);
        if (BLOCKS > 1) sum_pairs(4, 1, parts[h]);
        vf sums = parts[h][0];
        if (format == CPUK_I8) sums *= load(group->scales);
        sums = cap_scores(sums, context->soft_cap);
        if (group->first > 0 || group->count < VL) {
            const vi seen = (lane_numbers() >= (int32_t)group->first) & (lane_numbers() < (int32_t)group->count);
            sums = select_v(seen, sums, splat(-INFINITY));
        }
        store(scores + h * ATTENTION_CHUNK, sums);
    }
}

// output[h * MAX_HEAD_SIZE + d] += sum over tokens of weights[h * ATTENTION_CHUNK + i] * values[i][d], d < vectors * VL
INLINE void add_vectors(
    const int format, const int heads, const int vectors, const bool prefetches, const token_group *group,
    const float *weights, int64_t d, float *output) {
    vf sums[HEAD_BLOCK][ROW_VECTORS];
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++) sums[h][v] = load(output + h * MAX_HEAD_SIZE + d + v * VL);
    for (int64_t i = group->first; i < group->count; i++) {
        vf values[ROW_VECTORS];
        if (prefetches) prefetch_rows(group, i, 1);
        UNROLL for (int v = 0; v < vectors; v++)
            values[v] = dequantise(format, group->rows + i * group->stride, d + v * VL);
        UNROLL for (int h = 0; h < heads; h++) {
            const vf weight = splat(weights[h * ATTENTION_CHUNK + i]);
            UNROLL for (int v = 0; v < vectors; v++) sums[h][v] = fma_v(weight, values[v], sums[h][v]);
        }
    }
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++) store(output + h * MAX_HEAD_SIZE + d + v * VL, sums[h][v]);
}

INLINE void add_group(
    const int format, const int heads, const bool prefetches, const token_group *group, float *weights,
    int64_t padded, float *output) {
    if (format == CPUK_I8)
        UNROLL for (int h = 0; h < heads; h++) {
            float *row = weights + h * ATTENTION_CHUNK;
            store(row, load(row) * load(group->scales));
        }
    int64_t d = 0;
    for (; d + ROW_VECTORS * VL <= padded; d += ROW_VECTORS * VL)
        add_vectors(format, heads, ROW_VECTORS, prefetches && d == 0, group, weights, d, output);
    for (; d < padded; d += VL)
        add_vectors(format, heads, 1, prefetches && d == 0, group, weights, d, output);
}

// The scores of a group, or what it adds to the output, for up to HEAD_BLOCK heads from `g` on.
INLINE void attend_block(
    const int format, const int heads, const bool scoring, const decode_context *context, const token_group *group,
    int64_t g, float *scores, decode_scratch *scratch) {
    const int64_t padded = context->padded;
    float *row = scores + g * ATTENTION_CHUNK;
    if (scoring) score_group(format, heads, g == 0, context, group, scratch->query + g * padded, row);
    else add_group(format, heads, g == 0, group, row, padded, scratch->output + g * MAX_HEAD_SIZE);
}

INLINE void attend_group(
    const int format, const bool scoring, const decode_context *context, const token_group *group, int64_t heads,
    float *scores, decode_scratch *scratch) {
    for (int64_t g = 0; g < heads; g += HEAD_BLOCK) {
        const int64_t left = heads - g;
        if (left >= HEAD_BLOCK) attend_block(format, HEAD_BLOCK, scoring, context, group, g, scores, scratch);
        else if (left == 3) attend_block(format, 3 % HEAD_BLOCK, scoring, context, group, g, scores, scratch);
        else if (left == 2) attend_block(format, 2 % HEAD_BLOCK, scoring, context, group, g, scores, scratch);
        else attend_block(format, 1, scoring, context, group, g, scores, scratch);
    }
}

// All scores of a task (`scoring`), or its output.
INLINE void attend_tokens(
    const int format, const bool scoring, const decode_context *context, int64_t heads, decode_scratch *scratch) {
    const cache_side values = values_of(context->cache), side = scoring ? keys_of(context->cache) : values;
    for (int64_t j = context->begin; j < context->end; j += VL) {
        float *scores = scratch->scores + (j - context->begin);
        token_group group;
        if (find_group(context, side, scoring ? &values : NULL, j, scratch->rows, &group))
            attend_group(format, scoring, context, &group, heads, scores, scratch);
        else attend_group(CPUK_F32, scoring, context, &group, heads, scores, scratch);
    }
}

static void attend_with(
    const bool scoring, const decode_context *context, int64_t heads, decode_scratch *scratch) {
    switch (context->cache->format) {
    case CPUK_F32: attend_tokens(CPUK_F32, scoring, context, heads, scratch); break;
    case CPUK_BF16: attend_tokens(CPUK_BF16, scoring, context, heads, scratch); break;
    case CPUK_I8: attend_tokens(CPUK_I8, scoring, context, heads, scratch); break;
    default: attend_tokens(CPUK_F16, scoring, context, heads, scratch);
    }
}

static void paged_decode(
    const cpuk_attention_args *args, int64_t sequence, int64_t query, int64_t head, int64_t heads, int64_t begin,
    int64_t end, int64_t first_seen, decode_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t size = cache->head_size, padded = whole_vectors(size);
    const decode_context context = {
        .cache = cache, .table = args->block_tables + sequence * args->table_stride,
        .kv_head = head / (args->heads / cache->kv_heads), .begin = begin, .end = end, .first_seen = first_seen,
        .row_bytes = size * format_bytes((int)cache->format), .padded = padded, .soft_cap = args->soft_cap};
    for (int64_t g = 0; g < heads; g++)
        copy_query(
            args->query.data + query * args->query.stride + (head + g) * size, size, args->scale,
            scratch->query + g * padded);
    attend_with(true, &context, heads, scratch);
    for (int64_t g = 0; g < heads; g++) {
        float *scores = scratch->scores + g * ATTENTION_CHUNK;
        vf top = splat(-INFINITY), total = splat(0);
        for (int64_t j = 0; j < end - begin; j += VL) top = max_v(load(scores + j), top);
        const float maximum = max_lanes(top);
        for (int64_t j = 0; j < end - begin; j += VL) {
            vf weight = exp_v(load(scores + j) - exponent_base(maximum));
            total += weight;
            store(scores + j, weight);
        }
        scratch->maxima[g] = maximum;
        scratch->sums[g] = sum_lanes(total);
        memset(scratch->output + g * MAX_HEAD_SIZE, 0, (size_t)padded * sizeof(float));
    }
    attend_with(false, &context, heads, scratch);
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
