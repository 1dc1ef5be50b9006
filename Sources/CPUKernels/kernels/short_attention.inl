// Attention of texts whose packed keys and values fit scratch memory, where every query sees all keys: no running
// maxima, and results go from registers to the output. Keys and values are packed once for all queries of a task, in
// panels that are read in the order of memory. More rows at once than a tile of many keys takes, with fewer vectors of
// keys beside one another.
#pragma once
#include "attention_products.inl"

enum {
    SHORT_VECTORS = 2,
    SHORT_PANEL = SHORT_VECTORS * VL,
    SHORT_ROWS = VECTOR_REGISTERS >= 32 ? MOST_SHORT_ROWS : 6,
};

/// What all queries of a head see: panels of keys, and panels of values or, `value_stride` floats apart, their rows.
typedef struct {
    const float *keys, *values;
    /// 0: panels.
    int64_t value_stride;
    int64_t count, size;
    /// What scores are multiplied by.
    float scale;
} short_head;

// Between rows of scores: rows that lie a power of two apart would fall in the same cache sets.
INLINE int64_t score_stride(int64_t keys) { return whole_vectors(keys) + VL; }

static bool fits_short_attention(int64_t keys, int64_t size) {
    return whole_vectors(keys) * whole_vectors(size) <= SHORT_NUMBERS
        && score_stride(keys) * SHORT_ROWS <= SHORT_SCORES;
}

INLINE int64_t panel_width(int64_t width, int64_t first) {
    return width - first < SHORT_PANEL ? width - first : SHORT_PANEL;
}

INLINE void prefetch_row(const float *row, int64_t size) {
    for (int64_t d = 0; d < size; d += 16) __builtin_prefetch(row + d, 0, 2);
}

// VL keys as columns of a panel `ldw` wide. The last key is repeated up to a whole vector. `is_whole`: there are as
// many, of whole vectors.
INLINE void pack_short_keys(
    const bool is_whole, cpuk_rows keys, int64_t first, int64_t count, int64_t size, float *panel, int64_t ldw) {
    for (int64_t d = 0; d < size; d += VL) {
        vf square[VL];
        for (int i = 0; i < VL; i++) {
            const int64_t key = is_whole || first + i < count ? first + i : count - 1;
            const float *from = keys.data + key * keys.stride + d;
            square[i] = is_whole ? load(from) : load_rest(from, size - d);
        }
        transpose(square);
        const int64_t height = is_whole || size - d >= VL ? VL : size - d;
        for (int64_t i = 0; i < height; i++) store(panel + (d + i) * ldw, square[i]);
    }
}

// Values `first..<end` of `count` as rows of their panels. Elements are padded with zeros.
INLINE void pack_short_values(
    cpuk_rows values, int64_t first, int64_t end, int64_t count, int64_t size, float *panels) {
    const int64_t width = whole_vectors(size);
    for (int64_t k = first; k < end; k++)
        for (int64_t j = 0; j < width; j += SHORT_PANEL) {
            const int64_t ldw = panel_width(width, j);
            const float *from = values.data + k * values.stride + j;
            for (int64_t d = 0; d < ldw; d += VL)
                store(panels + j * count + k * ldw + d, load_rest(from + d, size - j - d));
        }
}

// Keys: a panel holds the first element of each of its keys, then the second ones … Values: a panel holds its elements
// of the first value, then those of the second one … Where all queries are multiplied at once values of whole vectors
// stay where they lie.
static short_head pack_short_head(
    cpuk_rows keys, cpuk_rows values, int64_t count, int64_t size, float scale, int64_t queries,
    prefill_scratch *scratch) {
    const int64_t width = whole_vectors(count);
    const bool packs_values = queries > SHORT_ROWS || size % VL != 0;
    for (int64_t j = 0; j < width; j += VL) {
        const int64_t first = j / SHORT_PANEL * SHORT_PANEL, end = j + VL < count ? j + VL : count;
        float *panel = scratch->keys + first * size + j - first;
        const int64_t ldw = panel_width(width, first);
        if (size % VL == 0 && end - j == VL) pack_short_keys(true, keys, j, count, size, panel, ldw);
        else pack_short_keys(false, keys, j, count, size, panel, ldw);
        if (packs_values) pack_short_values(values, j, end, count, size, scratch->values);
    }
    return (short_head){
        .keys = scratch->keys, .values = packs_values ? scratch->values : values.data,
        .value_stride = packs_values ? 0 : values.stride, .count = count, .size = size, .scale = scale};
}

// c[i * ldc + j] = sum_k x[i * ldx + k] * w[k * ldw + j], i < R, j < NV * VL, times factors[i] where there are any.
INLINE void multiply_short_block(
    const int STEP, const int R, const int NV, int64_t ldx, const float *x, const float *w, int64_t ldw, int64_t depth,
    const float *factors, float *c, int64_t ldc) {
    vf sums[MOST_SHORT_ROWS][SHORT_VECTORS];
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = splat(0);
    add_products_of_rows(STEP, R, NV, SHORT_VECTORS, x, ldx, w, ldw, depth, sums[0]);
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int v = 0; v < NV; v++)
            store(c + i * ldc + v * VL, factors ? sums[i][v] * factors[i] : sums[i][v]);
}

