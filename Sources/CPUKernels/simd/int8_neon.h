// Integer products on NEON with dot products of signed bytes (FEAT_DotProd): a vector of 64 bytes is four registers.
#pragma once
#include "int8_types.h"
#include <arm_neon.h>

enum { REGISTER_LANES = VL / 4, HAS_DOT_QUADS = 1, DOT_IS_SIGNED = 1 };
typedef float vr __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int32_t vri __attribute__((vector_size(REGISTER_LANES * 4)));
typedef int16_t vr_16 __attribute__((vector_size(REGISTER_LANES * 4)));

INLINE vr splat_r(float x) { return (vr){x, x, x, x}; }

// Sums of the products of two bytes; quants are below 128.
INLINE vr_16 multiply_r(vri quants, vri integers) {
    const int8x16_t a = (int8x16_t)quants, b = (int8x16_t)integers;
    return (vr_16)vpaddq_s16(
        vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_s8(vget_high_s8(a), vget_high_s8(b)));
}
// Sums of two products of 16 bits.
INLINE vri multiply_16_r(vr_16 a, vr_16 b) {
    const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    return (vri)vpaddq_s32(
        vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_s16(vget_high_s16(x), vget_high_s16(y)));
}

INLINE vq of_quarters(q16 a, q16 b, q16 c, q16 d) { return both(both_16(a, b), both_16(c, d)); }

// The same for 64 bytes, and the sums of two such sums.
INLINE vpairs multiply_bytes(vq quants, vq integers) {
    q16 pairs[4];
    UNROLL for (int i = 0; i < 4; i++)
        pairs[i] = (q16)multiply_r((vri)quarter_q(quants, i), (vri)quarter_q(integers, i));
    return (vpairs)of_quarters(pairs[0], pairs[1], pairs[2], pairs[3]);
}
INLINE vi add_pairs(vpairs pairs) {
    q16 sums[4];
    UNROLL for (int i = 0; i < 4; i++)
        sums[i] = (q16)multiply_16_r((vr_16)quarter_q((vq)pairs, i), (vr_16){0} + 1);
    return (vi)of_quarters(sums[0], sums[1], sums[2], sums[3]);
}

// Looks up the low four bits of each quant in a table. The high bits are zero.
INLINE vq look_up(q16 table, vq quants) {
    q16 found[4];
    UNROLL for (int i = 0; i < 4; i++)
        found[i] = (q16)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)quarter_q(quants, i));
    return of_quarters(found[0], found[1], found[2], found[3]);
}

// `value` in each byte whose bit is set.
INLINE vq spread_bits(uint32_t low, uint32_t high, const int value) {
    const q16 bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    q16 bytes[4];
    UNROLL for (int i = 0; i < 4; i++) {
        const uint32_t word = (i < 2 ? low : high) >> 16 * (i % 2);
        const uint8x16_t each = vcombine_u8(vdup_n_u8((uint8_t)word), vdup_n_u8((uint8_t)(word >> 8)));
        bytes[i] = (q16)vtstq_u8(each, (uint8x16_t)bits);
    }
    return of_quarters(bytes[0], bytes[1], bytes[2], bytes[3]) & splat_q(value);
}

// The first `count` bytes, fewer than a vector; the rest zero.
INLINE vq load_part_q(const void *p, int64_t count) {
    vq x = {0};
    memcpy(&x, p, (size_t)count);
    return x;
}

// Rounds to nearest, ties to even. What does not fit a 32-bit integer becomes the nearest one, and NaN zero.
INLINE vi round_v(vf x) {
    q16 rounded[4];
    UNROLL for (int i = 0; i < 4; i++) rounded[i] = (q16)vcvtnq_s32_f32((float32x4_t)quarter_q((vq)x, i));
    return (vi)of_quarters(rounded[0], rounded[1], rounded[2], rounded[3]);
}

// To 8 bits each, saturated.
INLINE q16 narrow(vi x) {
    int16x4_t each[4];
    UNROLL for (int i = 0; i < 4; i++) each[i] = vqmovn_s32((int32x4_t)quarter_q((vq)x, i));
    return (q16)vcombine_s8(vqmovn_s16(vcombine_s16(each[0], each[1])), vqmovn_s16(vcombine_s16(each[2], each[3])));
}

INLINE vq with_signs(vq integers, vq quants) {
    const vq negative = (vq)((vq_signed)quants < 0);
    return (integers ^ negative) - negative;
}

INLINE vri dot_r(vri sums, vri quants, vri integers) {
    return (vri)vdotq_s32((int32x4_t)sums, (int8x16_t)quants, (int8x16_t)integers);
}
INLINE vi dot_quads(vi sums, vq quants, vq integers) {
    q16 dots[4];
    UNROLL for (int i = 0; i < 4; i++)
        dots[i] = (q16)dot_r(
            (vri)quarter_q((vq)sums, i), (vri)quarter_q(quants, i), (vri)quarter_q(integers, i));
    return (vi)of_quarters(dots[0], dots[1], dots[2], dots[3]);
}

// With 32 registers the compiler's own order is good (compare int8_avx2.h).
#define KEEP_ORDER(sums)
