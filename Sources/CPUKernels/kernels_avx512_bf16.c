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

enum { PAIRS_VECTORS = 4, PAIRS_TOKENS = 6, PAIRS_DEPTH = 2048 };
/// Elements of a vector.
enum { STEP = 2 * VL };
_Static_assert(PAIRS_VECTORS * VL == PANEL_ROWS, "a panel is one tile");

// Few tokens wait for the weights to come from memory: rounding would win nothing.
static bool takes(cpuk_format format, bool few) { return !few && (format == CPUK_BF16 || format == CPUK_F32); }

// ---- Activations: BF16, padded with zeros to whole vectors

static int64_t record_bytes(int64_t columns, bool few) {
    (void)few;
    return (columns + STEP - 1) / STEP * STEP * 2;
}

INLINE __m512i round_pairs(const float *x, int64_t count) {
    const __mmask32 mask = count >= STEP ? ~0u : (1u << count) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> VL), x + VL);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void convert(cpuk_format format, const float *x, int64_t columns, bool few, void *record) {
    (void)format, (void)few;
    for (int64_t k = 0; k < columns; k += STEP)
        _mm512_storeu_si512((uint16_t *)record + k, round_pairs(x + k, columns - k));
}

// ---- Weights

// STEP elements of a row from element `k` on, as BF16.
INLINE __m512i load_pairs(const int format, const char *row, int64_t k, int64_t columns) {
    const int64_t rest = columns - k;
    if (format == CPUK_F32) return round_pairs((const float *)row + k, rest);
    return _mm512_maskz_loadu_epi16(rest >= STEP ? ~0u : (1u << rest) - 1, row + k * 2);
}

// panel[pair * PANEL_ROWS + r]: two neighbouring elements of each row.
INLINE void pack_pairs_of(const int format, const panel_rows *rows, int64_t begin, int64_t depth, uint32_t *panel) {
    for (int64_t r = 0; r < PANEL_ROWS; r += VL)
        for (int64_t k = 0; k < depth; k += STEP) {
            vf square[VL];
            UNROLL for (int64_t i = 0; i < VL; i++) {
                // Rows past the last repeat it; their products are not used.
                const char *row = rows->rows[r + i < rows->count ? r + i : rows->count - 1];
                square[i] = (vf)load_pairs(format, row, begin + k, rows->columns);
                // The rows packed next, which mostly lie behind these.
                const int64_t width = format == CPUK_F32 ? 4 : 2;
                UNROLL for (int64_t b = 0; b < STEP * width; b += 64)
                    __builtin_prefetch(row + VL * rows->row_bytes + (begin + k) * width + b, 0, 2);
            }
            transpose(square);
            const int64_t pairs = (depth - k + 1) / 2 < VL ? (depth - k + 1) / 2 : VL;
            for (int64_t i = 0; i < pairs; i++) store((float *)panel + (k / 2 + i) * PANEL_ROWS + r, square[i]);
        }
}

static void pack(const panel_rows *rows, int64_t begin, int64_t depth, void *panel) {
    if (rows->format == CPUK_F32) pack_pairs_of(CPUK_F32, rows, begin, depth, panel);
    else pack_pairs_of(CPUK_BF16, rows, begin, depth, panel);
}

// ---- Many tokens

INLINE void multiply_tile(
    const int T, const uint32_t *panel, const char *x, int64_t stride, int64_t pairs, bool accumulate, float *y) {
    __m512 sums[PAIRS_TOKENS][PAIRS_VECTORS];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < PAIRS_VECTORS; v++)
            sums[t][v] = accumulate ? load(y + t * PANEL_ROWS + v * VL) : splat(0);
    for (int64_t pair = 0; pair < pairs; pair++) {
        // The next tokens' records come from a farther cache.
        if (pair % 16 == 0) UNROLL for (int t = 0; t < T; t++) __builtin_prefetch(x + (t + T) * stride + pair * 4);
        __m512i weights[PAIRS_VECTORS];
        UNROLL for (int v = 0; v < PAIRS_VECTORS; v++)
            weights[v] = _mm512_loadu_si512(panel + pair * PANEL_ROWS + v * VL);
        UNROLL for (int t = 0; t < T; t++) {
            int32_t both;
            memcpy(&both, x + t * stride + pair * 4, sizeof both);
            const __m512bh token = (__m512bh)_mm512_set1_epi32(both);
            UNROLL for (int v = 0; v < PAIRS_VECTORS; v++)
                sums[t][v] = _mm512_dpbf16_ps(sums[t][v], (__m512bh)weights[v], token);
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int v = 0; v < PAIRS_VECTORS; v++) store(y + t * PANEL_ROWS + v * VL, sums[t][v]);
}

#define MULTIPLY_TILE_CASE(T)                                                                                         \
    case T: multiply_tile(T, panel, from, x->stride, (depth + 1) / 2, begin > 0, y + t * PANEL_ROWS); break;
static void multiply(
    const panel_rows *rows, const void *panel, const activation_records *x, int64_t tokens, int64_t begin,
    int64_t depth, float *y) {
    (void)rows;
    const int64_t groups = (tokens + PAIRS_TOKENS - 1) / PAIRS_TOKENS;
    for (int64_t group = 0; group < groups; group++) {
        const int64_t t = group * tokens / groups;
        const char *from = x->data + t * x->stride + begin * 2;
        switch ((group + 1) * tokens / groups - t) {
            MULTIPLY_TILE_CASE(1)
            MULTIPLY_TILE_CASE(2)
            MULTIPLY_TILE_CASE(3)
            MULTIPLY_TILE_CASE(4)
            MULTIPLY_TILE_CASE(5)
            MULTIPLY_TILE_CASE(6)
        default: break;
        }
    }
}

static const reduced_kernels kernels = {
    .takes = takes,
    .panels = {
        .depth = PAIRS_DEPTH, .panel_bytes = PANEL_ROWS * PAIRS_DEPTH * 2, .pack = pack, .multiply = multiply},
    .record_bytes = record_bytes,
    .convert = convert,
};
#pragma clang attribute pop
const reduced_kernels *kernels_avx512_bf16(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx512_bf16(void) { return NULL; }
#endif
