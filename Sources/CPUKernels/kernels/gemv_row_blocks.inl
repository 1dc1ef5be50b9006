// int8 GEMV of weights packed in blocks of 16 rows (formats/row_blocks.h): a lane is a row, a quad of a token's
// integers is broadcast.
//
// A token, K columns rounded up to whole vectors of 64:
//
//     q0 q1 q2 …     K bytes: the integers, padded with zeros
//     s0 s1 …        K / 16 floats: the scale of each 16
//     c0 c1 …        K / 16 numbers of 32 bits: the correction of each 16 (activations_int8.inl); where 32 have one
//                    scale, every other one counts, which is that of 32
#pragma once
#include "activations_int8.inl"
#include "pack_row_blocks.inl"
#include "packed_panels.inl"

enum { MAX_BLOCK_TOKENS = 8 };

INLINE int64_t row_token_scales(int64_t columns) { return padded_columns(columns); }
INLINE int64_t row_token_corrections(int64_t columns) {
    return row_token_scales(columns) + padded_columns(columns) / X_GROUP * 4;
}
static int64_t row_token_bytes(int64_t columns) {
    return row_token_corrections(columns) + padded_columns(columns) / X_GROUP * 4;
}

static void quantise_row_token(cpuk_format format, const float *x, int64_t columns, void *token) {
    char *integers = token, *scales = integers + row_token_scales(columns);
    char *to = integers + row_token_corrections(columns);
    const bool is_signed = has_minimum((int)format), is_shared = has_shared_scales((int)format);
    for (int64_t k = 0; k < columns; k += QUANTS) {
        const vf scale = quantise((int)format, x + k, columns - k, integers + k);
        const vi quads = dot_quads(splat_i(0), splat_q(1), load_q(integers + k));
        float each[VL];
        int32_t sums[VL];
        store(each, scale);
        store_q(sums, (vq)quads);
        for (int g = 0; g < QUANTS / X_GROUP; g++) {
            const int64_t at = (k / X_GROUP + g) * 4;
            const int count = is_shared && g % 2 == 0 ? 8 : 4;
            int32_t sum = 0;
            for (int i = 0; i < count; i++) sum += sums[4 * g + i];
            const int32_t integer = -quant_offset((int)format) * sum;
            const float product = (float)sum * each[4 * g];
            memcpy(scales + at, &each[4 * g], 4);
            if (is_signed) memcpy(to + at, &product, 4);
            else memcpy(to + at, &integer, 4);
        }
    }
}

/// The tokens at one group of columns.
typedef struct {
    const char *integers, *scales, *corrections;
    int64_t stride;
} row_tokens;

INLINE vi splat_at(const char *p) {
    int32_t x;
    memcpy(&x, p, sizeof x);
    return splat_i(x);
}
INLINE vf splat_float_at(const char *p) { return (vf)splat_at(p); }

// The products of a half of a group with T tokens, by the instruction for quads.
INLINE void dot_half(
    const int format, const int T, const uint8_t *group, const int half, const row_tokens *x, vi *quads) {
    UNROLL for (int v = 0; v < GROUP_VECTORS; v++) {
        const vq quants = unpack_rows(format, group, half, v);
        UNROLL for (int t = 0; t < T; t++)
            quads[t] = dot_quads(
                quads[t], quants, (vq)splat_at(x->integers + t * x->stride + half * X_GROUP + v * QUAD));
    }
}

// The products of `halves` halves as products of pairs of bytes.
INLINE void dot_halves_by_pairs(
    const int format, const int T, const uint8_t *group, const int first, const int halves, const row_tokens *x,
    vi *quads) {
    const int together = pairs_in_16_bits(format);
    vpairs pairs[MAX_BLOCK_TOKENS];
    UNROLL for (int i = 0; i < halves * GROUP_VECTORS; i++) {
        const int half = first + i / GROUP_VECTORS, v = i % GROUP_VECTORS;
        const bool is_last = (i + 1) % together == 0 || i + 1 == halves * GROUP_VECTORS;
        const vq quants = unpack_rows(format, group, half, v);
        const vq factors = has_8_bit_quants(format) ? magnitudes(quants) : quants;
        UNROLL for (int t = 0; t < T; t++) {
            const vq integers = (vq)splat_at(x->integers + t * x->stride + half * X_GROUP + v * QUAD);
            const vpairs products =
                multiply_bytes(factors, has_8_bit_quants(format) ? with_signs(integers, quants) : integers);
            pairs[t] = i % together == 0 ? products : pairs[t] + products;
            if (is_last) quads[t] += add_pairs(pairs[t]);
        }
    }
}

