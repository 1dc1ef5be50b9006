// Blocks of 256 values whose groups have scales (and offsets) of few bits, which a binary16 scale of the block
// multiplies.
//
// Each group is searched alone; its scale is then rounded to the bits it has, with its neighbours tried as well; and
// the block's scale is solved once more by least squares for the quants that came out.
#pragma once

#include "search.h"

#define SUPERBLOCK 256
#define GROUPS_MAX 16

// MARK: binary16

INLINE uint16_t half_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t sign = (bits >> 16) & 0x8000;
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7C00);
    if (magnitude < 0x38800000) {
        // Adding 1/2 rounds to a multiple of 2^-24.
        float small;
        memcpy(&small, &magnitude, 4);
        small += 0.5f;
        uint32_t rounded;
        memcpy(&rounded, &small, 4);
        return (uint16_t)(sign | (rounded - 0x3F000000));
    }
    return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xFFF + ((magnitude >> 13) & 1)) >> 13));
}

INLINE float half_value(uint16_t bits) {
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits & 0x7C00;
    float value;
    if (exponent == 0) {
        value = (float)(bits & 0x3FF) * 0x1p-24f;
    } else {
        const uint32_t magnitude = ((uint32_t)(bits & 0x7FFF) << 13) + (exponent == 0x7C00 ? 0x70000000 : 0x38000000);
        memcpy(&value, &magnitude, 4);
    }
    uint32_t word;
    memcpy(&word, &value, 4);
    word |= sign;
    memcpy(&value, &word, 4);
    return value;
}

// Stores a scale; returns it as it is read back.
INLINE float store_half(float value, uint8_t *output, bool *is_finite) {
    const uint16_t bits = half_bits(value);
    *is_finite = *is_finite && (bits & 0x7C00) != 0x7C00;
    output[0] = (uint8_t)bits;
    output[1] = (uint8_t)(bits >> 8);
    return half_value(bits);
}

// MARK: Symmetric: x = block * scale[group] * q

typedef struct {
    float scales[GROUPS_MAX];
    float quants[SUPERBLOCK];
} SymmetricBlock;

INLINE float symmetric_error(const float *x, const float *w, int n, Grid grid, float scale) {
    FAST_SUMS
    const float inverse = scale != 0 ? 1 / scale : 0;
    float error = 0;
    for (int i = 0; i < n; i++) {
        const float difference = scale * nearest_quant(grid, inverse * x[i]) - x[i];
        error += w[i] * difference * difference;
    }
    return error;
}

// The best block scale for the group scales and quants that there are; `fallback` where all are zero.
INLINE float refit_symmetric(const float *x, const float *w, const SymmetricBlock *block, int size, float fallback) {
    FAST_SUMS
    float xq = 0, qq = 0;
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        const float scale = block->scales[group];
        for (int i = group * size; i < (group + 1) * size; i++) {
            const float q = scale * block->quants[i];
            xq += w[i] * x[i] * q;
            qq += w[i] * q * q;
        }
    }
    return qq > 0 ? xq / qq : fallback;
}

INLINE void choose_symmetric(
    const float *x, const float *w, int size, Grid grid, Grid scales, float block_scale, const float *wanted,
    SymmetricBlock *block) {
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        const float *gx = x + group * size;
        const float *gw = w + group * size;
        const float middle = block_scale != 0 ? nearest_quant(scales, wanted[group] / block_scale) : 0;
        float best = middle;
        float error = symmetric_error(gx, gw, size, grid, block_scale * middle);
        for (int step = -1; step <= 1; step += 2) {
            const float other = clamped(middle + (float)step, scales.low, scales.high);
            const float other_error = symmetric_error(gx, gw, size, grid, block_scale * other);
            if (other_error < error) {
                error = other_error;
                best = other;
            }
        }
        const float scale = block_scale * best;
        const float inverse = scale != 0 ? 1 / scale : 0;
        block->scales[group] = best;
        for (int i = 0; i < size; i++) block->quants[group * size + i] = nearest_quant(grid, inverse * gx[i]);
    }
}

// Searches a whole block and stores its scale at `half`.
//   size: values of a group. grid: the values' quants. scales: those of the groups' scales.
INLINE bool symmetric_block(
    const float *x, int size, Grid grid, Grid scales, uint8_t *half, SymmetricBlock *block) {
    float w[SUPERBLOCK];
    float wanted[GROUPS_MAX];
    float extreme = 0;
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        group_weights(x + group * size, size, w + group * size);
        wanted[group] = symmetric_search(x + group * size, w + group * size, size, grid);
        extreme = fabsf(wanted[group]) > fabsf(extreme) ? wanted[group] : extreme;
    }
    bool is_finite = true;
    float scale = store_half(extreme / scales.low, half, &is_finite);
    choose_symmetric(x, w, size, grid, scales, scale, wanted, block);
    scale = store_half(refit_symmetric(x, w, block, size, scale), half, &is_finite);
    choose_symmetric(x, w, size, grid, scales, scale, wanted, block);
    return is_finite;
}

