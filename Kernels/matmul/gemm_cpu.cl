// gemm_panel_<format>, gemm_bf16_<format>, and the same of experts (experts/expert_weights.cl), as
// gemm_panel_experts_<format>: many tokens. A work-item packs PANEL_COLUMNS weight rows by
// PANEL_INPUTS features as FP32 [32-row sub-panel][k][32] into local memory, which stays in its core's second-level
// cache, and runs its tokens over it: 8 tokens x 32 rows in sixteen float16 registers, or, for processors with sixteen
// registers of 8 lanes, 4 tokens x 16 rows twice. Gated, a sub-panel is 16 gate rows and their 16 value rows. With
// PANEL_BF16 weights and activations are BF16, two features in a word (dot.cl); `x` then holds the output of
// quantise_bf16, whose stride `x_stride` counts words.
//
// One work-item a work-group, float16 registers, no barriers. Arguments up to `flags` as in matmul_common.cl.
//
// Work-item (i, j) computes sub-panels i * item_subpanels ..< (i + 1) * item_subpanels of tokens j * item_tokens ..<
// (j + 1) * item_tokens; of experts j is the expert, and it takes all of that one's tokens, item_tokens at a time.
// Geometry: global [ceil(sub-panels / item_subpanels), ceil(T / item_tokens)], of experts [the same, E], local [1, 1].
// Local memory: `panel` PANEL_COLUMNS * PANEL_INPUTS * 4 bytes (pairs: 2); `partial` item_tokens * PANEL_COLUMNS * 4
// bytes where K > PANEL_INPUTS (the sums so far; the output cannot hold them, as the residual may be the output),
// else 4 bytes. Build macros: PANEL_COLUMNS (a multiple of 32), PANEL_INPUTS (a multiple of 32), PANEL_TOKENS (8 or 4),
// PANEL_BF16 (0 or 1).
#if PANEL_BF16
#define PANEL_NAME(op) PRODUCT_NAME(op##_bf16)
// Features in a word of the panel.
#define WORD_INPUTS 2u
typedef uint word_t;
typedef uint16 word16_t;
#define AS_WORDS16 as_uint16
#define MULTIPLY_WORDS(sums, weights, value) dot_bf16(sums, weights, value)

static inline __attribute__((always_inline)) uint8 quantise_bf16_16(const float16 x)
{
    const uint16 bits = as_uint16(x);
    const uint16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return as_uint8(convert_ushort16(select(rounded, (bits >> 16) | 0x40u, as_uint16(isnan(x)))));
}

// quantise_bf16_<format>: activations in BF16, padded with zeros to rows of a multiple of 32.
// Geometry: global [T], local [1].
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(quantise_bf16)(
    __global const float *x, const ulong x_offset, const uint x_stride, __global uint *quantised,
    const ulong quantised_offset, const uint inputs)
{
    const uint t = get_global_id(0);
    __global const float *row = x + x_offset + (ulong)t * x_stride;
    __global uint *quantised_row = quantised + quantised_offset + (ulong)t * ((inputs + 31) / 32 * 16);
    for (uint k = 0; k < (inputs + 31) / 32 * 32; k += 16)
        vstore8(
            quantise_bf16_16(k < inputs ? load_partial16(row + k, inputs - k) : (float16)(0.0f)), 0,
            quantised_row + k / 2);
}

// Features k ..< k + 32 of a row.
static inline __attribute__((always_inline)) word16_t load_words16(__global const weight_t *row, const uint k)
{
#if defined(WEIGHT_BF16)
    return (uint16)(as_uint8(vload16(0, row + k)), as_uint8(vload16(1, row + k)));
#else
    return (uint16)(quantise_bf16_16(load_weight16(row, k)), quantise_bf16_16(load_weight16(row, k + 16)));
#endif
}

static inline __attribute__((always_inline)) word_t load_word(
    __global const weight_t *row, const uint k, const uint count)
{
    return float_to_bf16(load_weight(row, k))
        | (count > 1 ? (uint)float_to_bf16(load_weight(row, k + 1)) << 16 : 0u);
}
#else
#define PANEL_NAME(op) PRODUCT_NAME(op##_panel)
#define WORD_INPUTS 1u
typedef float word_t;
typedef float16 word16_t;
#define AS_WORDS16
#define MULTIPLY_WORDS(sums, weights, value) fma(value, weights, sums)
#define load_words16 load_weight16
#define load_word(row, k, count) load_weight(row, k)
#endif

#define SUBPANEL_WORDS (32 * PANEL_INPUTS / WORD_INPUTS)