// Adds the products of a group of 32 columns to the sums of T tokens.
INLINE void dot_rows(
    const int format, const int T, const uint8_t *group, const row_scales *w, const row_tokens *x, vf *sums) {
    const int halves = has_shared_scales(format) ? 2 : 1;
    UNROLL for (int first = 0; first < 2; first += halves) {
        vi quads[MAX_BLOCK_TOKENS];
        UNROLL for (int t = 0; t < T; t++)
            quads[t] = quant_offset(format) == 0 ? splat_i(0) : splat_at(x->corrections + t * x->stride + first * 4);
        if (!HAS_DOT_QUADS) dot_halves_by_pairs(format, T, group, first, halves, x, quads);
        else UNROLL for (int half = first; half < first + halves; half++) dot_half(format, T, group, half, x, quads);
        UNROLL for (int t = 0; t < T; t++) {
            const vf scale = splat_float_at(x->scales + t * x->stride + first * 4);
            sums[t] = fma_v(__builtin_convertvector(quads[t], vf), scale * w->scales[first], sums[t]);
        }
    }
    if (!has_minimum(format)) return;
    UNROLL for (int half = 0; half < 2; half += halves)
        UNROLL for (int t = 0; t < T; t++)
            sums[t] = fma_v(w->minima[half], splat_float_at(x->corrections + t * x->stride + half * 4), sums[t]);
}

INLINE void dot_row_block(
    const int format, const int T, const uint8_t *block, int64_t columns, const packed_a *a, prefetcher *ahead,
    vf *sums) {
    const int groups = has_factors(format) ? 256 / GROUP_COLUMNS : 1;
    const uint8_t *quants = block, *scales = block + row_block_scales(format, columns);
    const uint8_t *factors = block + row_block_factors(format, columns);
    row_tokens x = {
        .integers = a->data, .scales = a->data + row_token_scales(columns),
        .corrections = a->data + row_token_corrections(columns), .stride = a->stride};
    UNROLL for (int t = 0; t < T; t++) sums[t] = splat(0);
    for (int64_t k = 0; k < columns; k += groups * GROUP_COLUMNS) {
        const row_factors w_factors = factors_of_rows(format, factors);
        factors += factor_bytes(format);
        for (int g = 0; g < groups; g++) {
            prefetch_step(ahead);
            const row_scales w = scales_of_rows(format, scales, w_factors);
            dot_rows(format, T, quants, &w, &x, sums);
            quants += group_quant_bytes(format);
            scales += group_scale_bytes(format);
            x.integers += GROUP_COLUMNS;
            x.scales += 8;
            x.corrections += 8;
        }
    }
}

INLINE void gemv_row_blocks_of(
    const int format, const int T, const char *blocks, int64_t count, const packed_a *x, float *y, int64_t ldy) {
    const int64_t bytes = row_block_bytes(format, x->columns);
    for (int64_t r = 0; r < count; r += BLOCK_ROWS, blocks += bytes) {
        // The next block is prefetched into the second-level cache (measured: a shorter distance, or the first-level
        // cache, is slower).
        const read_ahead next = {.from = blocks + bytes, .bytes = bytes};
        prefetcher ahead = prefetch_in(next, x->columns / GROUP_COLUMNS);
        vf sums[MAX_BLOCK_TOKENS];
        dot_row_block(format, T, (const uint8_t *)blocks, x->columns, x, &ahead, sums);
        UNROLL for (int t = 0; t < T; t++) {
            if (count - r >= VL) store(y + t * ldy + r, sums[t]);
            else store_part(y + t * ldy + r, sums[t], count - r);
        }
    }
}

#define GEMV_CASE(ID)                                                                                                 \
    case CPUK_##ID:                                                                                                   \
        if (tokens == 8) gemv_row_blocks_of(CPUK_##ID, 8, blocks, count, x, y, ldy);                                  \
        else if (tokens == 4) gemv_row_blocks_of(CPUK_##ID, 4, blocks, count, x, y, ldy);                             \
        else if (tokens == 2) gemv_row_blocks_of(CPUK_##ID, 2, blocks, count, x, y, ldy);                             \
        else gemv_row_blocks_of(CPUK_##ID, 1, blocks, count, x, y, ldy);                                              \
        return;
static void gemv_row_blocks_once(
    cpuk_format format, const char *blocks, int64_t count, const packed_a *x, int64_t tokens, float *y, int64_t ldy) {
    switch (format) {
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(GEMV_CASE)
    default: return;
    }
}
#undef GEMV_CASE

static void multiply_row_blocks(
    cpuk_format format, const void *blocks, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
    int64_t tokens, float *y, int64_t ldy) {
    (void)row_bytes;
    (void)scales;
    for (int64_t t = 0, step; t < tokens; t += step) {
        step = tokens - t >= 8 ? 8 : tokens - t >= 4 ? 4 : tokens - t >= 2 ? 2 : 1;
        const packed_a part = {.data = x->data + t * x->stride, .stride = x->stride, .columns = x->columns};
        gemv_row_blocks_once(format, blocks, count, &part, step, y + t * ldy, ldy);
    }
}

static bool supports_gemv_row_blocks(cpuk_format format, int64_t tokens) {
    return has_row_blocks((int)format) && tokens <= MAX_GEMV_TOKENS;
}

static const gemv_kernel gemv_of_row_blocks = {
    .tokens = MAX_GEMV_TOKENS, .packed_a_bytes = row_token_bytes, .pack_a = quantise_row_token,
    .multiply = multiply_row_blocks,
};
