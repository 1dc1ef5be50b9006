// Matrix products of one instruction set.
//
// Weights are read as they are: each sum is a dot product of a row and a token, R x T of them in registers at a
// time, so that R + T loads feed R * T multiply-adds. Weights and activations are both contiguous along K, so
// nothing is packed, and narrow formats are widened in registers.
#pragma once

enum { MAX_BLOCK_ROWS = 4, MAX_BLOCK_SUMS = 32, LINE_BYTES = 64 };
// Rows at a time for T tokens: their sums, a vector of weights each and one of activations fit the registers. One
// token takes one row: a single stream of addresses is what the hardware prefetches best.
#if VECTOR_REGISTERS >= 32
#define ROWS_FOR(T) ((T) == 1 ? 1 : (T) <= 6 ? 4 : 3)
enum { GROUP_TOKENS = 6 };
#else
#define ROWS_FOR(T) ((T) == 1 ? 1 : (T) <= 2 ? 4 : (T) == 3 ? 3 : (T) <= 5 ? 2 : 1)
enum { GROUP_TOKENS = 5 };
#endif

// Lane sums of `count` vectors. `sums` holds whole groups of VL; the rest of the last group is zero.
INLINE void sum_groups(const int count, vf *sums, float *totals) {
    UNROLL for (int i = 0; i < count; i += VL) store(totals + i, sum_each(sums + i));
}

INLINE void dot_step(
    const int format, const int R, const int T, const char *rows, int64_t row_bytes, const float *x, int64_t ldx,
    int64_t k, vf *sums) {
    vf w[MAX_BLOCK_ROWS];
    UNROLL for (int r = 0; r < R; r++) w[r] = load_as_float(format, rows + r * row_bytes, k);
    UNROLL for (int t = 0; t < T; t++) {
        vf tokens = load(x + t * ldx + k);
        UNROLL for (int r = 0; r < R; r++) sums[t * R + r] = fma_v(w[r], tokens, sums[t * R + r]);
    }
}

// The next R rows lie behind these R: bring as many of their bytes into the second-level cache as a step reads of
// these, in order of address, which is what the hardware then runs ahead of. One row at a time is such a stream by
// itself, and hints only slow it down.
INLINE void prefetch_next(const int format, const int R, const char *rows, int64_t row_bytes, int64_t k) {
    const int bytes = R * VL * (int)format_bytes(format);
    if (R == 1) return;
    UNROLL for (int i = 0; i < bytes; i += LINE_BYTES)
        __builtin_prefetch(rows + R * row_bytes + k * R * format_bytes(format) + i, 0, 1);
}

// R * T sums in registers. The order of additions within one sum depends on neither R nor T, so a token's result is
// the same alone and among others.
INLINE void dot_block(
    const int format, const int R, const int T, const char *rows, int64_t row_bytes, const float *scales,
    const float *x, int64_t ldx, int64_t columns, float *y, int64_t ldy) {
    enum { STEPS = 4 };
    vf sums[MAX_BLOCK_SUMS];
    UNROLL for (int i = 0; i < MAX_BLOCK_SUMS; i++) sums[i] = splat(0);
    int64_t k = 0;
    if (R == 1) {
        for (; k + STEPS * VL <= columns; k += STEPS * VL)
            UNROLL for (int step = 0; step < STEPS; step++)
                dot_step(format, R, T, rows, row_bytes, x, ldx, k + step * VL, sums);
    }
    for (; k + VL <= columns; k += VL) {
        dot_step(format, R, T, rows, row_bytes, x, ldx, k, sums);
        prefetch_next(format, R, rows, row_bytes, k);
    }
    if (k < columns) {
        vf w[MAX_BLOCK_ROWS];
        UNROLL for (int r = 0; r < R; r++)
            w[r] = load_part_as_float(format, rows + r * row_bytes, k, columns - k);
        UNROLL for (int t = 0; t < T; t++) {
            vf tokens = load_part(x + t * ldx + k, columns - k);
            UNROLL for (int r = 0; r < R; r++) sums[t * R + r] = fma_v(w[r], tokens, sums[t * R + r]);
        }
    }
    float totals[MAX_BLOCK_SUMS];
    if (R * T == 1) totals[0] = sum_lanes(sums[0]);
    else sum_groups(R * T, sums, totals);
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int r = 0; r < R; r++)
            y[t * ldy + r] = format == CPUK_I8 ? totals[t * R + r] * scales[r] : totals[t * R + r];
}

