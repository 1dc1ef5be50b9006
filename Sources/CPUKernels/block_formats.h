// Rows of GGUF's blocks as floats: VL elements from element `i` of a row on, a multiple of VL, which divides the 16
// elements or more that share a scale. Layouts: ggml-quants.c of ggml. Included by simd.h.
#pragma once

typedef uint8_t vq_any __attribute__((vector_size(VL), aligned(1), may_alias));

#define LANE_NUMBER(i) (i)

INLINE vf block_half(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return from_f16((vh){0} + bits);
}

// Levels of `bits` bits from bit `shift` of VL bytes.
INLINE vi block_levels(const uint8_t *p, const int bits, int shift) {
    return (__builtin_convertvector(*(const vq_any *)p, vi) >> shift) & ((1 << bits) - 1);
}

// Elements of 32: low halves of 16 bytes, then their high halves.
INLINE vi block_nibbles(const uint8_t *p, int i) { return block_levels(p + i % 16, 4, i / 16 * 4); }

// Bits from bit `i` of 32 on, worth 16 each.
INLINE vi block_fifth_bits(const uint8_t *p, int i) {
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    const vu lanes = {LANES(LANE_NUMBER)};
    return (vi)(((splat_u(bits >> i) >> lanes) & 1u) << 4);
}

INLINE vf block_floats(vi levels) { return __builtin_convertvector(levels, vf); }

// What the levels of IQ4_NL and IQ4_XS stand for.
INLINE vf block_table(vi levels) {
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    vi values = {0};
    UNROLL for (int lane = 0; lane < VL; lane++) values[lane] = table[levels[lane]];
    return block_floats(values);
}

// Levels of Q4_K and Q5_K with the 6-bit scale and offset of their 32 elements.
INLINE vf block_scaled(const uint8_t *block, int group, vi levels) {
    const uint8_t *q = block + 4;
    int scale = group < 4 ? q[group] & 63 : (q[group + 4] & 15) | (q[group - 4] >> 6 << 4);
    int offset = group < 4 ? q[group + 4] & 63 : (q[group + 4] >> 4) | (q[group] >> 6 << 4);
    vf factor = block_half(block) * (float)scale, shift = block_half(block + 2) * (float)offset;
    return block_floats(levels) * factor - shift;
}

INLINE vf load_q2_k(const uint8_t *block, int i) {
    const int scales = block[i / 16];
    vi levels = block_levels(block + 16 + i / 128 * 32 + i % 32, 2, i % 128 / 32 * 2);
    vf factor = block_half(block + 80) * (float)(scales & 15), shift = block_half(block + 82) * (float)(scales >> 4);
    return block_floats(levels) * factor - shift;
}

INLINE vf load_q3_k(const uint8_t *block, int i) {
    const int group = i / 16;
    const int low = (block[96 + group % 8] >> (group / 8 * 4)) & 15;
    const int high = (block[104 + group % 4] >> (group / 4 * 2)) & 3;
    const int scale = low | (high << 4);
    vi levels = block_levels(block + 32 + i / 128 * 32 + i % 32, 2, i % 128 / 32 * 2);
    vi bits = block_levels(block + i % 32, 1, i / 32);
    return block_floats(levels + bits * 4 - 4) * (block_half(block + 108) * (float)(scale - 32));
}

INLINE vf load_q6_k(const uint8_t *block, int i) {
    const int half = i / 128, quarter = i % 128 / 32, place = i % 32;
    vi low = block_levels(block + half * 64 + quarter % 2 * 32 + place, 4, quarter / 2 * 4);
    vi high = block_levels(block + 128 + half * 32 + place, 2, quarter * 2);
    float scale = (float)(int8_t)block[192 + i / 16];
    return block_floats((low | (high << 4)) - 32) * (block_half(block + 208) * scale);
}

INLINE vf load_iq4_xs(const uint8_t *block, int i) {
    const int group = i / 32, high_bits = block[2] | (block[3] << 8);
    int scale = ((block[4 + group / 2] >> (group % 2 * 4)) & 15) | (((high_bits >> (2 * group)) & 3) << 4);
    return block_table(block_nibbles(block + 8 + 16 * group, i % 32)) * (block_half(block) * (float)(scale - 32));
}

// The block that holds element `i`, and the element's place in it.
#define BLOCK(size, bytes)                                                                                            \
    const uint8_t *block = (const uint8_t *)row + i / (size) * (bytes);                                               \
    const int at = (int)(i % (size))

INLINE vf load_block_format(const int format, const void *row, int64_t i) {
    switch (format) {
    case CPUK_Q8_0: { BLOCK(32, 34); return widen((const char *)block + 2 + at) * block_half(block); }
    case CPUK_Q4_0: { BLOCK(32, 18); return block_floats(block_nibbles(block + 2, at) - 8) * block_half(block); }
    case CPUK_Q4_1: {
        BLOCK(32, 20);
        return fma_v(block_floats(block_nibbles(block + 4, at)), block_half(block), block_half(block + 2));
    }
    case CPUK_Q5_0: {
        BLOCK(32, 22);
        return block_floats((block_nibbles(block + 6, at) | block_fifth_bits(block + 2, at)) - 16) * block_half(block);
    }
    case CPUK_Q5_1: {
        BLOCK(32, 24);
        vi levels = block_nibbles(block + 8, at) | block_fifth_bits(block + 4, at);
        return fma_v(block_floats(levels), block_half(block), block_half(block + 2));
    }
    case CPUK_IQ4_NL: { BLOCK(32, 18); return block_table(block_nibbles(block + 2, at)) * block_half(block); }
    case CPUK_IQ4_XS: { BLOCK(256, 136); return load_iq4_xs(block, at); }
    case CPUK_Q2_K: { BLOCK(256, 84); return load_q2_k(block, at); }
    case CPUK_Q3_K: { BLOCK(256, 110); return load_q3_k(block, at); }
    case CPUK_Q4_K: {
        BLOCK(256, 144);
        return block_scaled(block, at / 32, block_levels(block + 16 + at / 64 * 32 + at % 32, 4, at / 32 % 2 * 4));
    }
    case CPUK_Q5_K: {
        BLOCK(256, 176);
        vi levels = block_levels(block + 48 + at / 64 * 32 + at % 32, 4, at / 32 % 2 * 4);
        return block_scaled(block, at / 32, levels | (block_levels(block + 16 + at % 32, 1, at / 32) << 4));
    }
    default: { BLOCK(256, 210); return load_q6_k(block, at); }
    }
}
