// gemv_int8_<format>, gemv_int8_experts_<format>: 1 to VECTOR_TOKENS tokens, of experts one row
// (experts/expert_weights.cl). Streams the weight once, in blocks of 16 rows (row_blocks_cpu.cl): a lane is a row, and
// four quants of a token are broadcast. A work-item quantises the tokens first, which takes as long as some rows; in a
// chain only the first of those that a thread takes.
//
// Weights in blocks or int8 times activations rounded to int8 (activations_int8_cpu.cl, quads_cpu.cl). The products of
// the elements of a scale are exact integers; scales are applied to their sums in FP32. One work-item a
// work-group. Arguments up to `flags` as in matmul_common.cl, but that the weight's blocks, all of them, are `weight0`.
//
// Work-item i computes output columns i * item_columns ..< (i + 1) * item_columns (a multiple of 16) of all tokens.
// Where gated, P is a multiple of 16. Geometry: global [ceil(P / item_columns)], of experts
// [ceil(P / item_columns), R], local [1]. Local memory: `quantised` VECTOR_TOKENS * QUANTISED_WORDS words. Build
// macros: VECTOR_TOKENS (tokens above `tokens` repeat the last one).

static inline void quantise_row(__global const float *x, const uint inputs, __local uint *quantised_row)
{
    for (uint k = 0; k < inputs; k += QUANTS) {
        float4 scales;
        uint4 corrections;
        vstore16(quantise_int8(x + k, inputs - k, &scales, &corrections), 0, quantised_row + k / 4);
        vstore4(as_uint4(scales), 0, quantised_row + QUANTISED_SCALES + k / 16);
        vstore4(corrections, 0, quantised_row + QUANTISED_CORRECTIONS + k / 16);
    }
}

// The tokens at a group of 32 columns: quants, scales and corrections of token t are t * QUANTISED_WORDS further on.
#define TOKEN_FLOAT(words, t, at) ((float16)(as_float((words)[(ulong)(t) * QUANTISED_WORDS + (at)])))

// Adds the products of a group of 32 columns.
QUANT_INLINE void dot_group(
    __global const uchar *group, const float16 *scales, const float16 *minima, const uint inputs,
    __local const uint *x, __local const uint *x_scales, __local const uint *x_corrections, float16 *sums)
{
    #pragma unroll
    for (uint i = 0; i < GROUP_SCALES; ++i) {
        int16 integers[VECTOR_TOKENS];
        #pragma unroll
        for (uint t = 0; t < VECTOR_TOKENS; ++t)
            integers[t] = QUANT_MINIMA ? (int16)(0) : (int16)((int)x_corrections[(ulong)t * QUANTISED_WORDS + i]);
        #pragma unroll
        for (uint v0 = i * PART_QUADS; v0 < (i + 1) * PART_QUADS; v0 += QUADS_TOGETHER) {
            uint16 quads[VECTOR_TOKENS];
            #pragma unroll
            for (uint t = 0; t < VECTOR_TOKENS; ++t)
                quads[t] = start_quads(integers[t]);
            #pragma unroll
            for (uint v = v0; v < v0 + QUADS_TOGETHER; ++v) {
                const uint16 quants = unpack_rows(group, v / 4, v % 4);
                #pragma unroll
                for (uint t = 0; t < VECTOR_TOKENS; ++t)
                    quads[t] = add_quads(quads[t], quants, (uint16)(x[(ulong)t * QUANTISED_WORDS + v]));
            }
            #pragma unroll
            for (uint t = 0; t < VECTOR_TOKENS; ++t)
                integers[t] = finish_quads(integers[t], quads[t]);
        }
        #pragma unroll
        for (uint t = 0; t < VECTOR_TOKENS; ++t)
            sums[t] = fma(convert_float16(integers[t]), scales[i] * TOKEN_FLOAT(x_scales, t, i), sums[t]);
    }
    #pragma unroll
    for (uint i = 0; i < (QUANT_MINIMA ? GROUP_SCALES : 0); ++i)
        #pragma unroll
        for (uint t = 0; t < VECTOR_TOKENS; ++t)
            sums[t] = fma(minima[i], TOKEN_FLOAT(x_corrections, t, i), sums[t]);
}

// The products of a block of rows.
QUANT_INLINE void dot_row_block(
    __global const uchar *block, __local const uint *x, const uint inputs, float16 *products)
{
    __global const uchar *group = block, *group_scales = block + BLOCK_SCALES, *factors = block + BLOCK_FACTORS;
    __local const uint *x_scales = x + QUANTISED_SCALES, *x_corrections = x + QUANTISED_CORRECTIONS;
    float16 sums[VECTOR_TOKENS];
    #pragma unroll
    for (uint t = 0; t < VECTOR_TOKENS; ++t)
        sums[t] = (float16)(0.0f);
    for (uint k = 0; k < inputs; k += FACTOR_COLUMNS) {
        float16 factor, minimum_factor;
        factors_of_rows(factors, &factor, &minimum_factor);
        factors += FACTOR_BYTES;
        for (uint g = 0; g < FACTOR_COLUMNS / GROUP_COLUMNS; ++g) {
            prefetch_ahead(group, GROUP_QUANT_BYTES);
            prefetch_ahead(group_scales, GROUP_SCALE_BYTES);
            float16 scales[GROUP_SCALES], minima[GROUP_SCALES];
            scales_of_rows(group_scales, factor, minimum_factor, scales, minima);
            dot_group(group, scales, minima, inputs, x, x_scales, x_corrections, sums);
            group += GROUP_QUANT_BYTES;
            group_scales += GROUP_SCALE_BYTES;
            x += GROUP_COLUMNS / 4;
            x_scales += 2;
            x_corrections += 2;
        }
    }
    #pragma unroll
    for (uint t = 0; t < VECTOR_TOKENS; ++t)
        products[t] = sums[t];
}

CHAINED_KERNEL SINGLE_ITEM
void PRODUCT_NAME(gemv_int8)(
    ITEM_PARAMETER MATMUL_PARAMETERS EXPERT_PARAMETERS, const uint item_columns, __local uint *quantised)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint value_rows = gated ? weight_rows / 2 : weight_rows;
    const uint columns = value_rows / EXPERT_COUNT;
    const uint first_row = GEMV_EXPERT * columns;
    const uint first = (uint)ITEM(0) * item_columns;
    const uint end = min(columns, first + item_columns);
    for (uint t = 0; t < (GEMV_QUANTISES ? VECTOR_TOKENS : 0); ++t)
        quantise_row(x + x_offset + (ulong)GEMV_INPUT_ROW(t) * x_stride, inputs, quantised + t * QUANTISED_WORDS);

    for (uint column = first; column < end; column += BLOCK_ROWS) {
        float16 products[2][VECTOR_TOKENS];
        for (uint part = 0; part <= gated; ++part)
            dot_row_block(ROW_BLOCK(first_row + part * value_rows + column), quantised, inputs, products[part]);
        for (uint t = 0; t < min(tokens, (uint)VECTOR_TOKENS); ++t)
            APPLY_EPILOGUE16(
                products[0][t], gated ? products[1][t] : (float16)(0.0f), GEMV_OUTPUT_ROW(t), column);
    }
}
