// GEMV with FP32 activations. (The word for few tokens; here up to 8.)
//
// Weights are read where they lie. Each sum is a dot product of a row and a token; R x T of them are in registers at a
// time, so that R + T loads feed R * T multiply-adds. Weights and activations are both contiguous along K, so nothing
// is packed, and narrow formats are dequantised in registers.
#pragma once
#include "../formats/dequantise.h"
#include "matmul.h"

enum { MAX_BLOCK_ROWS = 4, MAX_BLOCK_SUMS = 32, LINE_BYTES = 64 };
// The number of rows at a time for T tokens. Their sums, a vector of weights each and one of activations fit the
// registers. With one token it is one row: the hardware prefetches a single stream of addresses best.
INLINE int rows_for(const int T) {
    if (VECTOR_REGISTERS >= 32) return T == 1 ? 1 : T <= 6 ? 4 : 3;
    return T == 1 ? 1 : T <= 2 ? 4 : T == 3 ? 3 : T <= 5 ? 2 : 1;
}
/// The number of tokens with the fewest loads for each product.
enum { GEMV_TOKENS = VECTOR_REGISTERS >= 32 ? 6 : 5 };

// The sums of the lanes of `count` vectors. `sums` holds whole groups of VL; the rest of the last group is zero.
INLINE void sum_groups(const int count, vf *sums, float *totals) {
    UNROLL for (int i = 0; i < count; i += VL) store(totals + i, sum_each(sums + i));
}

INLINE void dot_step(
    const int format, const int R, const int T, const char *rows, int64_t row_bytes, const float *x, int64_t ldx,
    int64_t k, vf *sums) {
    vf w[MAX_BLOCK_ROWS];
    UNROLL for (int r = 0; r < R; r++) w[r] = dequantise(format, rows + r * row_bytes, k);
    UNROLL for (int t = 0; t < T; t++) {
        vf tokens = load(x + t * ldx + k);
        UNROLL for (int r = 0; r < R; r++) sums[t * R + r] = fma_v(w[r], tokens, sums[t * R + r]);
    }
}

// The next R rows lie behind these R: bring as many of their bytes into the second-level cache as a step reads of
// these, in order of address, which is what the hardware then runs ahead of. One row at a time is such a stream by
// itself.
INLINE void prefetch_next(const int format, const int R, const char *rows, int64_t row_bytes, int64_t k) {
    const int bytes = R * VL * (int)format_bytes(format);
    if (R == 1) return;
    UNROLL for (int i = 0; i < bytes; i += LINE_BYTES)
        __builtin_prefetch(rows + R * row_bytes + k * R * format_bytes(format) + i, 0, 1);
}

// How far ahead of one row at a time its bytes are brought into the second-level cache; 0: not at all. Intel's servers
// read faster so (Emerald Rapids, one core: F32 10.3 to 11.6 GB/s in rows of 576, BF16 6.2 to 7.1; half as far gains as
// much, into the first-level cache less). On Zen 4 hints only slow the stream down.
INLINE int64_t bytes_ahead(void) {
#if defined(SIMD_AVX512)
    return __builtin_cpu_is("intel") ? 8192 : 0;
#else
    return 0;
#endif
}

