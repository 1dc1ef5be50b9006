// Matrix products for CPU devices: one work-item a work-group, float16 registers, no barriers.
// Arguments up to `flags` as in matmul_common.cl.

// Features k ..< k + 16 of the row that starts at `row`, k a multiple of 16.
inline __attribute__((always_inline)) float16 load_weight16(__global const weight_t *row, const ulong k)
{
#if defined(WEIGHT_F32)
    return vload16(0, row + k);
#elif defined(WEIGHT_BF16)
    return as_float16(convert_uint16(vload16(0, row + k)) << 16);
#elif defined(WEIGHT_F16)
    return vload_half16(0, (__global const half *)(row + k));
#elif defined(WEIGHT_BLOCK_SIZE)
    return BLOCK_NAME(load16)(row, k);
#else
    return convert_float16(vload16(0, row + k));
#endif
}

// The first `count` elements at `p`, then zeros.
inline float16 load_partial16(__global const float *p, const uint count)
{
    if (count >= 16)
        return vload16(0, p);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = i < count ? p[i] : 0.0f;
    return vload16(0, lanes);
}

inline float16 load_partial_weight16(__global const weight_t *row, const uint k, const uint count)
{
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = i < count ? load_weight(row, k + i) : 0.0f;
    return vload16(0, lanes);
}

// Applies the epilogue to columns column ..< column + 16 of token `t` and stores those below `columns`.
// `y` holds the products of the columns, `value` those of rows P + column ..< P + column + 16 where gated.
inline void finish16(
    float16 y, float16 value, const uint t, const uint column, const uint columns,
    __global const float *scales, __global const float *bias, __global const float *residual,
    const uint residual_stride, __global float *out, const uint out_stride, const uint flags)
{
    const uint count = min(columns - column, 16u);
#if defined(WEIGHT_INT8)
    y *= load_partial16(scales + column, count);
    if (flags & EPILOGUE_GATED)
        value *= load_partial16(scales + columns + column, count);
#endif
    if (flags & EPILOGUE_BIAS) {
        y += load_partial16(bias + column, count);
        if (flags & EPILOGUE_GATED)
            value += load_partial16(bias + columns + column, count);
    }
    y = activate16(y, EPILOGUE_ACTIVATION(flags));
    if (flags & EPILOGUE_GATED)
        y *= value;
    if (flags & EPILOGUE_RESIDUAL)
        y += load_partial16(residual + (ulong)t * residual_stride + column, count);
    __global float *row = out + (ulong)t * out_stride + column;
    if (count == 16) {
        vstore16(y, 0, row);
    } else {
        float lanes[16];
        vstore16(y, 0, lanes);
        for (uint i = 0; i < count; ++i)
            row[i] = lanes[i];
    }
}

#define FINISH16(y, value, t, column)                                                                                  \
    finish16(y, value, t, column, columns, scales + scales_offset, bias + bias_offset, residual + residual_offset, \
             residual_stride, out + out_offset, out_stride, flags)

#if defined(VECTOR_TOKENS)
// matmul_vector_<format>: 1 to VECTOR_TOKENS tokens. Streams the weight once, at the memory's rate.
//
// Work-item i computes output columns i * item_columns ..< (i + 1) * item_columns (a multiple of 16) of all tokens,
// VECTOR_ROWS weight rows at a time. Geometry: global [ceil(P / item_columns)], local [1]. Local memory: none.
// Build macros: VECTOR_TOKENS (tokens above `tokens` repeat the last one), VECTOR_ROWS (a divisor of 16: rows at a
// time; one is a single stream, which prefetchers follow best), VECTOR_STEPS (16-feature steps with sums of their own,
// so that the adds do not wait for each other).

