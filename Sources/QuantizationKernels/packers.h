// One block of each format: its quants and scales are searched for (search.h, superblocks.h) and packed as ggml's
// `dequantize_row_*` reads them. A packer returns whether all scales are finite.
#pragma once
#include "superblocks.h"

// MARK: Blocks of 32

INLINE bool pack_q8_0(const float *x, uint8_t *output) {
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    bool is_finite = true;
    const float scale = store_half(largest / 127, output, &is_finite);
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (int i = 0; i < 32; i++) {
        output[2 + i] = (uint8_t)(int8_t)nearest_integer(clamped(inverse * x[i], -127, 127));
    }
    return is_finite;
}

// Low halves of 16 bytes, then their high halves.
INLINE void pack_nibbles(const int *quants, uint8_t *output) {
    for (int i = 0; i < 16; i++) output[i] = (uint8_t)((quants[i] & 15) | (quants[16 + i] & 15) << 4);
}

// The fifth bits of 32 quants, one bit an element.
INLINE void pack_fifth_bits(const int *quants, uint8_t *output) {
    for (int byte = 0; byte < 4; byte++) {
        int bits = 0;
        for (int i = 0; i < 8; i++) bits |= ((quants[8 * byte + i] >> 4) & 1) << i;
        output[byte] = (uint8_t)bits;
    }
}

// q4_0, q5_0 and iq4_NL: quants of a grid. `fifth` is where the fifth bits go, if any.
INLINE bool pack_symmetric(const float *x, Grid grid, uint8_t *output, uint8_t *fifth, uint8_t *nibbles) {
    float w[32];
    group_weights(x, 32, w);
    bool is_finite = true;
    const float scale = store_half(symmetric_search(x, w, 32, grid), output, &is_finite);
    const float inverse = scale != 0 ? 1 / scale : 0;
    int quants[32];
    for (int i = 0; i < 32; i++) {
        quants[i] = grid.is_table ? iq4_index(inverse * x[i]) : (int)(nearest_quant(grid, inverse * x[i]) - grid.low);
    }
    if (fifth) pack_fifth_bits(quants, fifth);
    pack_nibbles(quants, nibbles);
    return is_finite;
}

// q4_1 and q5_1.
INLINE bool pack_affine(const float *x, float high, uint8_t *output, uint8_t *fifth, uint8_t *nibbles) {
    float w[32];
    group_weights(x, 32, w);
    const AffineFit fit = affine_search(x, w, 32, high, false);
    bool is_finite = true;
    const float scale = store_half(fit.scale, output, &is_finite);
    const float low = store_half(-fit.offset, output + 2, &is_finite);
    const float inverse = scale > 0 ? 1 / scale : 0;
    int quants[32];
    for (int i = 0; i < 32; i++) quants[i] = (int)nearest_integer(clamped(inverse * (x[i] - low), 0, high));
    if (fifth) pack_fifth_bits(quants, fifth);
    pack_nibbles(quants, nibbles);
    return is_finite;
}

