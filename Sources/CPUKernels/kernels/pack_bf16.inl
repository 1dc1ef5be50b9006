// Packs activations and weights as BF16, for products of pairs (gemm_bf16.inl) and of tiles (gemm_tiles.inl).
//
//     panel of A, 16 tokens     t0: k0 k1 | t1: k0 k1 | … | t15: k0 k1     64 bytes: a pair of columns of each token
//                               t0: k2 k3 | …                              and so on
//     panel of B                lines of 32 columns (packed_panels.inl)
#pragma once
#include "../formats/dequantise.h"
#include "../simd/bf16_pairs.h"
#include "packed_panels.inl"

/// Columns of a line.
enum { STEP = 2 * VL };

INLINE __m512i round_to_line(const float *x, int64_t count) {
    const __mmask32 mask = count >= STEP ? ~0u : (1u << count) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> VL), x + VL);
    return join_bf16((vf)low, (vf)high);
}

// ---- A

static inline int64_t packed_a_bytes_bf16(int64_t columns) { return (columns + STEP - 1) / STEP * STEP * VL * 2; }

static inline void pack_a_bf16(
    cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
    void *panel) {
    (void)format;
    for (int64_t k = begin; k < end; k += STEP) {
        vf square[VL];
        UNROLL for (int t = 0; t < VL; t++)
            square[t] = t < tokens ? (vf)round_to_line(x + t * ldx + k, columns - k) : splat(0);
        transpose(square);
        UNROLL for (int i = 0; i < VL; i++) store((float *)panel + (k / 2 + i) * VL, square[i]);
    }
}

// ---- B

// Columns `k..<k + STEP` of a row, those from `columns` on zero.
INLINE __m512i line_of_row(const int format, const char *row, int64_t k, int64_t columns, float scale) {
    const int64_t rest = columns - k;
    if (format == CPUK_F32) return round_to_line((const float *)row + k, rest);
    if (format == CPUK_BF16)
        return _mm512_maskz_loadu_epi16(rest >= STEP ? ~0u : (1u << rest) - 1, row + k * 2);
    vf low, high = splat(0);
    if (rest >= STEP) {
        low = dequantise(format, row, k);
        high = dequantise(format, row, k + VL);
    } else {
        low = dequantise_part(format, row, k, rest < VL ? rest : VL);
        if (rest > VL) high = dequantise_part(format, row, k + VL, rest - VL);
    }
    return format == CPUK_I8 ? join_bf16(low * scale, high * scale) : join_bf16(low, high);
}

INLINE void pack_b_bf16(const int format, const weight_rows *rows, int64_t begin, int64_t depth, char *packed) {
    for (int64_t r = 0; r < rounded_rows(rows); r++) {
        const char *row = row_of(rows, r);
        const float scale = rows->scales[r < rows->count ? r : rows->count - 1];
        for (int64_t k = 0; k < depth; k += STEP)
            _mm512_storeu_si512(
                packed + k / STEP * LINES_STRIDE + r * LINE, line_of_row(format, row, begin + k, rows->columns, scale));
    }
}
