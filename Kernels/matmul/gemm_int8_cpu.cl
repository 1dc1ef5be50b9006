// quantise_int8_<format>: activations for gemm_int8. Token t of `quantised`: PADDED_INPUTS / 4 words of
// quants, then for each 16 elements their scale, then for each 16 their correction (where a minimum stands for 32
// elements: the sum of these 32). Geometry: global [T], local [1].
#define QUANTISED_WORDS (PADDED_INPUTS / 4 + PADDED_INPUTS / 8)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(quantise_int8)(
    __global const float *x, const ulong x_offset, const uint x_stride, __global uint *quantised,
    const ulong quantised_offset, const uint inputs)
{
    const uint t = get_global_id(0);
    __global const float *row = x + x_offset + (ulong)t * x_stride;
    __global uint *quantised_row = quantised + quantised_offset + (ulong)t * QUANTISED_WORDS;
    __global uint *scale_words = quantised_row + PADDED_INPUTS / 4, *sums = scale_words + PADDED_INPUTS / 16;
    for (uint k = 0; k < inputs; k += QUANTS) {
        float16 scales;
        const uint16 quants = quantise_int8(row + k, inputs - k, &scales);
        vstore16(quants, 0, quantised_row + k / 4);
        vstore4(as_uint4(scales.s048c), 0, scale_words + k / 16);
        const int16 quads = dot_i8((int16)(0), (uint16)(0x01010101u), quants);
        const int8 pairs = quads.even + quads.odd;
        const uint16 sixteens = sum_corrections((int16)(pairs.even + pairs.odd, (int4)(0), (int8)(0)),
                                           (float16)(scales.s048c, (float4)(0.0f), (float8)(0.0f)));
#if QUANT_MINIMA && QUANT_GROUP == 32
        const float4 four = as_float4(sixteens.s0123);
        vstore4(as_uint4(four + four.yxwz), 0, sums + k / 16);
#else
        vstore4(sixteens.s0123, 0, sums + k / 16);
#endif
    }
}

// gemm_int8_<format>: many tokens. A work-item packs PANEL_COLUMNS weight rows by PANEL_INPUTS features as
// quants into local memory, which stays in its core's second-level cache, and runs its tokens over it, 4 tokens x 32
// rows at a time. A sub-panel is 32 rows, or gated 16 gate rows and their 16 value rows: quants [k / 4][32] words,
// scales [k / QUANT_GROUP][32] and as many minima. `x` holds the output of quantise_int8.
//
// Weights in blocks or int8 times activations rounded to int8 with a scale for each 16 (quants_cpu.cl, dot.cl). The
// products of 16 elements are exact integers; scales are applied to their sums in FP32. One work-item a work-group.
// Arguments up to `flags` as in matmul_common.cl.
//
// Work-item (i, j) computes sub-panels i * item_subpanels ..< (i + 1) * item_subpanels of tokens j * item_tokens ..<
// (j + 1) * item_tokens. Geometry: global [ceil(sub-panels / item_subpanels), ceil(T / item_tokens)], local [1, 1].
// Local memory: `panel` PANEL_COLUMNS * PANEL_INPUTS * 3 / 2 bytes; `partial` item_tokens * PANEL_COLUMNS * 4 bytes
// where K > PANEL_INPUTS, else 4 bytes. Build macros: PANEL_COLUMNS (a multiple of 32), PANEL_INPUTS (a multiple of
// 256).
#define PANEL_SCALES (PANEL_INPUTS / 4 * 32)
#define PANEL_MINIMA (PANEL_SCALES + PANEL_INPUTS / QUANT_GROUP * 32)
#define SUBPANEL_WORDS (PANEL_SCALES + PANEL_INPUTS / 8 * 32)

// Packs 16 rows by features k0 ..< k0 + count into their half of a sub-panel.
inline void pack_quants(
    __global const weight_t *const *rows, const uint inputs, const uint k0, const uint count, __local uint *packed)
{
    for (uint k = 0; k < count; k += QUANT_SPAN) {
        const uint rest = inputs - k0 - k;
        #pragma unroll
        for (uint c = 0; c < QUANT_SPAN / QUANTS; ++c) {
            float16 m[16];
            #pragma unroll
            for (uint r = 0; r < 16; ++r)
                m[r] = as_float16(CROSS_QUANTS(unpack_quants(SPAN_AT(rows[r], k0 + k), c, rest)));
            transpose16(m);
            #pragma unroll
            for (uint i = 0; i < 16; ++i)
                vstore16(as_uint16(m[i]), 0, packed + (k / 4 + c * 16 + i) * 32);
        }
        float16 scales[16], minima[16];
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            span_scales(SPAN_AT(rows[r], k0 + k), rest, &scales[r], &minima[r]);
        transpose16(scales);
        #pragma unroll
        for (uint g = 0; g < QUANT_SPAN / QUANT_GROUP; ++g)
            vstore16(as_uint16(scales[g]), 0, packed + PANEL_SCALES + (k / QUANT_GROUP + g) * 32);
#if QUANT_MINIMA
        transpose16(minima);
        #pragma unroll
        for (uint g = 0; g < QUANT_SPAN / QUANT_GROUP; ++g)
            vstore16(as_uint16(minima[g]), 0, packed + PANEL_MINIMA + (k / QUANT_GROUP + g) * 32);
#endif
    }
}