// `width` columns, of panels or of rows `stride` floats apart.
INLINE void multiply_short(
    const bool OF_PANELS, const int R, int64_t ldx, const float *x, const float *w, int64_t stride, int64_t depth,
    const float *factors, float *c, int64_t ldc, int64_t width) {
    // Addresses of many rows, and distances that are no constants, take the registers that a block of columns needs.
    const int STEP = OF_PANELS && R <= 8 ? COLUMN_BLOCK : 1;
    const int64_t step = OF_PANELS ? depth : 1;
    int64_t j = 0;
    for (; j + SHORT_PANEL <= width; j += SHORT_PANEL)
        multiply_short_block(
            STEP, R, SHORT_VECTORS, ldx, x, w + j * step, OF_PANELS ? SHORT_PANEL : stride, depth, factors, c + j, ldc);
    for (; j < width; j += VL)
        multiply_short_block(
            STEP, R, 1, ldx, x, w + j * step, OF_PANELS ? VL : stride, depth, factors, c + j, ldc);
}

// Scores of a row to weights, and the lanes of their sum. The keys behind `count` repeat the last one.
INLINE vf weigh_short_row(float *scores, int64_t count, vf scale, vf base) {
    vf total = splat(0);
    int64_t j = 0;
    for (; j + VL <= count; j += VL) {
        const vf weight = exp_negative_v(load(scores + j) * scale - base);
        total += weight;
        store(scores + j, weight);
    }
    if (j == count) return total;
    const vf weight = exp_negative_v(load(scores + j) * scale - base);
    store(scores + j, weight);
    return total + select_v(lane_numbers() < (int32_t)(count - j), weight, splat(0));
}

// Scores of R rows to weights; `factors` receives what divides each row's by their sum.
INLINE void weigh_short_rows(const int R, float *scores, const short_head *head, float *factors) {
    const int64_t width = whole_vectors(head->count), stride = score_stride(head->count);
    const vf scale = splat(head->scale);
    for (int64_t m = 0; m < R; m += VL) {
        vf tops[VL], totals[VL];
        float bases[VL];
        for (int64_t r = 0; r < VL; r++) {
            tops[r] = splat(-INFINITY);
            totals[r] = splat(0);
            if (m + r >= R) continue;
            const float *row = scores + (m + r) * stride;
            for (int64_t j = 0; j < width; j += VL) tops[r] = max_v(load(row + j) * scale, tops[r]);
        }
        const vf top = max_each(tops);
        store(bases, select_v(top == -INFINITY, splat(0), top));
        for (int64_t r = 0; r < VL && m + r < R; r++)
            totals[r] = weigh_short_row(scores + (m + r) * stride, head->count, scale, splat(bases[r]));
        store(factors + m, 1.0f / sum_each(totals));
    }
}

// The results of R queries.
INLINE void attend_short_rows(
    const int R, const short_head *head, cpuk_rows query, cpuk_rows output, prefill_scratch *scratch) {
    float factors[MOST_SHORT_ROWS + VL];
    const int64_t stride = score_stride(head->count);
    multiply_short(
        true, R, query.stride, query.data, head->keys, 0, head->size, NULL, scratch->scores, stride,
        whole_vectors(head->count));
    weigh_short_rows(R, scratch->scores, head, factors);
    const int64_t width = whole_vectors(head->size);
    if (head->value_stride)
        multiply_short(
            false, R, stride, scratch->scores, head->values, head->value_stride, head->count, factors, output.data,
            output.stride, width);
    else
        multiply_short(
            true, R, stride, scratch->scores, head->values, 0, head->count, factors, output.data, output.stride,
            width);
}

static void attend_short(
    int64_t rows, const short_head *head, cpuk_rows query, cpuk_rows output, prefill_scratch *scratch) {
    switch (rows) {
    case 2: attend_short_rows(2, head, query, output, scratch); return;
    case 4: attend_short_rows(4, head, query, output, scratch); return;
    case 6: attend_short_rows(6, head, query, output, scratch); return;
    case 8:
        if (SHORT_ROWS > 6) attend_short_rows(8, head, query, output, scratch);
        return;
    default:
        if (SHORT_ROWS > 6) attend_short_rows(MOST_SHORT_ROWS, head, query, output, scratch);
    }
}

// Fewer rows than kernels take, or such that end in a part of a vector: by way of scratch memory. The additional rows
// repeat the last one and are not used.
static void attend_copied_rows(
    int64_t rows, int64_t all, const short_head *head, cpuk_rows query, cpuk_rows output, prefill_scratch *scratch) {
    const int64_t size = head->size, padded = whole_vectors(size);
    for (int64_t r = 0; r < all; r++)
        copy_query(query.data + (r < rows ? r : rows - 1) * query.stride, size, 1, scratch->query + r * QUERY_STRIDE);
    attend_short(
        all, head, (cpuk_rows){scratch->query, QUERY_STRIDE}, (cpuk_rows){scratch->output, padded}, scratch);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t d = 0; d < size; d += VL) {
            const vf value = load(scratch->output + r * padded + d);
            float *to = output.data + r * output.stride + d;
            if (size - d >= VL) store(to, value);
            else store_part(to, value, size - d);
        }
}

// `queries` queries of a head.
static void short_attention(
    const short_head *head, int64_t queries, cpuk_rows query, cpuk_rows output, prefill_scratch *scratch) {
    for (int64_t m = 0; m < queries; m += SHORT_ROWS) {
        const int64_t rows = queries - m < SHORT_ROWS ? queries - m : SHORT_ROWS;
        const int64_t all = rows > 8 ? SHORT_ROWS : (rows + 1) / 2 * 2;
        for (int64_t r = m + rows; r < m + rows + SHORT_ROWS && r < queries; r++)
            prefetch_row(query.data + r * query.stride, head->size);
        const cpuk_rows from = {query.data + m * query.stride, query.stride};
        const cpuk_rows to = {output.data + m * output.stride, output.stride};
        if (rows == all && head->size % VL == 0) attend_short(rows, head, from, to, scratch);
        else attend_copied_rows(rows, all, head, from, to, scratch);
    }
}
