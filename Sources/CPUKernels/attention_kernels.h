// Attention over the paged cache for one instruction set.
//
// D elements a head, L tokens a block. Scratch rows of a head are padded with zeros to a whole number of vectors.
#pragma once

#if VECTOR_REGISTERS >= 32
enum { QUERY_PANEL = 8 };
#else
enum { QUERY_PANEL = 4 };
#endif

INLINE int64_t padded_head(int64_t head_size) { return (head_size + VL - 1) / VL * VL; }

// Where the row of token `j` lies in the keys or values.
INLINE const char *token_row(
    const cpuk_cache *cache, const void *base, const int32_t *table, int64_t kv_head, int64_t j) {
    int64_t block = table[j / cache->block_tokens], offset = j % cache->block_tokens;
    int64_t row = (block * cache->kv_heads + kv_head) * cache->block_tokens + offset;
    return (const char *)base + row * cache->head_size * format_bytes((int)cache->format);
}

INLINE void convert_rows_of(
    const int format, const char *rows, int64_t count, int64_t size, float *output, int64_t stride) {
    for (int64_t j = 0; j < count; j++) {
        const char *row = rows + j * size * format_bytes(format);
        int64_t i = 0;
        for (; i + VL <= size; i += VL) store(output + j * stride + i, load_as_float(format, row, i));
        if (i < size) store(output + j * stride + i, load_part_as_float(format, row, i, size - i));
    }
}

// Copies rows `begin..<begin + count` as floats `stride` apart, a block at a time, where rows lie together.
static void convert_tokens(
    const cpuk_cache *cache, const void *base, const int32_t *table, int64_t kv_head, int64_t begin, int64_t count,
    float *output, int64_t stride) {
    const int64_t size = cache->head_size;
    while (count > 0) {
        int64_t in_block = cache->block_tokens - begin % cache->block_tokens;
        int64_t run = count < in_block ? count : in_block;
        const char *rows = token_row(cache, base, table, kv_head, begin);
        if (cache->format == CPUK_F32) convert_rows_of(CPUK_F32, rows, run, size, output, stride);
        else if (cache->format == CPUK_BF16) convert_rows_of(CPUK_BF16, rows, run, size, output, stride);
        else convert_rows_of(CPUK_F16, rows, run, size, output, stride);
        begin += run;
        count -= run;
        output += run * stride;
    }
}

