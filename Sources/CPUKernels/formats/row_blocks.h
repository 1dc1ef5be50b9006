// Weights packed for products of integers: blocks of 16 rows, whose quants lie quad by quad, so that lanes of a vector
// are rows. One load gives a quad of each row, one load and one conversion their
// scales, and no lanes are summed. A block takes as many bytes as its rows do in the file, or a little more:
//
//     quants, a group of 32 columns after the other      (picture of Q4_0, a group: 256 bytes)
//         vector 0   r0: k0 k1 k2 k3 | r1: k0 k1 k2 k3 | … | r15      low nibbles; in the high ones k16 to k19
//         vector 1   k4 to k7 and k20 to k23, and so on to vector 3
//     scales, group after group                          (Q4_0: r0 r1 … r15 as binary16, 32 bytes)
//     factors of 256 columns, of formats that have them  (Q4_K: 16 times d, then 16 times dmin, 64 bytes)
//     zeros up to a whole line of 64 bytes
//
// Quants of 8 bits, signed or with their offset (quants.h), take two vectors for each of those four: first columns 0 to
// 15, then 16 to 31. The fifth bits of quants lie in one vector behind the nibbles: bit v of a byte belongs to the low
// nibble of vector v there, bit v + 4 to the high one. The upper two of six bits lie in two vectors; vector h has those
// of nibbles 2 h and 2 h + 1: low, high, low, high. Quants of 2 and 3 bits have no nibbles: two such vectors, and
// behind them for the third bit one like that of the fifth.
//
// Scales that are integers of 4 or 6 bits become a byte each; with minima, 16 scales are followed by 16 minima. Those
// of Q2_K stay in one byte, the scale in its low nibble. A scale for 256 columns is a factor alone; those of rows of I8
// are 16 floats in the place of factors.
#pragma once
#include "quants.h"

enum {
    /// Rows of a block.
    BLOCK_ROWS = 16,
    /// Columns of a group, and of one half of it, a register's worth of four quads.
    GROUP_COLUMNS = 32,
    GROUP_VECTORS = 4,
    MAX_GROUP_QUANT_BYTES = 512,
};
_Static_assert(BLOCK_ROWS == VL, "lanes are rows");

/// The formats that are packed in blocks of rows.
#define FOR_EACH_FORMAT_OF_ROW_BLOCKS(X)                                                                              \
    X(Q8_0) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS) X(MXFP4) \
    X(TQ2_0) X(TQ1_0) X(I8)

INLINE bool has_row_blocks(const int format) {
    switch (format) {
#define CASE(ID) case CPUK_##ID:
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(CASE) return true;
#undef CASE
    default: return false;
    }
}

INLINE int quant_bits(const int format) {
    switch (format) {
    case CPUK_Q8_0: case CPUK_I8: return 8;
    case CPUK_Q6_K: return 6;
    case CPUK_Q5_0: case CPUK_Q5_1: case CPUK_Q5_K: return 5;
    case CPUK_Q3_K: return 3;
    case CPUK_Q2_K: case CPUK_TQ2_0: case CPUK_TQ1_0: return 2;
    default: return 4;
    }
}

/// Bytes of a group of 16 rows.
INLINE int64_t group_quant_bytes(const int format) { return quant_bits(format) * GROUP_COLUMNS * BLOCK_ROWS / 8; }

/// Whether 256 columns have a factor, which the scales of their groups, if there are any, are multiplied with.
INLINE bool has_factors(const int format) { return number_format_block_size(format) == 256; }
INLINE bool has_factors_alone(const int format) { return number_format_group_size(format) == 256; }

INLINE int64_t group_scale_bytes(const int format) {
    if (format == CPUK_MXFP4) return BLOCK_ROWS;
    if (has_factors_alone(format) || format == CPUK_I8) return 0;
    if (!has_factors(format)) return (has_minimum(format) ? 4 : 2) * BLOCK_ROWS;
    return (has_minimum(format) || group_of(format) == 16 ? 2 : 1) * BLOCK_ROWS;
}
/// From the factors of 256 columns to the next. The scales of rows of I8 stand where those would, once.
INLINE int64_t factor_bytes(const int format) {
    return format == CPUK_I8 ? 0 : (has_minimum(format) ? 4 : 2) * BLOCK_ROWS;
}

INLINE int64_t row_block_scales(const int format, int64_t columns) {
    return columns / GROUP_COLUMNS * group_quant_bytes(format);
}
INLINE int64_t row_block_factors(const int format, int64_t columns) {
    return row_block_scales(format, columns) + columns / GROUP_COLUMNS * group_scale_bytes(format);
}
INLINE int64_t row_block_end(const int format, int64_t columns) {
    const int64_t factors = has_factors(format) ? columns / 256 * factor_bytes(format) : 0;
    return row_block_factors(format, columns) + (format == CPUK_I8 ? BLOCK_ROWS * 4 : factors);
}
/// Bytes of a block of 16 rows; 0: rows of I8 that are no whole groups.
INLINE int64_t row_block_bytes(const int format, int64_t columns) {
    return columns % GROUP_COLUMNS != 0 ? 0 : (row_block_end(format, columns) + 63) / 64 * 64;
}

// ---- Reading

INLINE vq shift_left(vq x, const int bits) { return (vq)((vq_16)x << (uint16_t)bits); }
INLINE vq shift_right(vq x, const int bits) { return (vq)((vq_16)x >> (uint16_t)bits); }

INLINE vq nibbles_of_rows(const uint8_t *group, const int half, const int v) {
    const vq both_halves = load_q(group + v * 64);
    return (half ? shift_right(both_halves, 4) : both_halves) & splat_q(15);
}

