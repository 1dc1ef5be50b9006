// Matrix products of one instruction set: rows of weights against few tokens, and packed panels against many.
#pragma once

// ---- Few tokens: T dot products with each of R rows at a time, everything in registers, weights read once.

// R * T sums; the order of additions in one sum does not depend on R.
INLINE void dot_block(
    const int format, const int R, const int T, const char *rows, int64_t row_bytes, const float *scales,
    const float *x, int64_t ldx, int64_t columns, float *y, int64_t ldy) {
    vf sums[4][MAX_ROW_TOKENS];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int t = 0; t < T; t++) sums[r][t] = splat(0);
    int64_t k = 0;
    for (; k + VL <= columns; k += VL) {
        vf w[4];
        UNROLL for (int r = 0; r < R; r++) w[r] = load_as_float(format, rows + r * row_bytes, k);
        UNROLL for (int t = 0; t < T; t++) {
            vf tokens = load(x + t * ldx + k);
            UNROLL for (int r = 0; r < R; r++) sums[r][t] = fma_v(w[r], tokens, sums[r][t]);
        }
    }
    if (k < columns) {
        vf w[4];
        UNROLL for (int r = 0; r < R; r++)
            w[r] = load_part_as_float(format, rows + r * row_bytes, k, columns - k);
        UNROLL for (int t = 0; t < T; t++) {
            vf tokens = load_part(x + t * ldx + k, columns - k);
            UNROLL for (int r = 0; r < R; r++) sums[r][t] = fma_v(w[r], tokens, sums[r][t]);
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int t = 0; t < T; t++) {
            float sum = sum_lanes(sums[r][t]);
            y[t * ldy + r] = format == CPUK_I8 ? sum * scales[r] : sum;
        }
}

// One token: two sums a row hide the latency of the additions.
INLINE void dot_block_single(
    const int format, const int R, const char *rows, int64_t row_bytes, const float *scales, const float *x,
    int64_t columns, float *y) {
    vf sums[4][2];
    UNROLL for (int r = 0; r < R; r++) sums[r][0] = sums[r][1] = splat(0);
    int64_t k = 0;
    for (; k + 2 * VL <= columns; k += 2 * VL) {
        UNROLL for (int u = 0; u < 2; u++) {
            vf token = load(x + k + u * VL);
            UNROLL for (int r = 0; r < R; r++)
                sums[r][u] = fma_v(load_as_float(format, rows + r * row_bytes, k + u * VL), token, sums[r][u]);
        }
    }
    for (; k < columns; k += VL) {
        int64_t count = columns - k < VL ? columns - k : VL;
        vf token = load_part(x + k, count);
        UNROLL for (int r = 0; r < R; r++)
            sums[r][0] = fma_v(load_part_as_float(format, rows + r * row_bytes, k, count), token, sums[r][0]);
    }
    UNROLL for (int r = 0; r < R; r++) {
        float sum = sum_lanes(sums[r][0] + sums[r][1]);
        y[r] = format == CPUK_I8 ? sum * scales[r] : sum;
    }
}

// Rows at a time for T tokens: as many as leave room in the registers for a vector of weights each.
#define ROWS_FOR(T) \
    ((VECTOR_REGISTERS - 6) / (T) >= 4 ? 4 : (VECTOR_REGISTERS - 6) / (T) < 1 ? 1 : (VECTOR_REGISTERS - 6) / (T))

#define SCALES_AT(r) (format == CPUK_I8 ? scales + (r) : NULL)

INLINE void dot_rows_of(
    const int format, const int T, const char *rows, int64_t row_bytes, const float *scales, int64_t count,
    const float *x, int64_t ldx, int64_t columns, float *y, int64_t ldy) {
    const int R = ROWS_FOR(T);
    int64_t r = 0;
    if (T == 1) {
        for (; r + 4 <= count; r += 4)
            dot_block_single(format, 4, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, columns, y + r);
        for (; r < count; r++)
            dot_block_single(format, 1, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, columns, y + r);
        return;
    }
    for (; r + R <= count; r += R)
        dot_block(format, R, T, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, ldx, columns, y + r, ldy);
    for (; r < count; r++)
        dot_block(format, 1, T, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, ldx, columns, y + r, ldy);
}

