// Attention over the paged cache for one instruction set.
//
// D elements a head, L tokens a block. Scratch rows of a head are padded with zeros to a whole number of vectors.
#pragma once

INLINE int64_t padded_head(int64_t head_size) { return (head_size + VL - 1) / VL * VL; }

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

INLINE void convert_rows_of(
    const int format, const cache_side side, int64_t row, int64_t count, int64_t size, float *output, int64_t stride) {
    const char *rows = (const char *)side.rows + row * size * format_bytes(format);
    for (int64_t j = 0; j < count; j++) {
        const char *x = rows + j * size * format_bytes(format);
        const float scale = format == CPUK_I8 ? side.scales[row + j] : 1;
        int64_t i = 0;
        for (; i + VL <= size; i += VL) {
            vf value = load_as_float(format, x, i);
            store(output + j * stride + i, format == CPUK_I8 ? value * scale : value);
        }
        if (i < size) {
            vf value = load_part_as_float(format, x, i, size - i);
            store(output + j * stride + i, format == CPUK_I8 ? value * scale : value);
        }
    }
}

// Copies rows `begin..<begin + count` as floats `stride` apart, a block at a time, where rows lie together.
static void convert_tokens(
    const cpuk_cache *cache, const cache_side side, const int32_t *table, int64_t kv_head, int64_t begin,
    int64_t count, float *output, int64_t stride) {
    const int64_t size = cache->head_size;
    while (count > 0) {
        int64_t in_block = cache->block_tokens - begin % cache->block_tokens;
        int64_t run = count < in_block ? count : in_block;
        int64_t row = token_row(cache, table, kv_head, begin);
        switch (cache->format) {
        case CPUK_F32: convert_rows_of(CPUK_F32, side, row, run, size, output, stride); break;
        case CPUK_BF16: convert_rows_of(CPUK_BF16, side, row, run, size, output, stride); break;
        case CPUK_I8: convert_rows_of(CPUK_I8, side, row, run, size, output, stride); break;
        default: convert_rows_of(CPUK_F16, side, row, run, size, output, stride);
        }
        begin += run;
        count -= run;
        output += run * stride;
    }
}

// Rows `begin..<begin + count` as floats `*stride` apart: in place where they lie so already, else copied to
// `buffer`.
static const float *token_rows(
    const cpuk_cache *cache, const cache_side side, const int32_t *table, int64_t kv_head, int64_t begin,
    int64_t count, float *buffer, int64_t *stride) {
    const int64_t size = cache->head_size, offset = begin % cache->block_tokens;
    if (cache->format == CPUK_F32 && size % VL == 0 && offset + count <= cache->block_tokens) {
        *stride = size;
        return (const float *)side.rows + token_row(cache, table, kv_head, begin) * size;
    }
    *stride = padded_head(size);
    convert_tokens(cache, side, table, kv_head, begin, count, buffer, *stride);
    return buffer;
}

static void copy_query(const float *query, int64_t head_size, float scale, float *output) {
    int64_t i = 0;
    for (; i + VL <= head_size; i += VL) store(output + i, load(query + i) * scale);
    if (i < head_size) store(output + i, load_part(query + i, head_size - i) * scale);
}

INLINE vf cap_scores(vf scores, float soft_cap) {
    return soft_cap > 0 ? tanh_v(scores / soft_cap) * soft_cap : scores;
}

INLINE vi lane_numbers(void) {
    vi lanes;
    UNROLL for (int lane = 0; lane < VL; lane++) lanes[lane] = lane;
    return lanes;
}

// ---- Decode: one query against a chunk of the context.

static void decode_scores(
    const cpuk_attention_args *args, const int32_t *table, int64_t kv_head, int64_t heads, int64_t begin, int64_t end,
    decode_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t padded = padded_head(cache->head_size);
    for (int64_t j = begin; j < end; j += VL) {
        int64_t count = end - j < VL ? end - j : VL, stride;
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

static void attention_decode(
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

static void attention_merge(
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
