// int8 GEMM of weights that are packed once with activations that have one scale a token. Integers are summed over all
// columns in registers, become floats once, and go through the epilogue from there. Tiles are MR tokens x 64 outputs.
//
//     a token       u0 u1 u2 …                               K bytes, padded to whole vectors of 64
//                   scale, zero                              a float, an integer; 64 bytes: x = scale * (u - zero)
//     16 outputs    n0: k0 k1 k2 k3 | n1: … | n15: …         weights, for each four columns, padded with zeros
//                   s0 s1 … s15                              16 floats: the scale of each output
//                   t0 t1 … t15                              16 integers: the sum of each output's weights
//
// A token's smallest number is 0 and its largest 255: what an activation such as GELU leaves is hardly ever negative.
#pragma once
#include "activations_int8.inl"
#include "convolution_epilogue.inl"
#include "micro_kernel_int8.inl"

enum {
    /// MR, and NR in vectors. 24 sums, four vectors of weights and one of a token fill the registers but for three.
    TOKEN_TILE = CONVOLUTION_MR,
    TOKEN_TILE_VECTORS = CONVOLUTION_VECTORS,
    /// Sums of more products of 255 and 127 could overflow.
    MOST_TOKEN_COLUMNS = 65536,
};
_Static_assert(PACKED_ROWS == VL, "a vector of outputs is a packed block");

/// What a token's row ends with.
typedef struct {
    float scale;
    int32_t zero;
} token_scale;

static int64_t token_row_bytes(int64_t columns) { return padded_columns(columns) + LINE; }

// What a token's numbers are between. Zero stays zero, so it is among them. `low` is the smallest one's magnitude;
// `poison` is NaN where one of them is infinite or NaN.
typedef struct {
    vf low, high, poison;
} token_range;

INLINE void widen_range(token_range *range, vf x) {
    range->low = max_v(-x, range->low);
    range->high = max_v(x, range->high);
    range->poison = fma_v(x, splat(0), range->poison);
}

static token_range find_range(const float *x, int64_t columns) {
    token_range parts[2] = {{splat(0), splat(0), splat(0)}, {splat(0), splat(0), splat(0)}};
    int64_t k = 0;
    for (; k + 4 * VL <= columns; k += 4 * VL)
        UNROLL for (int i = 0; i < 4; i++) widen_range(&parts[i % 2], load(x + k + i * VL));
    for (; k < columns; k += VL)
        widen_range(&parts[0], columns - k >= VL ? load(x + k) : load_part(x + k, columns - k));
    return (token_range){
        max_v(parts[0].low, parts[1].low), max_v(parts[0].high, parts[1].high), parts[0].poison + parts[1].poison};
}

INLINE void put_integers(vf x, vf inverse, vi zero, char *integers) {
    *(q16_unaligned *)integers = narrow_unsigned(round_v(x * inverse) + zero);
}

static void quantise_row(const float *x, int64_t columns, void *row) {
    const token_range all = find_range(x, columns);
    const float low = -max_lanes(all.low), range = max_lanes(all.high) - low, inverse = range > 0 ? 255.0f / range : 0;
    const vf factor = splat(inverse);
    const vi zero = round_v(splat(-low * inverse));
    char *integers = row;
    int64_t k = 0;
    for (; k + QUANTS <= columns; k += QUANTS)
        UNROLL for (int i = 0; i < QUANTS; i += VL) put_integers(load(x + k + i), factor, zero, integers + k + i);
    for (; k < padded_columns(columns); k += VL) {
        const int64_t rest = columns - k;
        put_integers(
            rest >= VL ? load(x + k) : rest > 0 ? load_part(x + k, rest) : splat(0), factor, zero, integers + k);
    }
    const token_scale end = {.scale = range / 255.0f + sum_lanes(all.poison), .zero = zero[0]};
    memcpy(integers + padded_columns(columns), &end, sizeof end);
}

// ---- Weights

// Where the scales of a block begin.
INLINE int64_t token_block_end(int64_t columns) { return (columns + QUAD - 1) / QUAD * LINE; }

static int64_t token_block_bytes(cpuk_format format, int64_t columns) {
    return format == CPUK_I8 && columns <= MOST_TOKEN_COLUMNS ? token_block_end(columns) + 2 * LINE : 0;
}

static void pack_token_block(
    cpuk_format format, const char *const rows[PACKED_ROWS], const float *scales, int64_t count, int64_t columns,
    void *block) {
    (void)format;
    float *const block_scales = (float *)(void *)((char *)block + token_block_end(columns));
    int32_t *const sums = (int32_t *)(void *)(block_scales + PACKED_ROWS);
    memset(block, 0, (size_t)token_block_bytes(CPUK_I8, columns));
    for (int64_t n = 0; n < count; n++) {
        const int8_t *row = (const int8_t *)rows[n];
        block_scales[n] = scales[n];
        for (int64_t k = 0; k < columns; k++) {
            ((int8_t *)block)[k / QUAD * LINE + n * QUAD + k % QUAD] = row[k];
            sums[n] += row[k];
        }
    }
}

static const weight_packing token_blocks = {.block_bytes = token_block_bytes, .pack_block = pack_token_block};

// ---- Products

