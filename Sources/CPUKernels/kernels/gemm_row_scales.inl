// int8 GEMM for weights with one scale a row (CPUK_I8): with nothing to scale inside of a row, products of 128 columns
// are added as integers, and activations have one scale for as many.
//
// A panel of A: 16 tokens. For each group of 128 columns (SCALED_COLUMNS):
//
//     t0: k0 k1 k2 k3 | t1: k0 k1 k2 k3 | … | t15: k0 k1 k2 k3       64 bytes: integers plus 128, a quad of each token
//     … k4 to k7, …                                                  31 more such vectors
//     s0 s1 … s15                                                    16 floats: each token's scale of the group
//
// A panel of B: for each group, tiles of 8 rows, and behind the last group the sums of each group's quants, 64 numbers
// of 32 bits each, which take off what the 128 adds:
//
//     r0: k0 k1 k2 k3 | r1: k0 k1 k2 k3 | … | r7: k0 k1 k2 k3        32 bytes: a quad of each row
//     … k4 to k7, …                                                  31 more
#pragma once
#include "gemm_int8.inl"

enum {
    SCALED_COLUMNS = 128,
    SCALED_QUADS = SCALED_COLUMNS / QUAD,
    /// Bytes of a group of a panel of A.
    SCALED_GROUP_BYTES = SCALED_QUADS * LINE + LINE,
    SCALED_KC = 2048,
    /// Rows, and panels of A, of a tile: 24 sums.
    SCALED_ROWS = 8,
    SCALED_PANELS = 3,
    SCALED_TILE_BYTES = SCALED_QUADS * SCALED_ROWS * QUAD,
    /// Bytes of a group of a panel of B.
    SCALED_B_BYTES = NC / SCALED_ROWS * SCALED_TILE_BYTES,
    SCALED_GROUPS = SCALED_KC / SCALED_COLUMNS,
    ACTIVATION_OFFSET = 128,
};
_Static_assert(NC % SCALED_ROWS == 0 && TRANSPOSED_ROWS % SCALED_ROWS == 0, "whole tiles");

INLINE int64_t scaled_groups(int64_t columns) { return (columns + SCALED_COLUMNS - 1) / SCALED_COLUMNS; }

static int64_t packed_a_bytes_of_row_scales(int64_t columns) { return scaled_groups(columns) * SCALED_GROUP_BYTES; }

// Quantises up to SCALED_COLUMNS columns of the tokens.
static void pack_scaled_group(const float *x, int64_t ldx, int64_t tokens, int64_t columns, char *group) {
    vf square[SCALED_COLUMNS];
    vu top = splat_u(0);
    for (int k = 0; k < SCALED_COLUMNS; k += VL) {
        const int64_t rest = columns - k;
        for (int t = 0; t < VL; t++) {
            if (t >= tokens || rest <= 0) square[k + t] = splat(0);
            else square[k + t] = rest >= VL ? load(x + t * ldx + k) : load_part(x + t * ldx + k, rest);
        }
        transpose(square + k);
        // The bits are compared, so that a NaN counts as the largest and stays.
        for (int i = 0; i < VL; i++) top = __builtin_elementwise_max(top, (vu)abs_v(square[k + i]));
    }
    const vf largest = (vf)top, inverse = select_v(largest > 0.0f, 127.0f / largest, splat(0));
    for (int k = 0; k < SCALED_COLUMNS; k += QUAD) {
        vi integers[QUAD];
        UNROLL for (int i = 0; i < QUAD; i++) integers[i] = round_v(square[k + i] * inverse) + ACTIVATION_OFFSET;
        store_q(group + k / QUAD * LINE, (vq)join_bytes(integers[0], integers[1], integers[2], integers[3]));
    }
    store((float *)(group + SCALED_QUADS * LINE), largest / 127.0f);
}

static void pack_a_of_row_scales(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *panel) {
    (void)format;
    for (int64_t k = begin; k < end; k += SCALED_COLUMNS)
        pack_scaled_group(
            x + k, ldx, tokens, columns - k, (char *)panel + k / SCALED_COLUMNS * SCALED_GROUP_BYTES);
}

// Packs 16 rows, two tiles, of up to SCALED_COLUMNS columns, and returns each row's correction.
INLINE vi pack_scaled_rows(const char *const rows[VL], int64_t columns, char *tile) {
    vi sums = splat_i(0);
    for (int k = 0; k < SCALED_COLUMNS; k += QUANTS) {
        const int64_t rest = columns - k;
        vf square[VL];
        for (int r = 0; r < VL; r++) {
            if (rest <= 0) square[r] = splat(0);
            else square[r] = (vf)(rest >= QUANTS ? load_q(rows[r] + k) : load_part_q(rows[r] + k, rest));
        }
        transpose(square);
        for (int q = 0; q < VL; q++) {
            const vq quads = (vq)square[q];
            sums = dot_quads(sums, splat_q(1), quads);
            char *to = tile + (k / QUAD + q) * SCALED_ROWS * QUAD;
            *(q32_unaligned *)to = low_half(quads);
            *(q32_unaligned *)(to + SCALED_TILE_BYTES) = high_half(quads);
        }
    }
    return sums * -ACTIVATION_OFFSET;
}