// Adds features k ..< k + 16 of all rows and tokens.
#define VECTOR_STEP(sums, k)                                                                                           \
    do {                                                                                                               \
        float16 xs[VECTOR_TOKENS];                                                                                     \
        _Pragma("unroll") for (uint t = 0; t < VECTOR_TOKENS; ++t) xs[t] = vload16(0, rows[t] + (k));                  \
        _Pragma("unroll") for (uint r = 0; r < VECTOR_ROWS; ++r)                                                       \
        {                                                                                                              \
            const float16 ws = load_weight16(w[r], (k));                                                               \
            _Pragma("unroll") for (uint t = 0; t < VECTOR_TOKENS; ++t) sums[r][t] = fma(ws, xs[t], sums[r][t]);        \
        }                                                                                                              \
    } while (0)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(matmul_vector)(MATMUL_PARAMETERS, const uint item_columns)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint columns = gated ? weight_rows / 2 : weight_rows;
    const uint first = (uint)get_global_id(0) * item_columns;
    const uint end = min(columns, first + item_columns);
    const uint whole = inputs & ~15u;
    const uint rest = inputs - whole;

    __global const float *rows[VECTOR_TOKENS];
    for (uint t = 0; t < VECTOR_TOKENS; ++t)
        rows[t] = x + x_offset + (ulong)min(t, tokens - 1) * x_stride;

    for (uint column = first; column < end; column += 16) {
        float products[VECTOR_TOKENS][32];
        for (uint block = 0; block < (gated ? 32u : 16u); block += VECTOR_ROWS) {
            __global const weight_t *w[VECTOR_ROWS];
            #pragma unroll
            for (uint r = 0; r < VECTOR_ROWS; ++r) {
                const uint lane = min(column + (block & 15u) + r, columns - 1);
                const uint row = block < 16 ? lane : columns + lane;
                w[r] = WEIGHT_ROW(row);
            }
            float16 sums[VECTOR_STEPS][VECTOR_ROWS][VECTOR_TOKENS];
            #pragma unroll
            for (uint i = 0; i < VECTOR_STEPS; ++i)
                #pragma unroll
                for (uint r = 0; r < VECTOR_ROWS; ++r)
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        sums[i][r][t] = 0.0f;
            uint k = 0;
#if defined(WEIGHT_BLOCK_SIZE)
            // Unrolled over a block: the compiler then knows where levels and scales lie and reads each scale once.
            for (; k < inputs; k += WEIGHT_BLOCK_SIZE)
                #pragma unroll
                for (uint i = 0; i < WEIGHT_BLOCK_SIZE / 16; ++i)
                    VECTOR_STEP(sums[i % VECTOR_STEPS], (ulong)(k / WEIGHT_BLOCK_SIZE) * WEIGHT_BLOCK_SIZE + i * 16);
#endif
            for (; k + VECTOR_STEPS * 16 <= inputs; k += VECTOR_STEPS * 16)
                #pragma unroll
                for (uint i = 0; i < VECTOR_STEPS; ++i)
                    VECTOR_STEP(sums[i], k + i * 16);
            for (; k < whole; k += 16)
                VECTOR_STEP(sums[0], k);
            if (rest) {
                #pragma unroll
                for (uint r = 0; r < VECTOR_ROWS; ++r) {
                    const float16 ws = load_partial_weight16(w[r], whole, rest);
                    #pragma unroll
                    for (uint t = 0; t < VECTOR_TOKENS; ++t)
                        sums[0][r][t] = fma(ws, load_partial16(rows[t] + whole, rest), sums[0][r][t]);
                }
            }
            #pragma unroll
            for (uint r = 0; r < VECTOR_ROWS; ++r)
                #pragma unroll
                for (uint t = 0; t < VECTOR_TOKENS; ++t) {
                    float16 sum = sums[0][r][t];
                    #pragma unroll
                    for (uint i = 1; i < VECTOR_STEPS; ++i)
                        sum += sums[i][r][t];
                    products[t][block + r] = sum16(sum);
                }
        }
        for (uint t = 0; t < min(tokens, (uint)VECTOR_TOKENS); ++t)
            FINISH16(vload16(0, products[t]), gated ? vload16(1, products[t]) : (float16)(0.0f), t, column);
    }
}
#endif

#if defined(PANEL_COLUMNS)
// matmul_panel_<format>: many tokens. A work-item packs PANEL_COLUMNS weight rows by PANEL_INPUTS features as FP32
// [32-row sub-panel][k][32] into local memory, which stays in its core's second-level cache, and runs its tokens over
// it, 8 tokens x 32 rows in sixteen float16 registers. Gated, a sub-panel is 16 gate rows and their 16 value rows.
//
// Work-item (i, j) computes sub-panels i * item_subpanels ..< (i + 1) * item_subpanels of tokens
// j * item_tokens ..< (j + 1) * item_tokens. Geometry: global [ceil(sub-panels / item_subpanels),
// ceil(T / item_tokens)], local [1, 1].
// Local memory: `panel` PANEL_COLUMNS * PANEL_INPUTS * 4 bytes; `partial` item_tokens * PANEL_COLUMNS * 4 bytes where
// K > PANEL_INPUTS (the sums so far; the output cannot hold them, as the residual may be the output), else 4 bytes.
// Build macros: PANEL_COLUMNS (a multiple of 32), PANEL_INPUTS (a multiple of 16).