// The bits of quants above the nibbles, at their place in the quant.
INLINE vq fifth_bits_of_rows(const uint8_t *group, const int half, const int v) {
    const vq bits = load_q(group + GROUP_VECTORS * 64);
    return (half ? shift_right(bits, v) : shift_left(bits, 4 - v)) & splat_q(16);
}
INLINE vq sixth_bits_of_rows(const uint8_t *group, const int half, const int v) {
    const vq bits = load_q(group + (GROUP_VECTORS + v / 2) * 64);
    const int at = 4 * (v % 2) + 2 * half;
    return (at <= 4 ? shift_left(bits, 4 - at) : shift_right(bits, at - 4)) & splat_q(0x30);
}

// Quants below a nibble, or the bits of six above one: the low or high two of a nibble's place in their byte.
INLINE vq two_bits_of_rows(const uint8_t *vectors, const int half, const int v) {
    return shift_right(load_q(vectors + v / 2 * 64), 4 * (v % 2) + 2 * half) & splat_q(3);
}
INLINE vq third_bits_of_rows(const uint8_t *group, const int half, const int v) {
    const vq bits = load_q(group + GROUP_VECTORS / 2 * 64);
    const int at = v + 4 * half;
    return (at <= 2 ? shift_left(bits, 2 - at) : shift_right(bits, at - 2)) & splat_q(4);
}

/// The `v`th quads of a half of a group, of all rows, as the unsigned quants of quants.h.
INLINE vq unpack_rows(const int format, const uint8_t *group, const int half, const int v) {
    if (quant_bits(format) == 8) return load_q(group + (half * GROUP_VECTORS + v) * 64);
    if (quant_bits(format) == 2) return two_bits_of_rows(group, half, v);
    if (quant_bits(format) == 3) return two_bits_of_rows(group, half, v) | third_bits_of_rows(group, half, v);
    const vq low = nibbles_of_rows(group, half, v);
    switch (format) {
    case CPUK_Q5_0: case CPUK_Q5_1: case CPUK_Q5_K: return low | fifth_bits_of_rows(group, half, v);
    case CPUK_Q6_K: return low | sixth_bits_of_rows(group, half, v);
    case CPUK_IQ4_NL: case CPUK_IQ4_XS: return look_up_iq4(low);
    case CPUK_MXFP4: return look_up_e2m1(low);
    default: return low;
    }
}

/// A factor for the scales of each of 16 rows.
typedef struct {
    vf scale, minimum;
} row_factors;

/// The scales of 16 rows for a group of 32 columns, or for each half of it where a scale is for 16.
typedef struct {
    vf scales[2], minima[2];
} row_scales;

/// Which of them a half of a group has.
INLINE int scale_of_half(const int format, const int half) { return group_of(format) == GROUP_COLUMNS ? 0 : half; }

INLINE vf from_halves_of_rows(const uint8_t *p) { return from_f16(*(const vh_any *)p); }
INLINE vf from_bytes_of_rows(const uint8_t *p) { return __builtin_convertvector(*(const vq_any *)p, vf); }
INLINE vf from_signed_bytes_of_rows(const uint8_t *p) { return __builtin_convertvector(*(const vb_any *)p, vf); }

INLINE row_factors factors_of_rows(const int format, const uint8_t *at) {
    if (format == CPUK_I8) return (row_factors){.scale = *(const vf_any *)at};
    if (!has_factors(format)) return (row_factors){0};
    return (row_factors){
        .scale = from_halves_of_rows(at),
        .minimum = has_minimum(format) ? -from_halves_of_rows(at + 2 * BLOCK_ROWS) : splat(0)};
}

// Half of the powers of two that E8M0 bytes stand for; the first two are subnormal.
INLINE vf half_exponents_of_rows(const uint8_t *p) {
    const vu bytes = __builtin_convertvector(*(const vq_any *)p, vu);
    const vu small = splat_u(0x00200000u) << (bytes & 1), large = (bytes - 1) << 23;
    return select_v((vi)(bytes < 2), (vf)small, (vf)large);
}

INLINE row_scales scales_of_rows(const int format, const uint8_t *at, row_factors factors) {
    row_scales result = {0};
    if (format == CPUK_MXFP4) {
        result.scales[0] = half_exponents_of_rows(at);
    } else if (!has_factors(format) && format != CPUK_I8) {
        result.scales[0] = from_halves_of_rows(at);
        if (has_minimum(format)) result.minima[0] = from_halves_of_rows(at + 2 * BLOCK_ROWS);
    } else if (has_factors_alone(format) || format == CPUK_I8) {
        result.scales[0] = factors.scale;
    } else if (format == CPUK_Q2_K) {
        UNROLL for (int half = 0; half < 2; half++) {
            const vu bytes = __builtin_convertvector(*(const vq_any *)(at + half * BLOCK_ROWS), vu);
            result.scales[half] = __builtin_convertvector(bytes & 15, vf) * factors.scale;
            result.minima[half] = __builtin_convertvector(bytes >> 4, vf) * factors.minimum;
        }
    } else if (has_minimum(format)) {
        result.scales[0] = from_bytes_of_rows(at) * factors.scale;
        result.minima[0] = from_bytes_of_rows(at + BLOCK_ROWS) * factors.minimum;
    } else {
        result.scales[0] = from_signed_bytes_of_rows(at) * factors.scale;
        if (group_of(format) == 16) result.scales[1] = from_signed_bytes_of_rows(at + BLOCK_ROWS) * factors.scale;
    }
    return result;
}
