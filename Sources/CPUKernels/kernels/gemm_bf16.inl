// GEMM with activations (and FP32 weights) rounded to BF16, two products at a time into FP32 sums (AVX512_BF16).
//
//     panel of A, 16 tokens     t0: k0 k1 | t1: k0 k1 | … | t15: k0 k1     64 bytes: a pair of columns of each token
//                               t0: k2 k3 | …                              and so on
//     panel of B                lines of 32 columns (packed_panels.inl)
#pragma once
#include "packed_panels.inl"
#include <immintrin.h>

enum {
    /// Columns of a line.
    STEP = 2 * VL,
    KC = 2048,
    /// Fewer tokens than this are faster by GEMV (measured): reading weights takes longer than multiplying.
    MIN_GEMM_TOKENS = 9,
};

INLINE __m512i round_to_pairs(const float *x, int64_t count) {
    const __mmask32 mask = count >= STEP ? ~0u : (1u << count) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> VL), x + VL);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// ---- A

static inline int64_t packed_a_bytes(int64_t columns) { return (columns + STEP - 1) / STEP * STEP * VL * 2; }

static void pack_a(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *panel) {
    (void)format;
    for (int64_t k = begin; k < end; k += STEP) {
        vf square[VL];
        UNROLL for (int t = 0; t < VL; t++)
            square[t] = t < tokens ? (vf)round_to_pairs(x + t * ldx + k, columns - k) : splat(0);
        transpose(square);
        UNROLL for (int i = 0; i < VL; i++) store((float *)panel + (k / 2 + i) * VL, square[i]);
    }
}

// ---- B

INLINE void pack_b_of(const int format, const weight_rows *rows, int64_t begin, int64_t depth, char *packed) {
    for (int64_t r = 0; r < rounded_rows(rows); r++) {
        const char *row = row_of(rows, r);
        for (int64_t k = 0; k < depth; k += STEP) {
            const int64_t rest = rows->columns - begin - k;
            const __m512i line = format == CPUK_F32
                ? round_to_pairs((const float *)row + begin + k, rest)
                : _mm512_maskz_loadu_epi16(rest >= STEP ? ~0u : (1u << rest) - 1, row + (begin + k) * 2);
            _mm512_storeu_si512(packed + k / STEP * LINES_STRIDE + r * LINE, line);
        }
    }
}

static void pack_b(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    if (rows->format == CPUK_F32) pack_b_of(CPUK_F32, rows, begin, depth, packed);
    else pack_b_of(CPUK_BF16, rows, begin, depth, packed);
}

// ---- Products

static void micro_kernel(
    const char *lines, const char *panel, int64_t steps, bool accumulate, prefetcher *ahead, float *products) {
    vf sums[TRANSPOSED_ROWS];
    UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) sums[r] = accumulate ? load(products + r * VL) : splat(0);
    for (int64_t step = 0; step < steps; step++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < VL; pair++) {
            const __m512bh tokens = (__m512bh)_mm512_loadu_si512(panel + pair * LINE);
            UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) {
                int32_t both;
                memcpy(&both, lines + r * LINE + pair * 4, sizeof both);
                sums[r] = _mm512_dpbf16_ps(sums[r], tokens, (__m512bh)_mm512_set1_epi32(both));
            }
        }
        lines += LINES_STRIDE;
        panel += VL * LINE;
    }
    UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) store(products + r * VL, sums[r]);
}

static void multiply(
    const weight_rows *rows, const void *packed, const packed_a *panels, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    const int64_t steps = (depth + STEP - 1) / STEP, tiles = rounded_rows(rows) / TRANSPOSED_ROWS;
    prefetcher next = prefetch_in(ahead, steps * tiles * count);
    for (int64_t s = 0; s < count; s++)
        for (int64_t r = 0; r < rounded_rows(rows); r += TRANSPOSED_ROWS)
            micro_kernel(
                (const char *)packed + r * LINE, panels->data + s * panels->stride + begin / 2 * LINE, steps,
                begin > 0, &next, products + s * PRODUCTS_STRIDE + r * VL);
}

static bool supports_gemm(cpuk_format format, int64_t tokens) {
    return (format == CPUK_BF16 || format == CPUK_F32) && tokens >= MIN_GEMM_TOKENS;
}

static const gemm_kernel gemm = {
    .panel_tokens = MR, .kc = KC, .packed_b_bytes = KC / STEP * LINES_STRIDE, .packing_tokens = MR / 4, .few_panels = 3,
    .packed_a_bytes = packed_a_bytes, .pack_a = pack_a, .pack_b = pack_b, .multiply = multiply,
    .transpose = transpose_products,
};