// Adds the products of a tile's tokens with 16 rows of a sub-panel, the first of which is at `first`.
#define ADD_PRODUCTS(sums, first)                                                                                      \
    do {                                                                                                               \
        _Pragma("unroll 8")                                                                                            \
        for (uint k = 0; k < steps; ++k) {                                                                             \
            const word16_t weights = vload16(0, (first) + k * 32);                                                     \
            _Pragma("unroll") for (uint t = 0; t < PANEL_TOKENS; ++t)                                                  \
                sums[t] = MULTIPLY_WORDS(sums[t], weights, (word16_t)(a[t][k]));                                       \
        }                                                                                                              \
    } while (0)

// Packs 16 rows by `count` features: packed[k * 32 + row] = rows[row][k], counted in words.
static inline void pack16(__global const weight_t *const *rows, const uint k0, const uint count, __local word_t *packed)
{
    uint k = 0;
    for (; k + 16 * WORD_INPUTS <= count; k += 16 * WORD_INPUTS) {
        float16 m[16];
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            m[r] = as_float16(load_words16(rows[r], k0 + k));
        transpose16(m);
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            vstore16(AS_WORDS16(m[r]), 0, packed + (k / WORD_INPUTS + r) * 32);
    }
    for (; k < count; k += WORD_INPUTS)
        for (uint r = 0; r < 16; ++r)
            packed[k / WORD_INPUTS * 32 + r] = load_word(rows[r], k0 + k, count - k);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void PANEL_NAME(gemm)(
    MATMUL_PARAMETERS EXPERT_PARAMETERS, const uint item_subpanels, const uint item_tokens, __local word_t *panel,
    __local float *partial)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMM_EXPERT * columns;
    const uint subpanel_columns = gated ? 16 : 32;
    const uint subpanel_end = min(
        (columns + subpanel_columns - 1) / subpanel_columns, ((uint)get_global_id(0) + 1) * item_subpanels);
    __global const word_t *words = (__global const word_t *)x + x_offset;

    const uint last_token = GEMM_TOKEN_END;
    for (uint token_begin = GEMM_TOKEN_BEGIN; token_begin < last_token; token_begin = GEMM_NEXT_TOKEN(token_begin)) {
        const uint token_end = min(last_token, token_begin + item_tokens);
        for (uint base = (uint)get_global_id(0) * item_subpanels; base < subpanel_end; base += PANEL_COLUMNS / 32) {
            const uint subpanels = min(subpanel_end - base, (uint)PANEL_COLUMNS / 32);
            for (uint k0 = 0; k0 < inputs; k0 += PANEL_INPUTS) {
                const uint count = min(inputs - k0, (uint)PANEL_INPUTS);
                for (uint half_index = 0; half_index < subpanels * 2; ++half_index) {
                    __global const weight_t *rows[16];
                    SUBPANEL_ROWS(rows, base + half_index / 2, half_index & 1);
                    pack16(rows, k0, count, panel + half_index / 2 * SUBPANEL_WORDS + (half_index & 1) * 16);
                }
                for (uint t0 = token_begin; t0 < token_end; t0 += PANEL_TOKENS) {
                    __global const word_t *a[PANEL_TOKENS];
                    #pragma unroll
                    for (uint t = 0; t < PANEL_TOKENS; ++t)
                        a[t] = words + (ulong)GEMM_INPUT_ROW(t0 + t) * x_stride + k0 / WORD_INPUTS;
                    for (uint s = 0; s < subpanels; ++s) {
                        __local const word_t *b = panel + s * SUBPANEL_WORDS;
                        __local float *sums = partial + ((t0 - token_begin) * subpanels + s * PANEL_TOKENS) * 32;
                        const uint steps = (count + WORD_INPUTS - 1) / WORD_INPUTS;
                        float16 c0[PANEL_TOKENS], c1[PANEL_TOKENS];
                        LOAD_PARTIAL_SUMS(PANEL_TOKENS, c0[t], c1[t]);
#if PANEL_TOKENS < 8
                        ADD_PRODUCTS(c0, b);
                        ADD_PRODUCTS(c1, b + 16);
#else
                        for (uint k = 0; k < steps; ++k) {
                            const word16_t b0 = vload16(0, b + k * 32), b1 = vload16(1, b + k * 32);
                            #pragma unroll
                            for (uint t = 0; t < PANEL_TOKENS; ++t) {
                                const word16_t value = (word16_t)(a[t][k]);
                                c0[t] = MULTIPLY_WORDS(c0[t], b0, value);
                                c1[t] = MULTIPLY_WORDS(c1[t], b1, value);
                            }
                        }
#endif
                        STORE_TILE(PANEL_TOKENS, c0[t], c1[t]);
                    }
                }
            }
        }
    }
}