// The products of 16 features with 4 tokens and 32 rows.
#define DOT_SIXTEEN(quads, group)                                                                                      \
    do {                                                                                                               \
        _Pragma("unroll") for (uint t = 0; t < 4; ++t)                                                                 \
            quads[t][0] = quads[t][1] = QUANT_MINIMA ? (int16)(0) : (int16)((int)a[t][x_sums + (group)]);              \
        _Pragma("unroll") for (uint step = 0; step < 4; ++step)                                                        \
        {                                                                                                              \
            const uint16 w0 = vload16(0, b + ((group) * 4 + step) * 32);                                               \
            const uint16 w1 = vload16(1, b + ((group) * 4 + step) * 32);                                               \
            _Pragma("unroll") for (uint t = 0; t < 4; ++t)                                                             \
            {                                                                                                          \
                const uint16 value = (uint16)(a[t][(group) * 4 + step]);                                               \
                quads[t][0] = dot_i8(quads[t][0], w0, value);                                                          \
                quads[t][1] = dot_i8(quads[t][1], w1, value);                                                          \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define PANEL_FLOATS(at, half) as_float16(vload16(half, b + (at)))
#define X_FLOAT(at) ((float16)(as_float(a[t][at])))

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(gemm_int8)(
    MATMUL_PARAMETERS, const uint item_subpanels, const uint item_tokens, __local uint *panel, __local float *partial)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint columns = gated ? weight_rows / 2 : weight_rows;
    const uint subpanel_columns = gated ? 16 : 32;
    const uint subpanel_end = min(
        (columns + subpanel_columns - 1) / subpanel_columns, ((uint)get_global_id(0) + 1) * item_subpanels);
    const uint token_begin = (uint)get_global_id(1) * item_tokens;
    const uint token_end = min(tokens, token_begin + item_tokens);
    __global const uint *quantised = (__global const uint *)x + x_offset;

    for (uint base = (uint)get_global_id(0) * item_subpanels; base < subpanel_end; base += PANEL_COLUMNS / 32) {
        const uint subpanels = min(subpanel_end - base, (uint)PANEL_COLUMNS / 32);
        for (uint k0 = 0; k0 < inputs; k0 += PANEL_INPUTS) {
            const uint count = min(inputs - k0, (uint)PANEL_INPUTS);
            for (uint half_index = 0; half_index < subpanels * 2; ++half_index) {
                __global const weight_t *rows[16];
                SUBPANEL_ROWS(rows, base + half_index / 2, half_index & 1);
                pack_quants(rows, inputs, k0, count, panel + half_index / 2 * SUBPANEL_WORDS + (half_index & 1) * 16);
            }
            const uint x_scales = PADDED_INPUTS / 4 - k0 / 4 + k0 / 16, x_sums = x_scales + PADDED_INPUTS / 16;
            for (uint t0 = token_begin; t0 < token_end; t0 += 4) {
                __global const uint *a[4];
                #pragma unroll
                for (uint t = 0; t < 4; ++t)
                    a[t] = quantised + (ulong)min(t0 + t, tokens - 1) * QUANTISED_WORDS + k0 / 4;
                for (uint s = 0; s < subpanels; ++s) {
                    __local const uint *b = panel + s * SUBPANEL_WORDS;
                    __local float *sums = partial + ((t0 - token_begin) * subpanels + s * 4) * 32;
                    float16 c[4][2];
                    LOAD_PARTIAL_SUMS(4, c[t][0], c[t][1]);
                    for (uint group = 0; group < (count + 31) / 32 * 2; group += 2) {
                        int16 first[4][2];
                        DOT_SIXTEEN(first, group);
#if QUANT_GROUP == 32
                        float16 both[4][2];
                        #pragma unroll
                        for (uint t = 0; t < 4; ++t) {
                            both[t][0] = convert_float16(first[t][0]) * X_FLOAT(x_scales + group);
                            both[t][1] = convert_float16(first[t][1]) * X_FLOAT(x_scales + group);
                        }
                        int16 second[4][2];
                        DOT_SIXTEEN(second, group + 1);
                        const uint at = PANEL_SCALES + group / 2 * 32;
                        #pragma unroll
                        for (uint t = 0; t < 4; ++t)
                            #pragma unroll
                            for (uint h = 0; h < 2; ++h)
                                c[t][h] = fma(
                                    fma(convert_float16(second[t][h]), X_FLOAT(x_scales + group + 1), both[t][h]),
                                    PANEL_FLOATS(at, h), c[t][h]);
#else
                        #pragma unroll
                        for (uint t = 0; t < 4; ++t)
                            #pragma unroll
                            for (uint h = 0; h < 2; ++h)
                                c[t][h] = fma(
                                    convert_float16(first[t][h]),
                                    PANEL_FLOATS(PANEL_SCALES + group * 32, h) * X_FLOAT(x_scales + group), c[t][h]);
                        int16 second[4][2];
                        DOT_SIXTEEN(second, group + 1);
                        #pragma unroll
                        for (uint t = 0; t < 4; ++t)
                            #pragma unroll
                            for (uint h = 0; h < 2; ++h)
                                c[t][h] = fma(
                                    convert_float16(second[t][h]),
                                    PANEL_FLOATS(PANEL_SCALES + group * 32 + 32, h) * X_FLOAT(x_scales + group + 1),
                                    c[t][h]);
#endif
#if QUANT_MINIMA
                        #pragma unroll
                        for (uint i = 0; i < 32 / QUANT_GROUP; ++i)
                            #pragma unroll
                            for (uint t = 0; t < 4; ++t)
                                #pragma unroll
                                for (uint h = 0; h < 2; ++h)
                                    c[t][h] = fma(
                                        PANEL_FLOATS(PANEL_MINIMA + (group * 16 / QUANT_GROUP + i) * 32, h),
                                        X_FLOAT(x_sums + group + i), c[t][h]);
#endif
                    }
                    STORE_TILE(4, c[t][0], c[t][1]);
                }
            }
        }
    }
}
