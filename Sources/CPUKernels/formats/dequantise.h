// Rows of every number format as vectors of floats, and floats as the formats that the cache takes. Layouts of blocks:
// ggml-quants.c of ggml; their sizes are those of the table (NumberFormats.h).
#pragma once
#include "../include/CPUKernels.h"
#include "../simd/vector.h"

// Formats without blocks, whose elements are bytes of their own.
INLINE int64_t format_bytes(const int format) {
    return format == CPUK_F32 ? 4 : format == CPUK_BF16 || format == CPUK_F16 ? 2 : 1;
}

INLINE vf floats_of_bytes(const char *quants) {
    return __builtin_convertvector(__builtin_convertvector(*(const vb_any *)quants, vi), vf);
}

// ---- Block formats: VL values of a row from value `i` on. `i` is a multiple of VL, and VL divides the number of
// values that share a scale, which is 16 or more.

#define LANE_NUMBER(i) (i)

INLINE vf read_half(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return from_f16((vh){0} + bits);
}

// The quants of `bits` bits that begin at bit `shift` of each of VL bytes.
INLINE vi read_quants(const uint8_t *p, const int bits, int shift) {
    return (__builtin_convertvector(*(const vq_any *)p, vi) >> shift) & ((1 << bits) - 1);
}

// Of 32 values: the low halves of 16 bytes, then their high halves.
INLINE vi read_nibbles(const uint8_t *p, int i) { return read_quants(p + i % 16, 4, i / 16 * 4); }

// The fifth bits of VL quants, from bit `i` of 32 bits on; each adds 16 to its quant.
INLINE vi read_fifth_bits(const uint8_t *p, int i) {
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    const vu lanes = {LANES(LANE_NUMBER)};
    return (vi)(((splat_u(bits >> i) >> lanes) & 1u) << 4);
}

INLINE vf floats_of(vi quants) { return __builtin_convertvector(quants, vf); }

INLINE vf look_up_values(const int8_t table[16], vi quants) {
    vi values = {0};
    UNROLL for (int lane = 0; lane < VL; lane++) values[lane] = table[quants[lane]];
    return floats_of(values);
}

// The values that the quants of IQ4_NL and IQ4_XS name.
INLINE vf iq4_values(vi quants) {
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return look_up_values(table, quants);
}

// Twice the values of E2M1, which the quants of MXFP4 are (OCP Microscaling Formats, 2023).
INLINE vf e2m1_doubles(vi quants) {
    static const int8_t table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return look_up_values(table, quants);
}