// Packs 16 rows by `count` features: packed[k * 32 + row] = rows[row][k].
inline void pack16(__global const weight_t *const *rows, const uint k0, const uint count, __local float *packed)
{
    uint k = 0;
    for (; k + 16 <= count; k += 16) {
        float16 m[16];
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            m[r] = load_weight16(rows[r], k0 + k);
        transpose16(m);
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            vstore16(m[r], 0, packed + (k + r) * 32);
    }
    for (; k < count; ++k)
        for (uint r = 0; r < 16; ++r)
            packed[k * 32 + r] = load_weight(rows[r], k0 + k);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void MATMUL_NAME(matmul_panel)(
    MATMUL_PARAMETERS, const uint item_subpanels, const uint item_tokens, __local float *panel,
    __local float *partial)
{
    const uint gated = (flags & EPILOGUE_GATED) != 0;
    const uint columns = gated ? weight_rows / 2 : weight_rows;
    const uint subpanel_columns = gated ? 16 : 32;
    const uint subpanel_end = min(
        (columns + subpanel_columns - 1) / subpanel_columns, ((uint)get_global_id(0) + 1) * item_subpanels);
    const uint token_begin = (uint)get_global_id(1) * item_tokens;
    const uint token_end = min(tokens, token_begin + item_tokens);

    for (uint base = (uint)get_global_id(0) * item_subpanels; base < subpanel_end; base += PANEL_COLUMNS / 32) {
        const uint subpanels = min(subpanel_end - base, (uint)PANEL_COLUMNS / 32);
        for (uint k0 = 0; k0 < inputs; k0 += PANEL_INPUTS) {
            const uint count = min(inputs - k0, (uint)PANEL_INPUTS);
            for (uint half_index = 0; half_index < subpanels * 2; ++half_index) {
                __global const weight_t *rows[16];
                const uint column = (base + half_index / 2) * subpanel_columns + (gated ? 0 : (half_index & 1) * 16);
                for (uint r = 0; r < 16; ++r) {
                    const uint lane = min(column + r, columns - 1);
                    const uint row = gated && (half_index & 1) ? columns + lane : lane;
                    rows[r] = WEIGHT_ROW(row);
                }
                pack16(rows, k0, count, panel + half_index / 2 * (32 * PANEL_INPUTS) + (half_index & 1) * 16);
            }
            for (uint t0 = token_begin; t0 < token_end; t0 += 8) {
                __global const float *a[8];
                #pragma unroll
                for (uint t = 0; t < 8; ++t)
                    a[t] = x + x_offset + (ulong)min(t0 + t, tokens - 1) * x_stride + k0;
                for (uint s = 0; s < subpanels; ++s) {
                    __local const float *b = panel + s * (32 * PANEL_INPUTS);
                    __local float *sums = partial + ((t0 - token_begin) * subpanels + s * 8) * 32;
                    float16 c0[8], c1[8];
                    #pragma unroll
                    for (uint t = 0; t < 8; ++t) {
                        c0[t] = k0 ? vload16(2 * t, sums) : (float16)(0.0f);
                        c1[t] = k0 ? vload16(2 * t + 1, sums) : (float16)(0.0f);
                    }
                    for (uint k = 0; k < count; ++k) {
                        const float16 b0 = vload16(0, b + k * 32), b1 = vload16(1, b + k * 32);
                        #pragma unroll
                        for (uint t = 0; t < 8; ++t) {
                            const float16 value = (float16)(a[t][k]);
                            c0[t] = fma(value, b0, c0[t]);
                            c1[t] = fma(value, b1, c1[t]);
                        }
                    }
                    if (k0 + count < inputs) {
                        #pragma unroll
                        for (uint t = 0; t < 8; ++t) {
                            vstore16(c0[t], 2 * t, sums);
                            vstore16(c1[t], 2 * t + 1, sums);
                        }
                        continue;
                    }
                    const uint column = (base + s) * subpanel_columns;
                    #pragma unroll
                    for (uint t = 0; t < 8; ++t) {
                        if (t0 + t >= token_end)
                            continue;
                        FINISH16(c0[t], c1[t], t0 + t, column);
                        if (!gated && column + 16 < columns)
                            FINISH16(c1[t], c1[t], t0 + t, column + 16);
                    }
                }
            }
        }
    }
}
#endif