#define SCALES_AT(r) (format == CPUK_I8 ? scales + (r) : NULL)

INLINE void dot_rows_of(
    const int format, const int T, const char *rows, int64_t row_bytes, const float *scales, int64_t count,
    const float *x, int64_t ldx, int64_t columns, float *y, int64_t ldy) {
    const int R = ROWS_FOR(T);
    int64_t r = 0;
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
DOT_ROWS_FORMAT(dot_rows_q8_0, CPUK_Q8_0)

// Blocks take 4, 2 or 1 tokens at a time: each more would be another copy of the code for every format.
#define DOT_BLOCKS_FORMAT(name, format)                                                                              \
    static void name(                                                                                                \
        const char *rows, int64_t row_bytes, int64_t count, const float *x, int64_t ldx, int64_t tokens,             \
        int64_t columns, float *y, int64_t ldy) {                                                                    \
        int64_t t = 0;                                                                                               \
        for (; t + 4 <= tokens; t += 4)                                                                              \
            dot_rows_of(format, 4, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);       \
        for (; t + 2 <= tokens; t += 2)                                                                              \
            dot_rows_of(format, 2, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);       \
        if (t < tokens)                                                                                              \
            dot_rows_of(format, 1, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);       \
    }
DOT_BLOCKS_FORMAT(dot_rows_q4_0, CPUK_Q4_0)
DOT_BLOCKS_FORMAT(dot_rows_q4_1, CPUK_Q4_1)
DOT_BLOCKS_FORMAT(dot_rows_q5_0, CPUK_Q5_0)
DOT_BLOCKS_FORMAT(dot_rows_q5_1, CPUK_Q5_1)
DOT_BLOCKS_FORMAT(dot_rows_q2_k, CPUK_Q2_K)
DOT_BLOCKS_FORMAT(dot_rows_q3_k, CPUK_Q3_K)
DOT_BLOCKS_FORMAT(dot_rows_q4_k, CPUK_Q4_K)
DOT_BLOCKS_FORMAT(dot_rows_q5_k, CPUK_Q5_K)
DOT_BLOCKS_FORMAT(dot_rows_q6_k, CPUK_Q6_K)
DOT_BLOCKS_FORMAT(dot_rows_iq4_nl, CPUK_IQ4_NL)
DOT_BLOCKS_FORMAT(dot_rows_iq4_xs, CPUK_IQ4_XS)

static void dot_rows(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x,
    int64_t ldx, int64_t tokens, int64_t columns, float *y, int64_t ldy) {
    switch (format) {
    case CPUK_F32: dot_rows_f32(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_BF16: dot_rows_bf16(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_F16: dot_rows_f16(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_I8: dot_rows_i8(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q8_0: dot_rows_q8_0(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q4_0: dot_rows_q4_0(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q4_1: dot_rows_q4_1(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q5_0: dot_rows_q5_0(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q5_1: dot_rows_q5_1(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q2_K: dot_rows_q2_k(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q3_K: dot_rows_q3_k(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q4_K: dot_rows_q4_k(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q5_K: dot_rows_q5_k(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_Q6_K: dot_rows_q6_k(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_IQ4_NL: dot_rows_iq4_nl(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
    case CPUK_IQ4_XS: dot_rows_iq4_xs(rows, row_bytes, count, x, ldx, tokens, columns, y, ldy); return;
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
