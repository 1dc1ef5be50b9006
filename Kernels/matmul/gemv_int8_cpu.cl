// gemv_int8_<format>: 1 to VECTOR_TOKENS tokens. Streams the weight once. A work-item quantises the tokens first, which
// takes as long as some rows; in a chain only the first of those that a thread takes.
//
// Weights in blocks or int8 times activations rounded to int8 with a scale for each 16 (quants_cpu.cl, dot.cl). The
// products of 16 elements are exact integers; scales are applied to their sums in FP32. One work-item a work-group.
// Arguments up to `flags` as in matmul_common.cl.
//
// Work-item i computes output columns i * item_columns ..< (i + 1) * item_columns (a multiple of 16) of all tokens.
// Geometry: global [ceil(P / item_columns)], local [1]. Local memory: `quantised` VECTOR_TOKENS * 3 * PADDED_INPUTS
// bytes: quants, and for each four elements their scale and their correction, crossed as the weight's quants are.
// Build macros: VECTOR_TOKENS (tokens above `tokens` repeat the last one).
#define QUANTISED_WORDS (PADDED_INPUTS / 4 * 3)

static inline void quantise_row(__global const float *x, const uint inputs, __local uint *quantised_row)
{
    __local uint *scale_words = quantised_row + PADDED_INPUTS / 4, *sums = scale_words + PADDED_INPUTS / 4;
    for (uint k = 0; k < inputs; k += QUANTS) {
        float16 scales;
        const uint16 quants = CROSS_QUANTS(quantise_int8(x + k, inputs - k, &scales));
        scales = CROSS_QUANTS(scales);
        vstore16(quants, 0, quantised_row + k / 4);
        vstore16(as_uint16(scales), 0, scale_words + k / 4);
        vstore16(sum_corrections(dot_i8((int16)(0), (uint16)(0x01010101u), quants), scales), 0, sums + k / 4);
    }
}

// Rows at a time, which share the loads of activations.
#define QUANT_ROWS (VECTOR_TOKENS == 1 ? 2 : 1)

// Adds the products of the `c`th QUANTS of a span of QUANT_ROWS rows.
#define DOT_QUANTS(c)                                                                                                  \
    do {                                                                                                               \
        uint16 quants[QUANT_ROWS];                                                                                     \
        float16 lane_scales[QUANT_ROWS], lane_minima[QUANT_ROWS];                                                      \
        _Pragma("unroll") for (uint r = 0; r < QUANT_ROWS; ++r)                                                        \
        {                                                                                                              \
            quants[r] = unpack_quants(spans[r], c, rest);                                                              \
            lane_scales[r] = spread_scales(scales[r], c);                                                              \
            lane_minima[r] = spread_scales(minima[r], c);                                                              \
        }                                                                                                              \
        _Pragma("unroll") for (uint t = 0; t < VECTOR_TOKENS; ++t)                                                     \
        {                                                                                                              \
            __local const uint *at = quantised + t * QUANTISED_WORDS + k / 4 + (c) * 16;                               \
            const uint16 sum_words = vload16(0, at + PADDED_INPUTS / 2), x_quants = vload16(0, at);                    \
            const float16 x_scales = as_float16(vload16(0, at + PADDED_INPUTS / 4));                                   \
            _Pragma("unroll") for (uint r = 0; r < QUANT_ROWS; ++r)                                                    \
            {                                                                                                          \
                const int16 quads = dot_i8(QUANT_MINIMA ? (int16)(0) : as_int16(sum_words), quants[r], x_quants);      \
                sums[r][t] = fma(convert_float16(quads), lane_scales[r] * x_scales, sums[r][t]);                       \
                if (QUANT_MINIMA)                                                                                      \
                    minimum_sums[r][t] = fma(lane_minima[r], as_float16(sum_words), minimum_sums[r][t]);               \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

// Adds the products of a span of which `count` elements are there.
#if QUANT_SPAN == 256
#define DOT_ALL_QUANTS DOT_QUANTS(0); DOT_QUANTS(1); DOT_QUANTS(2); DOT_QUANTS(3)
#else
#define DOT_ALL_QUANTS DOT_QUANTS(0)
#endif
#define DOT_SPAN(count)                                                                                                \
    do {                                                                                                               \
        const uint rest = (count);                                                                                     \
        float16 scales[QUANT_ROWS], minima[QUANT_ROWS];                                                                \
        _Pragma("unroll") for (uint r = 0; r < QUANT_ROWS; ++r)                                                        \
        {                                                                                                              \
            prefetch_ahead(spans[r], QUANT_SPAN_BYTES);                                                                \
            span_scales(spans[r], rest, &scales[r], &minima[r]);                                                       \
        }                                                                                                              \
        DOT_ALL_QUANTS;                                                                                                \
    } while (0)

CHAINED_KERNEL SINGLE_ITEM
void MATMUL_NAME(gemv_int8)(ITEM_PARAMETER MATMUL_PARAMETERS, const uint item_columns, __local uint *quantised)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint columns = gated ? weight_rows / 2 : weight_rows;
    const uint first = (uint)ITEM(0) * item_columns;
    const uint end = min(columns, first + item_columns);
    for (uint t = 0; t < (IS_FIRST_ITEM ? VECTOR_TOKENS : 0); ++t)
        quantise_row(x + x_offset + (ulong)min(t, tokens - 1) * x_stride, inputs, quantised + t * QUANTISED_WORDS);

    for (uint column = first; column < end; column += 16) {
        float16 products[2][VECTOR_TOKENS];
        for (uint part = 0; part <= gated; ++part) {
            float16 lanes[VECTOR_TOKENS][16];
            for (uint i = 0; i < 16; i += QUANT_ROWS) {
                __global const uchar *spans[QUANT_ROWS];
                float16 sums[QUANT_ROWS][VECTOR_TOKENS], minimum_sums[QUANT_ROWS][VECTOR_TOKENS];
                #pragma unroll
                for (uint r = 0; r < QUANT_ROWS; ++r) {
                    const uint row = part * columns + min(column + i + r, columns - 1);
                    spans[r] = (__global const uchar *)(WEIGHT_ROW(row));
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        sums[r][t] = minimum_sums[r][t] = (float16)(0.0f);
                }
                uint k = 0;
                for (; k + QUANT_SPAN <= inputs; k += QUANT_SPAN) {
                    DOT_SPAN(QUANT_SPAN);
                    #pragma unroll
                    for (uint r = 0; r < QUANT_ROWS; ++r)
                        spans[r] += QUANT_SPAN_BYTES;
                }
                if (QUANT_SPAN == QUANTS && k < inputs)
                    DOT_SPAN(inputs - k);
                #pragma unroll
                for (uint r = 0; r < QUANT_ROWS; ++r)
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        lanes[t][i + r] = QUANT_MINIMA ? sums[r][t] + minimum_sums[r][t] : sums[r][t];
            }
            for (uint t = 0; t < VECTOR_TOKENS; ++t)
                products[part][t] = sum_each16(lanes[t]);
        }
        for (uint t = 0; t < min(tokens, (uint)VECTOR_TOKENS); ++t)
            APPLY_EPILOGUE16(products[0][t], gated ? products[1][t] : (float16)(0.0f), t, column);
    }
}