#define DOT_ROWS_CASE(T) \
    case T: dot_rows_of(format, T, rows, row_bytes, scales, count, x, ldx, columns, y, ldy); return;
#define DOT_ROWS_FORMAT(name, format_value)                                                                          \
    static void name(                                                                                                \
        const char *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x, int64_t ldx,        \
        int64_t tokens, int64_t columns, float *y, int64_t ldy) {                                                    \
        const int format = format_value;                                                                             \
        switch (tokens) {                                                                                            \
            DOT_ROWS_CASE(1) DOT_ROWS_CASE(2) DOT_ROWS_CASE(3) DOT_ROWS_CASE(4)                                      \
            DOT_ROWS_CASE(5) DOT_ROWS_CASE(6) DOT_ROWS_CASE(7) DOT_ROWS_CASE(8)                                      \
        default: return;                                                                                             \
        }                                                                                                            \
    }
DOT_ROWS_FORMAT(dot_rows_f32, CPUK_F32)
DOT_ROWS_FORMAT(dot_rows_bf16, CPUK_BF16)
DOT_ROWS_FORMAT(dot_rows_f16, CPUK_F16)
DOT_ROWS_FORMAT(dot_rows_i8, CPUK_I8)

static void dot_rows(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x,
    int64_t ldx, int64_t tokens, int64_t columns, float *y, int64_t ldy) {
    switch (format) {
    case CPUK_F32: dot_rows_f32(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_BF16: dot_rows_bf16(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_F16: dot_rows_f16(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_I8: dot_rows_i8(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    }
}

// ---- Many tokens: panels of PANEL_TOKENS x PANEL_ROWS outputs held in registers.

enum { PANEL_VECTORS = 2, PANEL_ROWS = PANEL_VECTORS * VL };
#if VECTOR_REGISTERS >= 32 && VL == 16
enum { PANEL_TOKENS = 14 };
#elif VECTOR_REGISTERS >= 32
enum { PANEL_TOKENS = 12 };
#else
enum { PANEL_TOKENS = 6 };
#endif

INLINE void pack_rows_of(
    const int format, const char *rows, int64_t row_bytes, const float *scales, int64_t count, int64_t columns,
    float *panel, int64_t first) {
    for (int64_t r = 0; r < count; r += VL) {
        int lanes = count - r < VL ? (int)(count - r) : VL;
        for (int64_t k = 0; k < columns; k += VL) {
            int64_t width = columns - k < VL ? columns - k : VL;
            vf square[VL];
            for (int i = 0; i < VL; i++) {
                const char *row = rows + (r + (i < lanes ? i : lanes - 1)) * row_bytes;
                square[i] = width == VL ? load_as_float(format, row, k) : load_part_as_float(format, row, k, width);
                if (format == CPUK_I8) square[i] *= scales[r + (i < lanes ? i : lanes - 1)];
            }
            transpose(square);
            float *out = panel + k * PANEL_ROWS + first + r;
            if (lanes == VL)
                for (int64_t i = 0; i < width; i++) store(out + i * PANEL_ROWS, square[i]);
            else
                for (int64_t i = 0; i < width; i++) store_part(out + i * PANEL_ROWS, square[i], lanes);
        }
    }
}

static void pack_rows(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, int64_t columns,
    float *panel, int64_t first) {
    switch (format) {
    case CPUK_F32: pack_rows_of(CPUK_F32, rows, row_bytes, scales, count, columns, panel, first); return;
    case CPUK_BF16: pack_rows_of(CPUK_BF16, rows, row_bytes, scales, count, columns, panel, first); return;
    case CPUK_F16: pack_rows_of(CPUK_F16, rows, row_bytes, scales, count, columns, panel, first); return;
    case CPUK_I8: pack_rows_of(CPUK_I8, rows, row_bytes, scales, count, columns, panel, first); return;
    }
}

static void pack_tokens(const float *x, int64_t ldx, int64_t tokens, int64_t columns, float *panel) {
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t k = 0; k < columns; k++) panel[k * tokens + t] = x[t * ldx + k];
}

// c[i * ldc + j] (+)= sum_k x[i * row_step + k * k_step] * w[k * ldw + j], i < M, j < NV * VL
INLINE void multiply_block(
    const int M, const int NV, const int64_t row_step, const int64_t k_step, const bool accumulate, const float *x,
    const float *w, int64_t ldw, int64_t depth, float *c, int64_t ldc) {
    vf sums[16][PANEL_VECTORS];
    UNROLL for (int i = 0; i < M; i++)
        UNROLL for (int v = 0; v < NV; v++) sums[i][v] = accumulate ? load(c + i * ldc + v * VL) : splat(0);
    for (int64_t k = 0; k < depth; k++) {
        vf weights[PANEL_VECTORS];
        UNROLL for (int v = 0; v < NV; v++) weights[v] = load(w + k * ldw + v * VL);
        UNROLL for (int i = 0; i < M; i++) {
            vf token = splat(x[i * row_step + k * k_step]);
            UNROLL for (int v = 0; v < NV; v++) sums[i][v] = fma_v(token, weights[v], sums[i][v]);
        }
    }
    UNROLL for (int i = 0; i < M; i++)
        UNROLL for (int v = 0; v < NV; v++) store(c + i * ldc + v * VL, sums[i][v]);
}

#define MULTIPLY_CASE(M) \
    case M: multiply_block(M, PANEL_VECTORS, 1, M, false, x, panel, PANEL_ROWS, columns, y, ldy); return;
static void multiply_panels(
    const float *x, int64_t tokens, const float *panel, int64_t columns, float *y, int64_t ldy) {
    switch (tokens) {
        MULTIPLY_CASE(1) MULTIPLY_CASE(2) MULTIPLY_CASE(3) MULTIPLY_CASE(4) MULTIPLY_CASE(5) MULTIPLY_CASE(6)
#if VECTOR_REGISTERS >= 32
        MULTIPLY_CASE(7) MULTIPLY_CASE(8) MULTIPLY_CASE(9) MULTIPLY_CASE(10) MULTIPLY_CASE(11) MULTIPLY_CASE(12)
#if VL == 16
        MULTIPLY_CASE(13) MULTIPLY_CASE(14)
#endif
#endif
    default: return;
    }
}

// ---- Epilogue

INLINE vf finish_v(
    const epilogue *e, const int activation, vf y, vf up, vf bias, vf gate_bias, bool has_residual, vf residual) {
    vf value = activate_v(activation, y + bias);
    if (e->gated) value *= up + gate_bias;
    return has_residual ? value + residual : value;
}

INLINE void finish_row_of(
    const epilogue *e, const int activation, int64_t n0, int64_t count, const float *y, const float *up,
    const float *residual, float *output) {
    const vf zero = splat(0);
    int64_t n = 0;
    for (; n + VL <= count; n += VL) {
        vf bias = e->bias ? load(e->bias + n0 + n) : zero;
        vf gate_bias = e->gated && e->gate_bias ? load(e->gate_bias + n0 + n) : zero;
        vf other = e->gated ? load(up + n) : zero;
        vf before = residual ? load(residual + n) : zero;
        store(output + n, finish_v(e, activation, load(y + n), other, bias, gate_bias, residual, before));
    }
    if (n < count) {
        int64_t rest = count - n;
        vf bias = e->bias ? load_part(e->bias + n0 + n, rest) : zero;
        vf gate_bias = e->gated && e->gate_bias ? load_part(e->gate_bias + n0 + n, rest) : zero;
        vf other = e->gated ? load_part(up + n, rest) : zero;
        vf before = residual ? load_part(residual + n, rest) : zero;
        vf value = finish_v(e, activation, load_part(y + n, rest), other, bias, gate_bias, residual, before);
        store_part(output + n, value, rest);
    }
}

static void finish_row(
    const epilogue *e, int64_t n0, int64_t count, const float *y, const float *up, const float *residual,
    float *output) {
    switch (e->activation) {
    case CPUK_IDENTITY: finish_row_of(e, CPUK_IDENTITY, n0, count, y, up, residual, output); return;
    case CPUK_GELU_TANH: finish_row_of(e, CPUK_GELU_TANH, n0, count, y, up, residual, output); return;
    case CPUK_GELU_ERF: finish_row_of(e, CPUK_GELU_ERF, n0, count, y, up, residual, output); return;
    case CPUK_SILU: finish_row_of(e, CPUK_SILU, n0, count, y, up, residual, output); return;
    case CPUK_RELU: finish_row_of(e, CPUK_RELU, n0, count, y, up, residual, output); return;
    }
}
