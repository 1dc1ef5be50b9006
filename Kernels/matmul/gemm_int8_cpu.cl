// Tokens of a tile, whose numbers lie side by side: word w of token t of QUANTISED_WORDS (activations_int8_cpu.cl) is
// word w * TILE_TOKENS + t, so that a tile reads one stream.
#define TILE_TOKENS 4u
#define EACH_TOKEN(T) _Pragma("unroll") for (uint T = 0; T < TILE_TOKENS; ++T)

// Stores four words of each token of a tile, `words`[t], from word `at` on.
static inline void store_words(uint4 *words, __global uint *tile, const uint at)
{
    const uint4 a = words[0], b = words[1], c = words[2], d = words[3];
    const uint16 rows = (uint16)(a.x, b.x, c.x, d.x, a.y, b.y, c.y, d.y, a.z, b.z, c.z, d.z, a.w, b.w, c.w, d.w);
    vstore16(rows, 0, tile + at * TILE_TOKENS);
}

// quantise_int8_<format>, quantise_int8_experts_<format>: activations for gemm_int8, TILE_TOKENS tokens a work-item, of
// experts in the order of their groups; those past the last one repeat it.
// Geometry: global [ceil(T / TILE_TOKENS)], local [1].
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void PRODUCT_NAME(quantise_int8)(
    __global const float *x, const ulong x_offset, const uint x_stride, __global uint *quantised,
    const ulong quantised_offset, const uint inputs, const uint tokens EXPERT_PARAMETERS)
{
    __global uint *tile = quantised + quantised_offset + (ulong)get_global_id(0) * TILE_TOKENS * QUANTISED_WORDS;
    for (uint k = 0; k < inputs; k += QUANTS) {
        uint16 quants[TILE_TOKENS];
        uint4 scales[TILE_TOKENS], corrections[TILE_TOKENS], part[TILE_TOKENS];
        EACH_TOKEN(t) {
            const uint row = GEMM_INPUT_ROW((uint)get_global_id(0) * TILE_TOKENS + t);
            float4 four;
            quants[t] = quantise_int8(x + x_offset + (ulong)row * x_stride + k, inputs - k, &four, &corrections[t]);
            scales[t] = as_uint4(four);
        }
        EACH_TOKEN(t) part[t] = quants[t].s0123;
        store_words(part, tile, k / 4);
        EACH_TOKEN(t) part[t] = quants[t].s4567;
        store_words(part, tile, k / 4 + 4);
        EACH_TOKEN(t) part[t] = quants[t].s89ab;
        store_words(part, tile, k / 4 + 8);
        EACH_TOKEN(t) part[t] = quants[t].scdef;
        store_words(part, tile, k / 4 + 12);
        store_words(scales, tile, QUANTISED_SCALES + k / 16);
        store_words(corrections, tile, QUANTISED_CORRECTIONS + k / 16);
    }
}

// gemm_int8_<format>, gemm_int8_experts_<format> (experts/expert_weights.cl): many tokens. A work-item unpacks
// PANEL_COLUMNS weight rows by PANEL_INPUTS features, which lie in blocks of 16 rows (row_blocks_cpu.cl), as bytes into
// local memory, which stays in its core's caches, and runs its tokens over it, a tile of tokens x 32 rows at a time. A
// sub-panel is 32 rows, or gated 16 gate rows and their 16 value rows: quants [k / 4][32] words, scales
// [k / QUANT_GROUP][32] and as many minima. `x` holds the output of quantise_int8.
//
// Weights in blocks or int8 times activations rounded to int8 (activations_int8_cpu.cl, quads_cpu.cl). The products of
// the elements of a scale are exact integers; scales are applied to their sums in FP32. One work-item a
// work-group. Arguments up to `flags` as in matmul_common.cl, but that the weight's blocks, all of them, are `weight0`.
//
// Work-item (i, j) computes sub-panels i * item_subpanels ..< (i + 1) * item_subpanels of tokens j * item_tokens ..<
// (j + 1) * item_tokens (a multiple of TILE_TOKENS); of experts j is the expert, and it takes all of that one's tokens,
// item_tokens at a time. Where gated, and of experts, P is a multiple of 16. Geometry: global [ceil(sub-panels /
// item_subpanels), ceil(T / item_tokens)], of experts [the same, E], local [1, 1]. Local memory: `panel` PANEL_COLUMNS
// * PANEL_INPUTS * 3 / 2 bytes; `partial` (item_tokens, of experts 8 more) * PANEL_COLUMNS * 4 bytes where K >
// PANEL_INPUTS, else 4 bytes.
// Build macros: PANEL_COLUMNS (a multiple of 32), PANEL_INPUTS (a multiple of 256).
#define PANEL_SCALES (PANEL_INPUTS / 4 * 32)
#define PANEL_MINIMA (PANEL_SCALES + PANEL_INPUTS / QUANT_GROUP * 32)
#define SUBPANEL_WORDS (PANEL_SCALES + PANEL_INPUTS / 8 * 32)