// The nearest of twice the values of E2M1.
INLINE int e2m1_index(float value) {
    const float bounds[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    int index = 0;
    for (int i = 0; i < 7; i++) index += fabsf(value) > bounds[i];
    return value < 0 && index > 0 ? index + 8 : index;
}

static const float e2m1_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// The scale is a power of two: of those about the one that ggml takes, which lets the largest values be cut, the
// one with the least error.
INLINE bool pack_mxfp4(const float *x, uint8_t *output) {
    float w[32];
    group_weights(x, 32, w);
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    memset(output, 0, NUMBER_FORMAT_MXFP4_BYTES);
    // Half of the scale of the smallest normal number's exponent; values below are zero.
    if (!(largest >= 0x1p-120f)) return true;
    uint32_t bits;
    memcpy(&bits, &largest, 4);
    const int middle = (int)(bits >> 23) - 2;
    float least = INFINITY;
    int quants[32];
    for (int exponent = middle - 1; exponent <= middle + 1; exponent++) {
        const uint32_t half_bits = (uint32_t)(exponent - 1) << 23;
        float half;
        memcpy(&half, &half_bits, 4);
        const float inverse = 1 / half;
        float error = 0;
        int tried[32];
        for (int i = 0; i < 32; i++) {
            tried[i] = e2m1_index(inverse * x[i]);
            const float difference = half * e2m1_values[tried[i]] - x[i];
            error += w[i] * difference * difference;
        }
        if (error < least) {
            least = error;
            output[0] = (uint8_t)exponent;
            memcpy(quants, tried, sizeof quants);
        }
    }
    pack_nibbles(quants, output + 1);
    return true;
}

// MARK: Blocks of 256

// Two bits of each quant: for each half, four times 32 elements, two bits higher every time.
INLINE void pack_quarters(const int *quants, int shift, uint8_t *output) {
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 32; i++) {
            int byte = 0;
            for (int quarter = 0; quarter < 4; quarter++) {
                byte |= ((quants[128 * half + 32 * quarter + i] >> shift) & 3) << (2 * quarter);
            }
            output[32 * half + i] = (uint8_t)byte;
        }
    }
}

INLINE bool pack_q2_K(const float *x, uint8_t *output) {
    AffineBlock block;
    const bool is_finite = affine_block(x, 16, 3, 15, output + 80, &block);
    int quants[SUPERBLOCK];
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)block.quants[i];
    for (int group = 0; group < 16; group++) {
        output[group] = (uint8_t)((int)block.scales[group] | (int)block.offsets[group] << 4);
    }
    pack_quarters(quants, 0, output + 16);
    return is_finite;
}

INLINE bool pack_q3_K(const float *x, uint8_t *output) {
    SymmetricBlock block;
    const Grid grid = {-4, 3, false};
    const Grid scales = {-32, 31, false};
    const bool is_finite = symmetric_block(x, 16, grid, scales, output + 108, &block);
    int quants[SUPERBLOCK];
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)block.quants[i] + 4;
    memset(output, 0, 32);
    for (int i = 0; i < SUPERBLOCK; i++) output[i % 32] |= (uint8_t)((quants[i] >> 2) << (i / 32));
    pack_quarters(quants, 0, output + 32);
    memset(output + 96, 0, 12);
    for (int group = 0; group < 16; group++) {
        const int scale = (int)block.scales[group] + 32;
        output[96 + group % 8] |= (uint8_t)((scale & 15) << (group / 8 * 4));
        output[104 + group % 4] |= (uint8_t)((scale >> 4) << (group / 4 * 2));
    }
    return is_finite;
}

// Scales and offsets of 8 groups, 6 bits each: those of the first four lie whole, those of the others in two parts.
INLINE void pack_six_bits(const AffineBlock *block, uint8_t *output) {
    for (int group = 0; group < 4; group++) {
        const int scale = (int)block->scales[group];
        const int offset = (int)block->offsets[group];
        const int next_scale = (int)block->scales[group + 4];
        const int next_offset = (int)block->offsets[group + 4];
        output[group] = (uint8_t)(scale | (next_scale >> 4) << 6);
        output[4 + group] = (uint8_t)(offset | (next_offset >> 4) << 6);
        output[8 + group] = (uint8_t)((next_scale & 15) | (next_offset & 15) << 4);
    }
}

// Low halves of 32 bytes, then their high halves, four times.
INLINE void pack_wide_nibbles(const int *quants, uint8_t *output) {
    for (int pair = 0; pair < 4; pair++) {
        for (int i = 0; i < 32; i++) {
            output[32 * pair + i] = (uint8_t)((quants[64 * pair + i] & 15) | (quants[64 * pair + 32 + i] & 15) << 4);
        }
    }
}

INLINE bool pack_q4_K(const float *x, uint8_t *output) {
    AffineBlock block;
    const bool is_finite = affine_block(x, 32, 15, 63, output, &block);
    int quants[SUPERBLOCK];
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)block.quants[i];
    pack_six_bits(&block, output + 4);
    pack_wide_nibbles(quants, output + 16);
    return is_finite;
}

