// The rows of the paged cache, read as floats, and what attention makes of queries and scores.
//
// D elements a head, L tokens a block. Scratch rows of a head are padded with zeros to a whole number of vectors.
#pragma once
#include "../formats/dequantise.h"
#include "../simd/vector_math.h"

// The keys or the values of a cache.
typedef struct {
    const void *rows;
    const float *scales;
} cache_side;

INLINE cache_side keys_of(const cpuk_cache *cache) { return (cache_side){cache->keys, cache->key_scales}; }
INLINE cache_side values_of(const cpuk_cache *cache) { return (cache_side){cache->values, cache->value_scales}; }

// The row of token `j` among all rows of the cache.
INLINE int64_t token_row(const cpuk_cache *cache, const int32_t *table, int64_t kv_head, int64_t j) {
    int64_t block = table[j / cache->block_tokens], offset = j % cache->block_tokens;
    return (block * cache->kv_heads + kv_head) * cache->block_tokens + offset;
}

INLINE void dequantise_rows_of(
    const int format, const cache_side side, int64_t row, int64_t count, int64_t size, float *output, int64_t stride) {
    const char *rows = (const char *)side.rows + row * size * format_bytes(format);
    for (int64_t j = 0; j < count; j++) {
        const char *x = rows + j * size * format_bytes(format);
        const float scale = format == CPUK_I8 ? side.scales[row + j] : 1;
        int64_t i = 0;
        for (; i + VL <= size; i += VL) {
            vf value = dequantise(format, x, i);
            store(output + j * stride + i, format == CPUK_I8 ? value * scale : value);
        }
        if (i < size) {
            vf value = dequantise_part(format, x, i, size - i);
            store(output + j * stride + i, format == CPUK_I8 ? value * scale : value);
        }
    }
}

// Copies rows `begin..<begin + count` as floats `stride` apart, a block at a time where rows are contiguous.
static inline void dequantise_tokens(
    const cpuk_cache *cache, const cache_side side, const int32_t *table, int64_t kv_head, int64_t begin,
    int64_t count, float *output, int64_t stride) {
    const int64_t size = cache->head_size;
    while (count > 0) {
        int64_t in_block = cache->block_tokens - begin % cache->block_tokens;
        int64_t run = count < in_block ? count : in_block;
        int64_t row = token_row(cache, table, kv_head, begin);
        switch (cache->format) {
        case CPUK_F32: dequantise_rows_of(CPUK_F32, side, row, run, size, output, stride); break;
        case CPUK_BF16: dequantise_rows_of(CPUK_BF16, side, row, run, size, output, stride); break;
        case CPUK_I8: dequantise_rows_of(CPUK_I8, side, row, run, size, output, stride); break;
        default: dequantise_rows_of(CPUK_F16, side, row, run, size, output, stride);
        }
        begin += run;
        count -= run;
        output += run * stride;
    }
}

// Rows `begin..<begin + count` as floats `*stride` apart: in place where they are floats already, else copied to
// `buffer`.
static inline const float *token_rows(
    const cpuk_cache *cache, const cache_side side, const int32_t *table, int64_t kv_head, int64_t begin,
    int64_t count, float *buffer, int64_t *stride) {
    const int64_t size = cache->head_size, offset = begin % cache->block_tokens;
    if (cache->format == CPUK_F32 && size % VL == 0 && offset + count <= cache->block_tokens) {
        *stride = size;
        return (const float *)side.rows + token_row(cache, table, kv_head, begin) * size;
    }
    *stride = whole_vectors(size);
    dequantise_tokens(cache, side, table, kv_head, begin, count, buffer, *stride);
    return buffer;
}

static inline void copy_query(const float *query, int64_t head_size, float scale, float *output) {
    int64_t i = 0;
    for (; i + VL <= head_size; i += VL) store(output + i, load(query + i) * scale);
    if (i < head_size) store(output + i, load_part(query + i, head_size - i) * scale);
}

INLINE vf cap_scores(vf scores, float soft_cap) {
    return soft_cap > 0 ? tanh_v(scores / soft_cap) * soft_cap : scores;
}
