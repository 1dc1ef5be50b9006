// Products of BF16 weights with activations rounded to BF16, two at a time into FP32 sums. (AVX512_BF16: Cooper Lake,
// Sapphire Rapids and Zen 4 on.)
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c"))), apply_to = function)
#define VL 16
#define VECTOR_REGISTERS 32
#define HAS_FMA 1
#define HAS_F16 1
#include "simd.h"

#include "strip_kernels.h"

enum {
    /// Elements of a line.
    STEP = 2 * VL,
    PAIRS_DEPTH = 2048,
};

// Few tokens wait for the weights to come from memory: rounding would win nothing.
static bool takes(cpuk_format format, bool few) { return !few && (format == CPUK_BF16 || format == CPUK_F32); }

INLINE __m512i round_pairs(const float *x, int64_t count) {
    const __mmask32 mask = count >= STEP ? ~0u : (1u << count) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> VL), x + VL);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// ---- Activations: for each pair of columns a vector of the tokens' pairs

static int64_t strip_bytes(int64_t columns) { return (columns + STEP - 1) / STEP * STEP * VL * 2; }

static void make_strip(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *strip) {
    (void)format;
    for (int64_t k = begin; k < end; k += STEP) {
        vf square[VL];
        UNROLL for (int t = 0; t < VL; t++)
            square[t] = t < tokens ? (vf)round_pairs(x + t * ldx + k, columns - k) : splat(0);
        transpose(square);
        UNROLL for (int i = 0; i < VL; i++) store((float *)strip + (k / 2 + i) * VL, square[i]);
    }
}

// ---- Weights: pairs of columns, a line of each row beside those of the others

INLINE void expand_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, char *expanded) {
    for (int64_t r = 0; r < whole_rows(rows); r++) {
        const char *row = row_at(rows, r);
        for (int64_t k = 0; k < depth; k += STEP) {
            const int64_t rest = rows->columns - begin - k;
            const __m512i line = format == CPUK_F32
                ? round_pairs((const float *)row + begin + k, rest)
                : _mm512_maskz_loadu_epi16(rest >= STEP ? ~0u : (1u << rest) - 1, row + (begin + k) * 2);
            _mm512_storeu_si512(expanded + k / STEP * LINES_STRIDE + r * LINE, line);
        }
    }
}

static void expand(const panel_rows *rows, int64_t begin, int64_t depth, void *expanded) {
    if (rows->format == CPUK_F32) expand_of(CPUK_F32, rows, begin, depth, expanded);
    else expand_of(CPUK_BF16, rows, begin, depth, expanded);
}

// ---- Products

static void multiply_tile(
    const char *lines, const char *strip, int64_t steps, bool accumulate, prefetcher *ahead, float *products) {
    vf sums[TURNED_ROWS];
    UNROLL for (int r = 0; r < TURNED_ROWS; r++) sums[r] = accumulate ? load(products + r * VL) : splat(0);
    for (int64_t step = 0; step < steps; step++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < VL; pair++) {
            const __m512bh tokens = (__m512bh)_mm512_loadu_si512(strip + pair * LINE);
            UNROLL for (int r = 0; r < TURNED_ROWS; r++) {
                int32_t both;
                memcpy(&both, lines + r * LINE + pair * 4, sizeof both);
                sums[r] = _mm512_dpbf16_ps(sums[r], tokens, (__m512bh)_mm512_set1_epi32(both));
            }
        }
        lines += LINES_STRIDE;
        strip += VL * LINE;
    }
    UNROLL for (int r = 0; r < TURNED_ROWS; r++) store(products + r * VL, sums[r]);
}

static void multiply(
    const panel_rows *rows, const void *expanded, const activation_records *strips, int64_t count, int64_t begin,
    int64_t depth, read_ahead ahead, float *products) {
    const int64_t steps = (depth + STEP - 1) / STEP, tiles = whole_rows(rows) / TURNED_ROWS;
    prefetcher next = prefetch_in(ahead, steps * tiles * count);
    for (int64_t s = 0; s < count; s++)
        for (int64_t r = 0; r < whole_rows(rows); r += TURNED_ROWS)
            multiply_tile(
                (const char *)expanded + r * LINE, strips->data + s * strips->stride + begin / 2 * LINE, steps,
                begin > 0, &next, products + s * PRODUCTS_STRIDE + r * VL);
}

#include "cache_rows.h"

#include "attention_tiles.h"

#include "pair_attention.h"

static const reduced_kernels kernels = {
    .takes = takes,
    .strips = {
        .depth = PAIRS_DEPTH, .expanded_bytes = PAIRS_DEPTH / STEP * LINES_STRIDE, .min_tokens = 9,
        .strip_bytes = strip_bytes,
        .make_strip = make_strip, .expand = expand, .multiply = multiply, .turn = turn},
    .attention_prefill = attention_pairs,
};
#pragma clang attribute pop
const reduced_kernels *kernels_avx512_bf16(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx512_bf16(void) { return NULL; }
#endif