INLINE bool pack_q5_K(const float *x, uint8_t *output) {
    AffineBlock block;
    const bool is_finite = affine_block(x, 32, 31, 63, output, &block);
    int quants[SUPERBLOCK];
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)block.quants[i];
    pack_six_bits(&block, output + 4);
    memset(output + 16, 0, 32);
    for (int i = 0; i < SUPERBLOCK; i++) output[16 + i % 32] |= (uint8_t)((quants[i] >> 4) << (i / 32));
    pack_wide_nibbles(quants, output + 48);
    return is_finite;
}

INLINE bool pack_q6_K(const float *x, uint8_t *output) {
    SymmetricBlock block;
    const Grid grid = {-32, 31, false};
    const Grid scales = {-128, 127, false};
    const bool is_finite = symmetric_block(x, 16, grid, scales, output + 208, &block);
    int quants[SUPERBLOCK];
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)block.quants[i] + 32;
    for (int half = 0; half < 2; half++) {
        const int *first = quants + 128 * half;
        for (int i = 0; i < 64; i++) {
            output[64 * half + i] = (uint8_t)((first[i] & 15) | (first[64 + i] & 15) << 4);
        }
    }
    pack_quarters(quants, 4, output + 128);
    for (int group = 0; group < 16; group++) output[192 + group] = (uint8_t)(int8_t)block.scales[group];
    return is_finite;
}

INLINE bool pack_iq4_XS(const float *x, uint8_t *output) {
    SymmetricBlock block;
    const Grid grid = {-127, 113, true};
    const Grid scales = {-32, 31, false};
    const bool is_finite = symmetric_block(x, 32, grid, scales, output, &block);
    memset(output + 2, 0, 6);
    for (int group = 0; group < 8; group++) {
        const int scale = (int)block.scales[group] + 32;
        output[2 + group / 4] |= (uint8_t)((scale >> 4) << (group % 4 * 2));
        output[4 + group / 2] |= (uint8_t)((scale & 15) << (group % 2 * 4));
        int quants[32];
        for (int i = 0; i < 32; i++) quants[i] = iq4_index(block.quants[32 * group + i]);
        pack_nibbles(quants, output + 8 + 16 * group);
    }
    return is_finite;
}

// Quants of 0 to 2, of which 1 stands for 0, with their scale.
INLINE bool search_ternary(const float *x, int quants[SUPERBLOCK], uint8_t *scale_bytes) {
    float w[SUPERBLOCK];
    group_weights(x, SUPERBLOCK, w);
    bool is_finite = true;
    const Grid ternary = {-1, 1, false};
    const float scale = store_half(symmetric_search(x, w, SUPERBLOCK, ternary), scale_bytes, &is_finite);
    const float inverse = scale != 0 ? 1 / scale : 0;
    for (int i = 0; i < SUPERBLOCK; i++) quants[i] = (int)nearest_quant(ternary, inverse * x[i]) + 1;
    return is_finite;
}

INLINE bool pack_tq2_0(const float *x, uint8_t *output) {
    int quants[SUPERBLOCK];
    const bool is_finite = search_ternary(x, quants, output + 64);
    pack_quarters(quants, 0, output);
    return is_finite;
}

// Bytes of `digits` quants, `count` apart: a number to the base of 3 of five digits, as 256 / 243 of it, rounded up.
INLINE void pack_trits(const int *quants, int count, int digits, uint8_t *output) {
    for (int i = 0; i < count; i++) {
        int number = 0;
        for (int digit = 0; digit < 5; digit++) number = 3 * number + (digit < digits ? quants[digit * count + i] : 0);
        output[i] = (uint8_t)((number * 256 + 242) / 243);
    }
}

INLINE bool pack_tq1_0(const float *x, uint8_t *output) {
    int quants[SUPERBLOCK];
    const bool is_finite = search_ternary(x, quants, output + 52);
    pack_trits(quants, 32, 5, output);
    pack_trits(quants + 160, 16, 5, output + 32);
    pack_trits(quants + 240, 4, 4, output + 48);
    return is_finite;
}