// Unpacks features k0 ..< k0 + count of a block of rows into their half of a sub-panel.
static inline void unpack_block(
    __global const uchar *block, const uint inputs, const uint k0, const uint count, __local uint *panel)
{
    for (uint k = 0; k < count; k += GROUP_COLUMNS) {
        const uint number = (k0 + k) / GROUP_COLUMNS;
        #pragma unroll
        for (uint i = 0; i < 8; ++i)
            vstore16(
                unpack_rows(block + number * GROUP_QUANT_BYTES, i / 4, i % 4), 0, panel + (k / 4 + i) * 32);
        float16 factor, minimum_factor, scales[GROUP_SCALES], minima[GROUP_SCALES];
        factors_of_rows(block + BLOCK_FACTORS + (k0 + k) / FACTOR_COLUMNS * FACTOR_BYTES, &factor, &minimum_factor);
        scales_of_rows(block + BLOCK_SCALES + number * GROUP_SCALE_BYTES, factor, minimum_factor, scales, minima);
        #pragma unroll
        for (uint i = 0; i < GROUP_SCALES; ++i) {
            const uint at = (k / QUANT_GROUP + i) * 32;
            vstore16(as_uint16(scales[i]), 0, panel + PANEL_SCALES + at);
            if (QUANT_MINIMA)
                vstore16(as_uint16(minima[i]), 0, panel + PANEL_MINIMA + at);
        }
    }
}

#define TILE_WORD(words, at) ((uint16)((words)[(at) * TILE_TOKENS + t]))
#define TILE_FLOAT(words, at) as_float16(TILE_WORD(words, at))

// Halves of the 32 rows that are multiplied together: as many as registers hold the sums of.
#if DOT_VARIANT == DOT_AVX2
#define TILE_HALVES 1u
#else
#define TILE_HALVES 2u
#endif
#define EACH_HALF(H) _Pragma("unroll") for (uint H = 0; H < TILE_HALVES; ++H)
#define EACH_TOKEN_AND_HALF(T) EACH_TOKEN(T) EACH_HALF(h)

// The products of QUANT_GROUP features of a tile of tokens and TILE_HALVES * 16 rows.
QUANT_INLINE void dot_part(
    __local const uint *quants, __global const uint *x, __global const uint *x_corrections,
    int16 integers[][TILE_HALVES])
{
    EACH_TOKEN_AND_HALF(t) integers[t][h] = QUANT_MINIMA ? (int16)(0) : as_int16(TILE_WORD(x_corrections, 0));
    #pragma unroll
    for (uint v0 = 0; v0 < PART_QUADS; v0 += QUADS_TOGETHER) {
        uint16 sums[TILE_TOKENS][TILE_HALVES];
        EACH_TOKEN_AND_HALF(t) sums[t][h] = start_quads(integers[t][h]);
        #pragma unroll
        for (uint v = v0; v < v0 + QUADS_TOGETHER; ++v) {
            uint16 rows[TILE_HALVES];
            EACH_HALF(h) rows[h] = vload16(h, quants + v * 32);
            EACH_TOKEN_AND_HALF(t) sums[t][h] = add_quads(sums[t][h], rows[h], TILE_WORD(x, v));
        }
        EACH_TOKEN_AND_HALF(t) integers[t][h] = finish_quads(integers[t][h], sums[t][h]);
    }
}

