// What the matrix products for CPU devices share: loads of 16 weights or activations, and the epilogue of 16 columns.

// Features k ..< k + 16 of the row that starts at `row`, k a multiple of 16.
static inline __attribute__((always_inline)) float16 load_weight16(__global const weight_t *row, const ulong k)
{
#if defined(WEIGHT_F32)
    return vload16(0, row + k);
#elif defined(WEIGHT_BF16)
    return as_float16(convert_uint16(vload16(0, row + k)) << 16);
#elif defined(WEIGHT_F16)
    return load16_f16((__global const half *)row, k);
#elif defined(WEIGHT_BLOCK_SIZE)
    return load16_block(row, k);
#else
    return convert_float16(vload16(0, row + k));
#endif
}

// The first `count` elements at `p`, then zeros.
static inline float16 load_partial16(__global const float *p, const uint count)
{
    if (count >= 16)
        return vload16(0, p);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = i < count ? p[i] : 0.0f;
    return vload16(0, lanes);
}

static inline float16 load_partial_weight16(__global const weight_t *row, const uint k, const uint count)
{
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = i < count ? load_weight(row, k + i) : 0.0f;
    return vload16(0, lanes);
}

// Applies the epilogue to columns column ..< column + 16 of token `t` and stores those below `columns`.
// `y` holds the products of the columns, `value` those of the rows `value_rows` further on where gated.
static inline void apply_epilogue16(
    float16 y, float16 value, const uint t, const uint column, const uint columns, const uint value_rows,
    __global const float *scales, __global const float *bias, __global const float *residual,
    const uint residual_stride, __global float *out, const uint out_stride, const uint flags)
{
    const uint count = min(columns - column, 16u);
#if defined(WEIGHT_INT8)
    y *= load_partial16(scales + column, count);
    if (flags & EPILOGUE_GATED)
        value *= load_partial16(scales + value_rows + column, count);
#endif
    if (flags & EPILOGUE_BIAS) {
        y += load_partial16(bias + column, count);
        if (flags & EPILOGUE_GATED)
            value += load_partial16(bias + value_rows + column, count);
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

// Reads a kernel's `first_row`, the expert's first row of the weight.
#define APPLY_EPILOGUE16(y, value, t, column)                                                                          \
    apply_epilogue16(y, value, t, column, columns, value_rows, scales + scales_offset + first_row,                     \
                     bias + bias_offset, residual + residual_offset, residual_stride, out + out_offset, out_stride,    \
                     flags)

// The 16 weight rows of one half of sub-panel `number`, 32 columns of the output; where gated 16 columns, of which the
// second half holds the up projection's rows. Reads a kernel's `gated`, `columns`, `first_row`, `value_rows` and
// `subpanel_columns`.
#define SUBPANEL_ROWS(rows, number, half)                                                                              \
    do {                                                                                                               \
        const uint first = (number) * subpanel_columns + (gated ? 0 : (half) * 16);                                    \
        for (uint r = 0; r < 16; ++r) {                                                                                \
            const uint row = first_row + min(first + r, columns - 1) + (gated && (half) ? value_rows : 0);             \
            rows[r] = WEIGHT_ROW(row);                                                                                 \
        }                                                                                                              \
    } while (0)

// The tile of a GEMM: TOKENS tokens by 32 columns. `first` and `second` are the sums of token `t`, expressions of `t`.
// Both macros read the variables of their kernel.
#define LOAD_PARTIAL_SUMS(TOKENS, first, second)                                                                       \
    do {                                                                                                               \
        _Pragma("unroll") for (uint t = 0; t < TOKENS; ++t)                                                            \
        {                                                                                                              \
            first = k0 ? vload16(2 * t, sums) : (float16)(0.0f);                                                       \
            second = k0 ? vload16(2 * t + 1, sums) : (float16)(0.0f);                                                  \
        }                                                                                                              \
    } while (0)

// Keeps the sums while features remain, or applies the epilogue to them after the last ones.
#define STORE_TILE(TOKENS, first, second)                                                                              \
    do {                                                                                                               \
        const uint column = (base + s) * subpanel_columns;                                                             \
        _Pragma("unroll") for (uint t = 0; t < TOKENS; ++t)                                                            \
        {                                                                                                              \
            if (k0 + count < inputs) {                                                                                 \
                vstore16(first, 2 * t, sums);                                                                          \
                vstore16(second, 2 * t + 1, sums);                                                                     \
            } else if (t0 + t >= token_begin && t0 + t < token_end) {                                                  \
                APPLY_EPILOGUE16(first, second, GEMM_OUTPUT_ROW(t0 + t), column);                                      \
                if (!gated && column + 16 < columns)                                                                   \
                    APPLY_EPILOGUE16(second, second, GEMM_OUTPUT_ROW(t0 + t), column + 16);                            \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)