// MARK: Affine: x = block * scale[group] * q - block_offset * offset[group]

typedef struct {
    float scales[GROUPS_MAX];
    float offsets[GROUPS_MAX];
    float quants[SUPERBLOCK];
} AffineBlock;

INLINE float affine_error(const float *x, const float *w, int n, float high, float scale, float offset) {
    FAST_SUMS
    const float inverse = scale > 0 ? 1 / scale : 0;
    float error = 0;
    for (int i = 0; i < n; i++) {
        const float q = nearest_integer(clamped(inverse * (x[i] + offset), 0, high));
        const float difference = scale * q - offset - x[i];
        error += w[i] * difference * difference;
    }
    return error;
}

INLINE void choose_affine(
    const float *x, const float *w, int size, float high, float scale_high, float block_scale, float block_offset,
    const AffineFit *wanted, AffineBlock *block) {
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        const float *gx = x + group * size;
        const float *gw = w + group * size;
        const float inverse_scale = block_scale > 0 ? 1 / block_scale : 0;
        const float inverse_offset = block_offset > 0 ? 1 / block_offset : 0;
        const float scale = nearest_integer(clamped(wanted[group].scale * inverse_scale, 0, scale_high));
        const float offset = nearest_integer(clamped(wanted[group].offset * inverse_offset, 0, scale_high));
        float best = INFINITY;
        for (int s = -1; s <= 1; s++) {
            for (int o = -1; o <= 1; o++) {
                const float tried_scale = clamped(scale + (float)s, 0, scale_high);
                const float tried_offset = clamped(offset + (float)o, 0, scale_high);
                const float error = affine_error(
                    gx, gw, size, high, block_scale * tried_scale, block_offset * tried_offset);
                if (error < best) {
                    best = error;
                    block->scales[group] = tried_scale;
                    block->offsets[group] = tried_offset;
                }
            }
        }
        const float chosen = block_scale * block->scales[group];
        const float inverse = chosen > 0 ? 1 / chosen : 0;
        const float shift = block_offset * block->offsets[group];
        for (int i = 0; i < size; i++) {
            block->quants[group * size + i] = nearest_integer(clamped(inverse * (gx[i] + shift), 0, high));
        }
    }
}

// The best block scale and offset for the groups' and quants that there are; unchanged where they have no solution.
INLINE void refit_affine(
    const float *x, const float *w, const AffineBlock *block, int size, float *block_scale, float *block_offset) {
    FAST_SUMS
    float qq = 0, qm = 0, mm = 0, xq = 0, xm = 0;
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        const float scale = block->scales[group];
        const float m = -block->offsets[group];
        for (int i = group * size; i < (group + 1) * size; i++) {
            const float q = scale * block->quants[i];
            qq += w[i] * q * q;
            qm += w[i] * q * m;
            mm += w[i] * m * m;
            xq += w[i] * x[i] * q;
            xm += w[i] * x[i] * m;
        }
    }
    const float determinant = qq * mm - qm * qm;
    if (!(determinant > 1e-6f * qq * mm)) return;
    const float scale = (xq * mm - xm * qm) / determinant;
    const float offset = (xm * qq - xq * qm) / determinant;
    if (!(scale > 0) || !(offset > 0)) return;
    *block_scale = scale;
    *block_offset = offset;
}

// Searches a whole block; stores its scale at `half` and its offset two bytes behind it.
//   high: the largest quant. scale_high: the largest scale and offset of a group.
INLINE bool affine_block(
    const float *x, int size, float high, float scale_high, uint8_t *half, AffineBlock *block) {
    float w[SUPERBLOCK];
    AffineFit wanted[GROUPS_MAX];
    float largest_scale = 0;
    float largest_offset = 0;
    for (int group = 0; group < SUPERBLOCK / size; group++) {
        group_weights(x + group * size, size, w + group * size);
        const AffineFit fit = affine_search(x + group * size, w + group * size, size, high, true);
        wanted[group] = fit;
        largest_scale = fit.scale > largest_scale ? fit.scale : largest_scale;
        largest_offset = fit.offset > largest_offset ? fit.offset : largest_offset;
    }
    bool is_finite = true;
    float scale = store_half(largest_scale / scale_high, half, &is_finite);
    float offset = store_half(largest_offset / scale_high, half + 2, &is_finite);
    choose_affine(x, w, size, high, scale_high, scale, offset, wanted, block);
    refit_affine(x, w, block, size, &scale, &offset);
    scale = store_half(scale, half, &is_finite);
    offset = store_half(offset, half + 2, &is_finite);
    choose_affine(x, w, size, high, scale_high, scale, offset, wanted, block);
    return is_finite;
}