// Adds the products of a group of 32 features to the sums of a tile of tokens and TILE_HALVES * 16 rows.
QUANT_INLINE void dot_group(
    __local const uint *quants, __local const float *scales, __local const float *minima, __global const uint *x,
    __global const uint *x_scales, __global const uint *x_corrections, float16 sums[][TILE_HALVES])
{
    #pragma unroll
    for (uint i = 0; i < GROUP_SCALES; ++i) {
        int16 integers[TILE_TOKENS][TILE_HALVES];
        dot_part(
            quants + i * PART_QUADS * 32, x + i * PART_QUADS * TILE_TOKENS, x_corrections + i * TILE_TOKENS, integers);
        EACH_TOKEN_AND_HALF(t)
            sums[t][h] = fma(
                convert_float16(integers[t][h]), vload16(2 * i + h, scales) * TILE_FLOAT(x_scales, i), sums[t][h]);
#if QUANT_MINIMA
        EACH_TOKEN_AND_HALF(t)
            sums[t][h] = fma(vload16(2 * i + h, minima), TILE_FLOAT(x_corrections, i), sums[t][h]);
#endif
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void PRODUCT_NAME(gemm_int8)(
    MATMUL_PARAMETERS EXPERT_PARAMETERS, const uint item_subpanels, const uint item_tokens, __local uint *panel,
    __local float *partial)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMM_EXPERT * columns;
    const uint subpanel_columns = gated ? 16 : 32;
    const uint subpanel_end = min(
        (columns + subpanel_columns - 1) / subpanel_columns, ((uint)get_global_id(0) + 1) * item_subpanels);
    __global const uint *quantised = (__global const uint *)x + x_offset;

    const uint last_token = GEMM_TOKEN_END;
    for (uint token_begin = GEMM_TOKEN_BEGIN; token_begin < last_token; token_begin = GEMM_NEXT_TOKEN(token_begin)) {
        const uint token_end = min(last_token, token_begin + item_tokens);
        for (uint base = (uint)get_global_id(0) * item_subpanels; base < subpanel_end; base += PANEL_COLUMNS / 32) {
            const uint subpanels = min(subpanel_end - base, (uint)PANEL_COLUMNS / 32);
            for (uint k0 = 0; k0 < inputs; k0 += PANEL_INPUTS) {
                const uint count = min(inputs - k0, (uint)PANEL_INPUTS);
                for (uint half_index = 0; half_index < subpanels * 2; ++half_index) {
                    const uint first = (base + half_index / 2) * subpanel_columns + (gated ? 0 : half_index % 2 * 16);
                    const uint row = first_row + min(first, columns - 1) + (gated ? half_index % 2 * value_rows : 0);
                    __local uint *to = panel + half_index / 2 * SUBPANEL_WORDS + half_index % 2 * 16;
                    unpack_block(ROW_BLOCK(row), inputs, k0, count, to);
                }
                // An expert's first tile may begin with another's tokens.
                const uint tile_begin = token_begin / TILE_TOKENS * TILE_TOKENS;
                for (uint t0 = tile_begin; t0 < token_end; t0 += TILE_TOKENS) {
                    __global const uint *tile = quantised + (ulong)t0 * QUANTISED_WORDS;
                    for (uint s = 0; s < subpanels; ++s) {
                        __local float *sums = partial + ((t0 - tile_begin) * subpanels + s * TILE_TOKENS) * 32;
                        float16 c[TILE_TOKENS][2];
                        LOAD_PARTIAL_SUMS(TILE_TOKENS, c[t][0], c[t][1]);
                        #pragma unroll
                        for (uint first = 0; first < 2; first += TILE_HALVES) {
                            __local const uint *b = panel + s * SUBPANEL_WORDS + first * 16;
                            __local const float *b_scales = (__local const float *)(b + PANEL_SCALES);
                            __local const float *b_minima = (__local const float *)(b + PANEL_MINIMA);
                            __global const uint *a = tile + k0 / 4 * TILE_TOKENS;
                            __global const uint *a_scales = tile + (QUANTISED_SCALES + k0 / 16) * TILE_TOKENS;
                            __global const uint *a_corrections = tile + (QUANTISED_CORRECTIONS + k0 / 16) * TILE_TOKENS;
                            float16 products[TILE_TOKENS][TILE_HALVES];
                            EACH_TOKEN_AND_HALF(t) products[t][h] = c[t][first + h];
                            for (uint k = 0; k < count; k += GROUP_COLUMNS) {
                                dot_group(b, b_scales, b_minima, a, a_scales, a_corrections, products);
                                b += GROUP_COLUMNS / 4 * 32;
                                b_scales += GROUP_SCALES * 32;
                                b_minima += GROUP_SCALES * 32;
                                a += GROUP_COLUMNS / 4 * TILE_TOKENS;
                                a_scales += 2 * TILE_TOKENS;
                                a_corrections += 2 * TILE_TOKENS;
                            }
                            EACH_TOKEN_AND_HALF(t) c[t][first + h] = products[t][h];
                        }
                        STORE_TILE(TILE_TOKENS, c[t][0], c[t][1]);
                    }
                }
            }
        }
    }
}