INLINE void prefetch_stream(const int format, const int steps, const char *row, int64_t k, int64_t ahead) {
    if (ahead == 0 || number_format_block_size(format) > 1) return;
    const int bytes = steps * VL * (int)format_bytes(format);
    UNROLL for (int i = 0; i < bytes; i += LINE_BYTES)
        __builtin_prefetch(row + k * (int)format_bytes(format) + ahead + i, 0, 2);
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
        const int64_t ahead = bytes_ahead();
        for (; k + STEPS * VL <= columns; k += STEPS * VL) {
            UNROLL for (int step = 0; step < STEPS; step++)
                dot_step(format, R, T, rows, row_bytes, x, ldx, k + step * VL, sums);
            prefetch_stream(format, STEPS, rows, k, ahead);
        }
    }
    for (; k + VL <= columns; k += VL) {
        dot_step(format, R, T, rows, row_bytes, x, ldx, k, sums);
        prefetch_next(format, R, rows, row_bytes, k);
    }
    if (k < columns) {
        vf w[MAX_BLOCK_ROWS];
        UNROLL for (int r = 0; r < R; r++)
            w[r] = dequantise_part(format, rows + r * row_bytes, k, columns - k);
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

// Row scales, which only CPUK_I8 has.
#define SCALES_AT(r) (format == CPUK_I8 ? scales + (r) : NULL)

INLINE void gemv_of(
    const int format, const int T, const char *rows, int64_t row_bytes, const float *scales, int64_t count,
    const float *x, int64_t ldx, int64_t columns, float *y, int64_t ldy) {
    const int R = rows_for(T);
    int64_t r = 0;
    for (; r + R <= count; r += R)
        dot_block(format, R, T, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, ldx, columns, y + r, ldy);
    for (; r < count; r++)
        dot_block(format, 1, T, rows + r * row_bytes, row_bytes, SCALES_AT(r), x, ldx, columns, y + r, ldy);
}

// Formats without blocks have a copy of the code for each number of tokens.
#define TOKENS_CASE(T) \
    case T: gemv_of(format, T, rows, row_bytes, scales, count, x, ldx, columns, y, ldy); return;
#define DEFINE_GEMV(name, format_value)                                                                               \
    static void name(                                                                                                 \
        const char *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x, int64_t ldx,         \
        int64_t tokens, int64_t columns, float *y, int64_t ldy) {                                                     \
        const int format = format_value;                                                                              \
        switch (tokens) {                                                                                             \
            TOKENS_CASE(1) TOKENS_CASE(2) TOKENS_CASE(3) TOKENS_CASE(4)                                               \
            TOKENS_CASE(5) TOKENS_CASE(6) TOKENS_CASE(7) TOKENS_CASE(8)                                               \
        default: return;                                                                                              \
        }                                                                                                             \
    }
#define DEFINE_GEMV_OF_VALUES(ID, ...) DEFINE_GEMV(gemv_##ID, CPUK_##ID)
NUMBER_FORMATS_OF_VALUES(DEFINE_GEMV_OF_VALUES)
// Q8_0 too: its blocks are dequantised so quickly that the number of tokens matters.
DEFINE_GEMV(gemv_q8_0_all, CPUK_Q8_0)

// Other blocks take 4, 2 or 1 tokens at a time: each further number would be another copy of the code for every format.
#define DEFINE_GEMV_OF_BLOCKS(ID, ...)                                                                                \
    static inline void gemv_##ID(                                                                                     \
        const char *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x, int64_t ldx,         \
        int64_t tokens, int64_t columns, float *y, int64_t ldy) {                                                     \
        if (CPUK_##ID == CPUK_Q8_0) {                                                                                 \
            gemv_q8_0_all(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy);                           \
            return;                                                                                                   \
        }                                                                                                             \
        int64_t t = 0;                                                                                                \
        for (; t + 4 <= tokens; t += 4)                                                                               \
            gemv_of(CPUK_##ID, 4, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);         \
        for (; t + 2 <= tokens; t += 2)                                                                               \
            gemv_of(CPUK_##ID, 2, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);         \
        if (t < tokens)                                                                                               \
            gemv_of(CPUK_##ID, 1, rows, row_bytes, NULL, count, x + t * ldx, ldx, columns, y + t * ldy, ldy);         \
    }
NUMBER_FORMATS_OF_BLOCKS(DEFINE_GEMV_OF_BLOCKS)

#define GEMV_CASE(ID, ...)                                                                                            \
    case CPUK_##ID: gemv_##ID(rows, row_bytes, scales, count, x, ldx, tokens, columns, y, ldy); return;
// Not inlined: where the compiler sees how `ldx` was divided, it uses registers for addresses that the sums need.
static __attribute__((noinline)) void multiply_floats(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x,
    int64_t ldx, int64_t tokens, int64_t columns, float *y, int64_t ldy) {
    switch (format) {
        NUMBER_FORMATS_OF_VALUES(GEMV_CASE)
        NUMBER_FORMATS_OF_BLOCKS(GEMV_CASE)
    default: return;
    }
}
#undef GEMV_CASE

static void multiply_few(
    cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
    int64_t tokens, float *y, int64_t ldy) {
    const int64_t ldx = x->stride / (int64_t)sizeof(float);
    multiply_floats(
        format, rows, row_bytes, scales, count, (const float *)x->data, ldx, tokens, x->columns, y, ldy);
}

static bool supports_gemv(cpuk_format format, int64_t tokens) {
    (void)format;
    (void)tokens;
    return true;
}

static const gemv_kernel gemv = {.tokens = GEMV_TOKENS, .multiply = multiply_few};