static void pack_b_of_row_scales(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    int32_t *sums = (int32_t *)((char *)packed + scaled_groups(depth) * SCALED_B_BYTES);
    for (int64_t r = 0; r < rounded_rows(rows); r += VL) {
        for (int64_t k = 0; k < depth; k += SCALED_COLUMNS) {
            const char *from[VL];
            for (int i = 0; i < VL; i++) from[i] = row_of(rows, r + i) + begin + k;
            char *group = (char *)packed + k / SCALED_COLUMNS * SCALED_B_BYTES;
            const vi corrections = pack_scaled_rows(from, depth - k, group + r / SCALED_ROWS * SCALED_TILE_BYTES);
            store_q(sums + k / SCALED_COLUMNS * NC + r, (vq)corrections);
        }
    }
}

/// A tile of rows and `P` panels of A.
typedef struct {
    const char *quants;
    const int32_t *sums;
    const float *scales;
    const char *panels;
    int64_t stride, groups;
    bool accumulate;
    float *products;
} scaled_tile;

INLINE void multiply_scaled(const int P, const scaled_tile *tile) {
    for (int64_t g = 0; g < tile->groups; g++) {
        const char *quants = tile->quants + g * SCALED_B_BYTES, *tokens = tile->panels + g * SCALED_GROUP_BYTES;
        vri quads[SCALED_ROWS][SCALED_PANELS];
        UNROLL for (int r = 0; r < SCALED_ROWS; r++)
            UNROLL for (int p = 0; p < P; p++) quads[r][p] = splat_ri(tile->sums[g * NC + r]);
        for (int q = 0; q < SCALED_QUADS; q++) {
            vri integers[SCALED_PANELS];
            UNROLL for (int p = 0; p < P; p++) integers[p] = (vri)load_r(tokens + p * tile->stride + q * LINE);
            UNROLL for (int r = 0; r < SCALED_ROWS; r++) {
                const vri quad = splat_ri(int_at(quants + (q * SCALED_ROWS + r) * QUAD));
                UNROLL for (int p = 0; p < P; p++) quads[r][p] = dot_r(quads[r][p], integers[p], quad);
            }
        }
        vr scales[SCALED_PANELS];
        UNROLL for (int p = 0; p < P; p++) scales[p] = load_r(tokens + p * tile->stride + SCALED_QUADS * LINE);
        const bool adds = tile->accumulate || g > 0;
        UNROLL for (int r = 0; r < SCALED_ROWS; r++)
            UNROLL for (int p = 0; p < P; p++) {
                float *to = tile->products + p * PRODUCTS_STRIDE + r * VL;
                const vr products = __builtin_convertvector(quads[r][p], vr), scale = scales[p] * tile->scales[r];
                store_r(to, fma_r(products, scale, adds ? load_r(to) : splat_r(0)));
            }
    }
}

static void multiply_of_row_scales(
    const weight_rows *rows, const void *packed, const packed_a *panels, int64_t count, int64_t begin, int64_t depth,
    read_ahead ahead, float *products) {
    (void)ahead;  // Packing reads rows from end to end, as processors foresee.
    const int32_t *sums = (const int32_t *)((const char *)packed + scaled_groups(depth) * SCALED_B_BYTES);
    float scales[NC];
    for (int64_t r = 0; r < rounded_rows(rows); r++) scales[r] = rows->scales[r < rows->count ? r : rows->count - 1];
    for (int64_t p = 0; p < count; p += SCALED_PANELS) {
        for (int64_t r = 0; r < rounded_rows(rows); r += SCALED_ROWS) {
            const scaled_tile tile = {
                .quants = (const char *)packed + r / SCALED_ROWS * SCALED_TILE_BYTES, .sums = sums + r,
                .scales = scales + r, .stride = panels->stride, .groups = scaled_groups(depth),
                .panels = panels->data + p * panels->stride + begin / SCALED_COLUMNS * SCALED_GROUP_BYTES,
                .accumulate = begin > 0, .products = products + p * PRODUCTS_STRIDE + r * VL};
            switch (count - p) {
            case 1: multiply_scaled(1, &tile); break;
            case 2: multiply_scaled(2, &tile); break;
            default: multiply_scaled(SCALED_PANELS, &tile); break;
            }
        }
    }
}

// With one panel of A packing B is most of the work, which the other kernel does faster (measured).
static bool supports_row_scales(cpuk_format format, int64_t tokens) { return format == CPUK_I8 && tokens > MR; }

static bool supports_gemm_of_blocks(cpuk_format format, int64_t tokens) {
    return !supports_row_scales(format, tokens) && supports_gemm(format, tokens);
}

static const gemm_kernel gemm_of_row_scales = {
    .panel_tokens = MR, .kc = SCALED_KC,
    .packed_b_bytes = SCALED_GROUPS * (SCALED_B_BYTES + NC * (int64_t)sizeof(int32_t)), .packing_tokens = MR / 4,
    .few_panels = 3, .packed_a_bytes = packed_a_bytes_of_row_scales, .pack_a = pack_a_of_row_scales,
    .pack_b = pack_b_of_row_scales, .multiply = multiply_of_row_scales, .transpose = transpose_products,
};