// The products of T tokens with V blocks, which are `block_bytes` apart.
INLINE void multiply_token_blocks(
    const int T, const int V, const token_tile *tile, const char *blocks,
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS]) {
    const int64_t quads = (tile->columns + QUAD - 1) / QUAD;
    const char *x[TOKEN_TILE], *block_end = blocks + quads * LINE;
    vri integers[TOKEN_TILE][TOKEN_TILE_VECTORS];
    token_scale ends[TOKEN_TILE];
    UNROLL for (int t = 0; t < T; t++) {
        x[t] = tile->rows + t * tile->row_bytes;
        memcpy(&ends[t], x[t] + padded_columns(tile->columns), sizeof ends[t]);
        UNROLL for (int v = 0; v < V; v++)
            integers[t][v] = (vri)load_r(block_end + v * tile->block_bytes + LINE) * -ends[t].zero;
    }
    for (int64_t quad = 0; quad < quads; quad++) {
        vri w[TOKEN_TILE_VECTORS];
        UNROLL for (int v = 0; v < V; v++) w[v] = (vri)load_r(blocks + v * tile->block_bytes + quad * LINE);
        UNROLL for (int t = 0; t < T; t++) {
            const vri token = splat_ri(int_at(x[t] + quad * QUAD));
            UNROLL for (int v = 0; v < V; v++) integers[t][v] = dot_r(integers[t][v], token, w[v]);
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < V; v++)
            sums[t][v] = __builtin_convertvector((vi)integers[t][v], vf)
                * (ends[t].scale * (vf)load_r(block_end + v * tile->block_bytes));
}

// The rows of a gated tile, whose products wait in the first-level cache.
static void finish_gated_rows(const convolution_tile *tile, const float *y, const float *up) {
    const product_target *target = &tile->target;
    for (int64_t t = 0; t < tile->rows; t++)
        apply_epilogue(
            tile->epilogue, tile->first_output, tile->outputs, y + t * CONVOLUTION_NR, up + t * CONVOLUTION_NR,
            target->residual ? target->residual + t * target->residual_stride : NULL,
            target->data + t * target->stride);
}

// V vectors of outputs from the `first`th on, of T tokens from `token` on.
INLINE void multiply_token_tile(
    const int T, const int V, const token_tile *all, const product_target *target, int64_t token, int64_t first) {
    const int64_t n = first * VL, offset = first * all->block_bytes;
    token_tile tile = *all;
    tile.rows += token * all->row_bytes;
    const convolution_tile finished = {
        .rows = T, .outputs = all->outputs - n < V * VL ? all->outputs - n : V * VL, .epilogue = all->epilogue,
        .first_output = all->first_output + n,
        .target = {
            .data = target->data + token * target->stride + n, .stride = target->stride,
            .residual = target->residual ? target->residual + token * target->residual_stride + n : NULL,
            .residual_stride = target->residual_stride}};
    vf sums[CONVOLUTION_MR][CONVOLUTION_VECTORS];
    prefetch_target(T, V, &finished.target);
    float y[CONVOLUTION_MR * CONVOLUTION_NR], up[CONVOLUTION_MR * CONVOLUTION_NR];
#pragma clang loop unroll(disable)
    for (int part = all->gates ? 0 : 1; part < 2; part++) {
        multiply_token_blocks(T, V, &tile, (part == 0 ? all->gates : all->blocks) + offset, sums);
        if (part == 0) store_sums(T, V, sums, up);
    }
    if (all->gates) {
        store_sums(T, V, sums, y);
        finish_gated_rows(&finished, y, up);
    } else {
        finish_tile(T, V, &finished, sums);
    }
}

INLINE void multiply_tokens_of(const int T, const token_tile *tile, const product_target *target, int64_t token) {
    const int64_t vectors = (tile->outputs + VL - 1) / VL;
    if (vectors == TOKEN_TILE_VECTORS) {
        multiply_token_tile(T, TOKEN_TILE_VECTORS, tile, target, token, 0);
        return;
    }
    for (int64_t first = 0; first < vectors; first++) multiply_token_tile(T, 1, tile, target, token, first);
}

static void multiply_tokens(const token_tile *all) {
    // A copy that no store can change: what is loaded again would wait for the stores of the tile before.
    const token_tile tile = *all;
    const product_target target = all->target;
    int64_t t = 0;
    for (; t + TOKEN_TILE <= tile.tokens; t += TOKEN_TILE) multiply_tokens_of(TOKEN_TILE, &tile, &target, t);
    switch (tile.tokens - t) {
    case 1: multiply_tokens_of(1, &tile, &target, t); return;
    case 2: multiply_tokens_of(2, &tile, &target, t); return;
    case 3: multiply_tokens_of(3, &tile, &target, t); return;
    case 4: multiply_tokens_of(4, &tile, &target, t); return;
    case 5: multiply_tokens_of(5, &tile, &target, t); return;
    default: return;
    }
}

static bool supports_token_blocks(cpuk_format format, int64_t tokens) { return format == CPUK_I8 && tokens > 0; }

static const token_kernel by_token = {
    .tile_tokens = TOKEN_TILE, .panel_outputs = CONVOLUTION_NR, .row_bytes = token_row_bytes,
    .quantise_row = quantise_row, .multiply = multiply_tokens,
};