// Half of the power of two that an E8M0 byte stands for; the first two are subnormal.
INLINE float read_half_exponent(const uint8_t *p) {
    const uint32_t bits = *p < 2 ? 0x00200000u << *p : (uint32_t)(*p - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Quants of Q4_K or Q5_K times their 6-bit scale, less their 6-bit minimum, which 32 values share.
INLINE vf dequantise_scaled(const uint8_t *block, int group, vi quants) {
    const uint8_t *q = block + 4;
    int scale = group < 4 ? q[group] & 63 : (q[group + 4] & 15) | (q[group - 4] >> 6 << 4);
    int offset = group < 4 ? q[group + 4] & 63 : (q[group + 4] >> 4) | (q[group] >> 6 << 4);
    vf factor = read_half(block) * (float)scale, shift = read_half(block + 2) * (float)offset;
    return floats_of(quants) * factor - shift;
}

// The low four bits of a quant of Q4_K or Q5_K: 64 values lie in 32 bytes, the second half of them in the high bits.
INLINE vi read_low_bits(const uint8_t *p, int i) { return read_quants(p + i / 64 * 32 + i % 32, 4, i / 32 % 2 * 4); }

// The trits of TQ1_0, 0 to 2. A byte is 256 / 243 of a number of five digits to the base of 3, rounded up, the first
// digit worth 81. Of the byte times 3^n 8 bits stay, a fraction of 256: digit n stands before the point of its
// threefold. 160 values lie in 32 bytes, the next 80 in 16, and four each in the last 4.
INLINE vi read_trits(const uint8_t *block, int i) {
    static const int powers[5] = {1, 3, 9, 27, 81};
    vi products;
    if (i < 160) {
        products = read_quants(block + i % 32, 8, 0) * powers[i / 32];
    } else if (i < 240) {
        products = read_quants(block + 32 + i % 16, 8, 0) * powers[(i - 160) / 16];
    } else {
        UNROLL for (int lane = 0; lane < VL; lane++)
            products[lane] = block[48 + (i + lane) % 4] * powers[(i - 240 + lane) / 4];
    }
    return (products & 255) * 3 >> 8;
}

INLINE vf dequantise_q2_k(const uint8_t *block, int i) {
    const int scales = block[i / 16];
    vi quants = read_quants(block + 16 + i / 128 * 32 + i % 32, 2, i % 128 / 32 * 2);
    vf factor = read_half(block + 80) * (float)(scales & 15), shift = read_half(block + 82) * (float)(scales >> 4);
    return floats_of(quants) * factor - shift;
}

INLINE vf dequantise_q3_k(const uint8_t *block, int i) {
    const int group = i / 16;
    const int low = (block[96 + group % 8] >> (group / 8 * 4)) & 15;
    const int high = (block[104 + group % 4] >> (group / 4 * 2)) & 3;
    const int scale = low | (high << 4);
    vi quants = read_quants(block + 32 + i / 128 * 32 + i % 32, 2, i % 128 / 32 * 2);
    vi bits = read_quants(block + i % 32, 1, i / 32);
    return floats_of(quants + bits * 4 - 4) * (read_half(block + 108) * (float)(scale - 32));
}

INLINE vf dequantise_q6_k(const uint8_t *block, int i) {
    const int half = i / 128, quarter = i % 128 / 32, place = i % 32;
    vi low = read_quants(block + half * 64 + quarter % 2 * 32 + place, 4, quarter / 2 * 4);
    vi high = read_quants(block + 128 + half * 32 + place, 2, quarter * 2);
    float scale = (float)(int8_t)block[192 + i / 16];
    return floats_of((low | (high << 4)) - 32) * (read_half(block + 208) * scale);
}

INLINE vf dequantise_iq4_xs(const uint8_t *block, int i) {
    const int group = i / 32, high_bits = block[2] | (block[3] << 8);
    int scale = ((block[4 + group / 2] >> (group % 2 * 4)) & 15) | (((high_bits >> (2 * group)) & 3) << 4);
    return iq4_values(read_nibbles(block + 8 + 16 * group, i % 32)) * (read_half(block) * (float)(scale - 32));
}

// The block that holds value `i`, and the value's place in it.
#define BLOCK                                                                                                         \
    const uint8_t *block =                                                                                            \
        (const uint8_t *)row + i / number_format_block_size(format) * number_format_block_bytes(format);              \
    const int at = (int)(i % number_format_block_size(format))

INLINE vf dequantise_block(const int format, const void *row, int64_t i) {
    BLOCK;
    switch (format) {
    case CPUK_Q8_0: return floats_of_bytes((const char *)block + 2 + at) * read_half(block);
    case CPUK_Q4_0: return floats_of(read_nibbles(block + 2, at) - 8) * read_half(block);
    case CPUK_Q4_1: return fma_v(floats_of(read_nibbles(block + 4, at)), read_half(block), read_half(block + 2));
    case CPUK_Q5_0:
        return floats_of((read_nibbles(block + 6, at) | read_fifth_bits(block + 2, at)) - 16) * read_half(block);
    case CPUK_Q5_1: {
        vi quants = read_nibbles(block + 8, at) | read_fifth_bits(block + 4, at);
        return fma_v(floats_of(quants), read_half(block), read_half(block + 2));
    }
    case CPUK_IQ4_NL: return iq4_values(read_nibbles(block + 2, at)) * read_half(block);
    case CPUK_IQ4_XS: return dequantise_iq4_xs(block, at);
    case CPUK_Q2_K: return dequantise_q2_k(block, at);
    case CPUK_Q3_K: return dequantise_q3_k(block, at);
    case CPUK_Q4_K: return dequantise_scaled(block, at / 32, read_low_bits(block + 16, at));
    case CPUK_Q5_K: {
        vi fifth = read_quants(block + 16 + at % 32, 1, at / 32) << 4;
        return dequantise_scaled(block, at / 32, read_low_bits(block + 48, at) | fifth);
    }
    case CPUK_Q6_K: return dequantise_q6_k(block, at);
    case CPUK_MXFP4: return e2m1_doubles(read_nibbles(block + 1, at)) * read_half_exponent(block);
    case CPUK_TQ2_0: {
        vi quants = read_quants(block + at / 128 * 32 + at % 32, 2, at % 128 / 32 * 2);
        return floats_of(quants - 1) * read_half(block + 64);
    }
    case CPUK_TQ1_0: return floats_of(read_trits(block, at) - 1) * read_half(block + 52);
    default: return splat(0);
    }
}

// ---- Any format: VL values of a row from value `i` on

INLINE vf dequantise(const int format, const void *p, int64_t i) {
    const char *at = (const char *)p + i * format_bytes(format);
    switch (format) {
    case CPUK_F32: return *(const vf_any *)at;
    case CPUK_BF16: return from_bf16(*(const vh_any *)at);
    case CPUK_F16: return from_f16(*(const vh_any *)at);
    case CPUK_I8: return floats_of_bytes(at);
    default: return dequantise_block(format, p, i);
    }
}

// The first `count` values, followed by zeros. In block formats a row is whole blocks, so no vector is partial.
INLINE vf dequantise_part(const int format, const void *p, int64_t i, int64_t count) {
    if (number_format_block_size(format) > 1) return splat(0);
    _Alignas(64) char buffer[VL * 4] = {0};
    memcpy(buffer, (const char *)p + i * format_bytes(format), (size_t)(count * format_bytes(format)));
    return dequantise(format, buffer, 0);
}

INLINE void store_as(const int format, void *p, int64_t i, vf x) {
    char *at = (char *)p + i * format_bytes(format);
    if (format == CPUK_F32) *(vf_any *)at = x;
    else if (format == CPUK_BF16) *(vh_any *)at = to_bf16(x);
    else *(vh_any *)at = to_f16(x);
}

INLINE void store_part_as(const int format, void *p, int64_t i, vf x, int64_t count) {
    _Alignas(64) char buffer[VL * 4];
    store_as(format, buffer, 0, x);
    memcpy((char *)p + i * format_bytes(format), buffer, (size_t)(count * format_bytes(format)));
}