// Rows `begin..<begin + count` as floats `*stride` apart: in place where they lie so already, else copied to
// `buffer`.
static const float *token_rows(
    const cpuk_cache *cache, const void *base, const int32_t *table, int64_t kv_head, int64_t begin, int64_t count,
    float *buffer, int64_t *stride) {
    const int64_t size = cache->head_size, offset = begin % cache->block_tokens;
    if (cache->format == CPUK_F32 && size % VL == 0 && offset + count <= cache->block_tokens) {
        *stride = size;
        return (const float *)token_row(cache, base, table, kv_head, begin);
    }
    *stride = padded_head(size);
    convert_tokens(cache, base, table, kv_head, begin, count, buffer, *stride);
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

// ---- Prefill: a tile of queries of one group of heads against tiles of keys, with an online softmax.

// keys[d * ATTENTION_KEY_TILE + j], rounded up to whole vectors of keys (the last key again).
static void pack_keys(
    const cpuk_cache *cache, const int32_t *table, int64_t kv_head, int64_t begin, int64_t count, float *buffer,
    float *keys) {
    const int64_t size = cache->head_size;
    for (int64_t j = 0; j < count; j += VL) {
        int64_t rows = count - j < VL ? count - j : VL, stride;
        const float *first = token_rows(cache, cache->keys, table, kv_head, begin + j, rows, buffer, &stride);
        for (int64_t d = 0; d < size; d += VL) {
            vf square[VL];
            for (int i = 0; i < VL; i++) square[i] = load(first + (i < rows ? i : rows - 1) * stride + d);
            transpose(square);
            int64_t width = size - d < VL ? size - d : VL;
            for (int64_t i = 0; i < width; i++) store(keys + (d + i) * ATTENTION_KEY_TILE + j, square[i]);
        }
    }
}

// Turns one row of scores into weights against the running maximum; corrects what was summed before.
static void softmax_tile_row(
    float *scores, int64_t vectors, int32_t visible_begin, int32_t visible_end, float soft_cap, float *maximum,
    float *sum, float *output, int64_t padded) {
    vf values[ATTENTION_KEY_TILE / VL], top = splat(-INFINITY);
    vi at = lane_numbers();
    for (int64_t v = 0; v < vectors; v++, at += VL) {
        vi visible = (at >= visible_begin) & (at < visible_end);
        values[v] = select_v(visible, cap_scores(load(scores + v * VL), soft_cap), splat(-INFINITY));
        top = max_v(values[v], top);
    }
    float before = *maximum, after = fmaxf(before, max_lanes(top));
    float base = exponent_base(after);
    vf total = splat(0);
    for (int64_t v = 0; v < vectors; v++) {
        vf weight = exp_v(values[v] - base);
        total += weight;
        store(scores + v * VL, weight);
    }
    float correction = exp_v(splat(before - base))[0];
    *maximum = after;
    *sum = *sum * correction + sum_lanes(total);
    if (correction == 1) return;
    for (int64_t d = 0; d < padded; d += VL) store(output + d, load(output + d) * correction);
}

INLINE void multiply_tiles(
    const int64_t row_step, const bool accumulate, int64_t rows, const float *x, const float *w, int64_t ldw,
    int64_t depth, float *c, int64_t ldc, int64_t width) {
    for (int64_t i = 0; i < rows; i += QUERY_PANEL) {
        int64_t j = 0;
        for (; j + 2 * VL <= width; j += 2 * VL)
            multiply_block(
                QUERY_PANEL, 2, row_step, 1, accumulate, x + i * row_step, w + j, ldw, depth, c + i * ldc + j, ldc);
        for (; j < width; j += VL)
            multiply_block(
                QUERY_PANEL, 1, row_step, 1, accumulate, x + i * row_step, w + j, ldw, depth, c + i * ldc + j, ldc);
    }
}

static void attention_prefill(
    const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
    prefill_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t size = cache->head_size, padded = padded_head(size);
    const int64_t kv_head = head / (args->heads / cache->kv_heads);
    const int32_t *table = args->block_tables + sequence * args->table_stride;
    const int64_t token = args->query_offsets[sequence] + first;
    const int64_t queries = args->query_offsets[sequence + 1] - args->query_offsets[sequence];
    const int64_t position = args->context_lengths[sequence] - queries + first;
    const int64_t rows = count * heads, panel_rows = (rows + QUERY_PANEL - 1) / QUERY_PANEL * QUERY_PANEL;

    for (int64_t m = 0; m < panel_rows; m++) {
        // Rows that fill up the last panel repeat the last query; their results are not used.
        int64_t row = m < rows ? m : rows - 1;
        const float *query = args->query.data + (token + row / heads) * args->query.stride;
        copy_query(query + (head + row % heads) * size, size, args->scale, scratch->query + m * QUERY_STRIDE);
        scratch->maxima[m] = -INFINITY;
        scratch->sums[m] = 0;
    }
    memset(scratch->output, 0, (size_t)(panel_rows * padded) * sizeof(float));

    const int64_t end = position + count;
    int64_t begin = args->window > 0 && position + 1 > args->window ? position + 1 - args->window : 0;
    begin -= begin % ATTENTION_KEY_TILE;
    for (int64_t j = begin; j < end; j += ATTENTION_KEY_TILE) {
        int64_t keys = end - j < ATTENTION_KEY_TILE ? end - j : ATTENTION_KEY_TILE;
        int64_t vectors = (keys + VL - 1) / VL;
        pack_keys(cache, table, kv_head, j, keys, scratch->values, scratch->keys);
        multiply_tiles(
            QUERY_STRIDE, false, panel_rows, scratch->query, scratch->keys, ATTENTION_KEY_TILE, size, scratch->scores,
            ATTENTION_KEY_TILE, vectors * VL);
        for (int64_t m = 0; m < panel_rows; m++) {
            int64_t at = position + (m < rows ? m : rows - 1) / heads;
            int64_t low = args->window > 0 && at + 1 - args->window > j ? at + 1 - args->window - j : 0;
            int64_t high = at + 1 - j < keys ? at + 1 - j : keys;
            softmax_tile_row(
                scratch->scores + m * ATTENTION_KEY_TILE, vectors, (int32_t)(low < keys ? low : keys), (int32_t)high,
                args->soft_cap, &scratch->maxima[m], &scratch->sums[m], scratch->output + m * padded, padded);
        }
        convert_tokens(cache, cache->values, table, kv_head, j, keys, scratch->values, padded);
        multiply_tiles(
            ATTENTION_KEY_TILE, true, panel_rows, scratch->scores, scratch->values, padded, keys, scratch->output,
            padded, padded);
    }
    for (int64_t m = 0; m < rows; m++) {
        float *output = args->output.data + (token + m / heads) * args->output.stride + (head + m % heads) * size;
        float factor = 1.0f / scratch->sums[m];
        for (int64_t d = 0; d < size; d += VL) {
            vf value = load(scratch->output + m * padded + d) * factor;
            if (size - d >= VL) store(output + d, value);
            else store_part(output + d, value, size - d);
        }
    }
}

// ---- Decode: one query against a chunk of the context.

static void decode_scores(
    const cpuk_attention_args *args, const int32_t *table, int64_t kv_head, int64_t heads, int64_t begin, int64_t end,
    decode_scratch *scratch) {
    const cpuk_cache *cache = &args->cache;
    const int64_t padded = padded_head(cache->head_size);
    for (int64_t j = begin; j < end; j += VL) {
        int64_t count = end - j < VL ? end - j : VL, stride;
        const float *rows = token_rows(cache, cache->keys, table, kv_head, j, count, scratch->rows, &stride);
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
        const float *rows = token_rows(cache, cache->values, table, kv_head, j, count, scratch->rows, &stride);
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
