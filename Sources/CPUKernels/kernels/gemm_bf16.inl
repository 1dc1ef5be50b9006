// GEMM with activations (and FP32 weights) rounded to BF16, two products at a time into FP32 sums (AVX512_BF16). Panels
// are those of pack_bf16.inl.
#pragma once
#include "pack_bf16.inl"

enum {
    KC = 2048,
    /// Fewer tokens than this are faster by GEMV (measured): reading weights takes longer than multiplying.
    MIN_GEMM_TOKENS = 9,
};

static void pack_b(const weight_rows *rows, int64_t begin, int64_t depth, void *packed) {
    if (rows->format == CPUK_F32) pack_b_bf16(CPUK_F32, rows, begin, depth, packed);
    else pack_b_bf16(CPUK_BF16, rows, begin, depth, packed);
}

static void micro_kernel(
    const char *lines, const char *panel, int64_t steps, bool accumulate, prefetcher *ahead, float *products) {
    vf sums[TRANSPOSED_ROWS];
    UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) sums[r] = accumulate ? load(products + r * VL) : splat(0);
    for (int64_t step = 0; step < steps; step++) {
        prefetch_step(ahead);
        UNROLL for (int pair = 0; pair < VL; pair++) {
            const __m512i tokens = _mm512_loadu_si512(panel + pair * LINE);
            UNROLL for (int r = 0; r < TRANSPOSED_ROWS; r++) {
                int32_t both;
                memcpy(&both, lines + r * LINE + pair * 4, sizeof both);
                sums[r] = dot_pairs(sums[r], tokens, _mm512_set1_epi32(both));
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
    .packed_a_bytes = packed_a_bytes_bf16, .pack_a = pack_a_bf16, .pack_b = pack_b, .multiply = multiply,
    .transpose = transpose_products,
};
