// Attention of texts that fit one tile of keys, all of which every query sees: no running maxima, and results go from
// registers to the output. Sums are those of varlen attention, in the same order. More rows at once than a tile of
// many keys takes, since there are fewer vectors of keys beside one another.
#pragma once
#include "attention_products.inl"

enum {
    SHORT_VECTORS = 2,
    MOST_SHORT_ROWS = 12,
    SHORT_ROWS = VECTOR_REGISTERS >= 32 ? MOST_SHORT_ROWS : 6,
};

/// What all queries of a head see: packed keys, and values in whole vectors.
typedef struct {
    const float *keys, *values;
    int64_t value_stride, count, size;
} short_head;

// c[i * ldc + j] = sum_k x[i * ldx + k] * w[k * ldw + j], i < R, j < NV * VL, times factors[i] where there are any.
INLINE void multiply_short_block(
    const int R, const int NV, const int64_t ldx, const float *x, const float *w, int64_t ldw, int64_t depth,
    const float *factors, float *c, int64_t ldc) {
    vf sums[MOST_SHORT_ROWS][SHORT_VECTORS];
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = splat(0);
    for (int64_t k = 0; k < depth; k++) {
        vf columns[SHORT_VECTORS];
        UNROLL for (int v = 0; v < NV; v++) columns[v] = load(w + k * ldw + v * VL);
        UNROLL for (int i = 0; i < R; i++) {
            const vf row = splat(x[i * ldx + k]);
            UNROLL for (int v = 0; v < NV; v++) sums[i][v] = fma_v(row, columns[v], sums[i][v]);
        }
    }
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int v = 0; v < NV; v++)
            store(c + i * ldc + v * VL, factors ? sums[i][v] * factors[i] : sums[i][v]);
}

// `width` columns, whole vectors.
INLINE void multiply_short(
    const int R, const int64_t ldx, const float *x, const float *w, int64_t ldw, int64_t depth, const float *factors,
    float *c, int64_t ldc, int64_t width) {
    int64_t j = 0;
    for (; j + SHORT_VECTORS * VL <= width; j += SHORT_VECTORS * VL)
        multiply_short_block(R, SHORT_VECTORS, ldx, x, w + j, ldw, depth, factors, c + j, ldc);
    for (; j < width; j += VL) multiply_short_block(R, 1, ldx, x, w + j, ldw, depth, factors, c + j, ldc);
}

// Scores of a row to weights, and the lanes of their sum. The keys behind `count` repeat the last one.
INLINE vf weigh_short_row(float *scores, int64_t count, vf base) {
    vf total = splat(0);
    int64_t j = 0;
    for (; j + VL <= count; j += VL) {
        const vf weight = exp_negative_v(load(scores + j) - base);
        total += weight;
        store(scores + j, weight);
    }
    if (j == count) return total;
    const vf weight = exp_negative_v(load(scores + j) - base);
    store(scores + j, weight);
    return total + select_v(lane_numbers() < (int32_t)(count - j), weight, splat(0));
}

// Scores of R rows to weights; `factors` receives what divides each row's by their sum.
INLINE void weigh_short_rows(const int R, float *scores, int64_t count, int64_t width, float *factors) {
    for (int64_t m = 0; m < R; m += VL) {
        vf tops[VL], totals[VL];
        float bases[VL];
        for (int64_t r = 0; r < VL; r++) {
            tops[r] = splat(-INFINITY);
            totals[r] = splat(0);
            if (m + r >= R) continue;
            const float *row = scores + (m + r) * ATTENTION_KEY_TILE;
            for (int64_t j = 0; j < width; j += VL) tops[r] = max_v(load(row + j), tops[r]);
        }
        const vf top = max_each(tops);
        store(bases, select_v(top == -INFINITY, splat(0), top));
        for (int64_t r = 0; r < VL && m + r < R; r++)
            totals[r] = weigh_short_row(scores + (m + r) * ATTENTION_KEY_TILE, count, splat(bases[r]));
        store(factors + m, 1.0f / sum_each(totals));
    }
}

// The results of the R queries in scratch memory, to its output.
INLINE void attend_short_rows(const int R, const short_head *head, prefill_scratch *scratch) {
    float factors[MOST_SHORT_ROWS + VL];
    const int64_t width = (head->count + VL - 1) / VL * VL, padded = padded_head(head->size);
    multiply_short(
        R, QUERY_STRIDE, scratch->query, head->keys, ATTENTION_KEY_TILE, head->size, NULL, scratch->scores,
        ATTENTION_KEY_TILE, width);
    weigh_short_rows(R, scratch->scores, head->count, width, factors);
    multiply_short(
        R, ATTENTION_KEY_TILE, scratch->scores, head->values, head->value_stride, head->count, factors,
        scratch->output, padded, padded);
}

static void attend_short(int64_t rows, const short_head *head, prefill_scratch *scratch) {
    switch (rows) {
    case 2: attend_short_rows(2, head, scratch); return;
    case 4: attend_short_rows(4, head, scratch); return;
    case 6: attend_short_rows(6, head, scratch); return;
    case 8:
        if (SHORT_ROWS > 6) attend_short_rows(8, head, scratch);
        return;
    default:
        if (SHORT_ROWS > 6) attend_short_rows(MOST_SHORT_ROWS, head, scratch);
    }
}

// Queries `token..<token + queries` of the head whose elements begin at `column`.
static void short_attention(
    const cpuk_varlen_attention_args *args, int64_t token, int64_t queries, int64_t column, const short_head *head,
    prefill_scratch *scratch) {
    const int64_t padded = padded_head(head->size);
    for (int64_t m = 0; m < queries; m += SHORT_ROWS) {
        const int64_t rows = queries - m < SHORT_ROWS ? queries - m : SHORT_ROWS;
        // The additional rows repeat the last one and are not used.
        const int64_t all = rows > 8 ? SHORT_ROWS : (rows + 1) / 2 * 2;
        for (int64_t r = 0; r < all; r++) {
            const int64_t row = token + m + (r < rows ? r : rows - 1);
            copy_query(
                args->query.data + row * args->query.stride + column, head->size, args->scale,
                scratch->query + r * QUERY_STRIDE);
        }
        attend_short(all, head, scratch);
        for (int64_t r = 0; r < rows; r++) {
            float *output = args->output.data + (token + m + r) * args->output.stride + column;
            for (int64_t d = 0; d < head->size; d += VL) {
                const vf value = load(scratch->output + r * padded + d);
                if (head->size - d >= VL) store(output + d, value);
                else store_part(output + d, value, head->size - d);
            }
        }
    }
}
