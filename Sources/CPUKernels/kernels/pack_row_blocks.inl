// Packs rows of a weight to blocks of 16 (formats/row_blocks.h), once, while a model loads.
#pragma once
#include "../formats/row_blocks.h"
#include "matmul.h"

// 64 quants as the file has them: indices of a table are not looked up, and signed bytes get their offset.
INLINE vq stored_quants(const int format, const uint8_t *span, int c, int64_t rest) {
    const uint8_t *second = rest >= QUANTS ? span + span_bytes(format) / 2 : span;
    switch (format) {
    case CPUK_IQ4_NL: return nibbles(span + 2, second + 2);
    case CPUK_MXFP4: return nibbles(span + 1, second + 1);
    case CPUK_IQ4_XS: return nibbles(span + 8 + c * 32, span + 24 + c * 32);
    default: return unpack_quants(format, span, c, rest);
    }
}

// Stores the quads of a group of 32 columns: `quads[i]` is the `i`th of each row.
INLINE void store_group(const int format, const vq quads[2 * GROUP_VECTORS], uint8_t *group) {
    if (quant_bits(format) == 8) {
        UNROLL for (int i = 0; i < 2 * GROUP_VECTORS; i++) store_q(group + i * 64, quads[i]);
        return;
    }
    vq upper[2] = {splat_q(0), splat_q(0)};
    if (quant_bits(format) < 4) {
        vq third = splat_q(0);
        UNROLL for (int v = 0; v < GROUP_VECTORS; v++) {
            const vq low = quads[v], high = quads[v + GROUP_VECTORS];
            const vq bits = (low & splat_q(3)) | shift_left(high & splat_q(3), 2);
            upper[v / 2] |= shift_left(bits, 4 * (v % 2));
            third |= shift_left(shift_right(low & splat_q(4), 2), v) | shift_left(high & splat_q(4), v + 2);
        }
        store_q(group, upper[0]);
        store_q(group + 64, upper[1]);
        if (quant_bits(format) == 3) store_q(group + 128, third);
        return;
    }
    UNROLL for (int v = 0; v < GROUP_VECTORS; v++) {
        const vq low = quads[v], high = quads[v + GROUP_VECTORS];
        store_q(group + v * 64, (low & splat_q(15)) | shift_left(high & splat_q(15), 4));
        if (quant_bits(format) == 5)
            upper[0] |= (shift_right(low & splat_q(16), 4 - v)) | shift_left(high & splat_q(16), v);
        if (quant_bits(format) == 6) {
            const vq bits = shift_right(low & splat_q(0x30), 4) | shift_right(high & splat_q(0x30), 2);
            upper[v / 2] |= shift_left(bits, 4 * (v % 2));
        }
    }
    if (quant_bits(format) > 4) store_q(group + GROUP_VECTORS * 64, upper[0]);
    if (quant_bits(format) == 6) store_q(group + (GROUP_VECTORS + 1) * 64, upper[1]);
}

// Rows that do not exist become zeros.
INLINE void pack_quants(
    const int format, const uint8_t *const rows[BLOCK_ROWS], int64_t count, int64_t columns, uint8_t *block) {
    for (int64_t k = 0; k < columns; k += QUANTS) {
        const int64_t span = k / span_of(format) * span_bytes(format), rest = columns - k;
        const int c = (int)(k % span_of(format) / QUANTS);
        vf square[VL];
        for (int64_t r = 0; r < BLOCK_ROWS; r++)
            square[r] = r < count ? (vf)stored_quants(format, rows[r] + span, c, rest) : splat(0);
        transpose(square);
        for (int g = 0; g < QUANTS / GROUP_COLUMNS && g * GROUP_COLUMNS < rest; g++)
            store_group(
                format, (const vq *)square + g * 2 * GROUP_VECTORS,
                block + (k / GROUP_COLUMNS + g) * group_quant_bytes(format));
    }
}

// The 16-bit number at `from` of each row.
INLINE void pack_halves(
    const uint8_t *const rows[BLOCK_ROWS], int64_t count, int64_t from, uint8_t *to) {
    for (int64_t r = 0; r < BLOCK_ROWS; r++) {
        if (r < count) memcpy(to + 2 * r, rows[r] + from, 2);
        else memset(to + 2 * r, 0, 2);
    }
}

// Scale and minimum of a group of Q4_K or Q5_K, 6 bits each.
INLINE void scales_of_6_bits(const uint8_t *scales, int g, uint8_t *scale, uint8_t *minimum) {
    if (g < 4) {
        *scale = scales[g] & 63;
        *minimum = scales[g + 4] & 63;
        return;
    }
    *scale = (uint8_t)((scales[g + 4] & 15) | scales[g - 4] >> 6 << 4);
    *minimum = (uint8_t)(scales[g + 4] >> 4 | scales[g] >> 6 << 4);
}

// The scale of the `i`th 16 of a block of Q3_K: four bits, and two further on.
INLINE uint8_t q3_k_scale(const uint8_t *block, int i) {
    const int low = block[96 + i % 8] >> 4 * (i / 8) & 15, high = block[104 + i % 4] >> 2 * (i / 4) & 3;
    return (uint8_t)((low | high << 4) - 32);
}

// Where a block of 256 has its factor; that of minima follows two bytes later.
INLINE int64_t factor_place(const int format) {
    switch (format) {
    case CPUK_Q2_K: return 80;
    case CPUK_Q3_K: return 108;
    case CPUK_Q6_K: return 208;
    case CPUK_TQ2_0: return 64;
    case CPUK_TQ1_0: return 52;
    default: return 0;
    }
}

// The integer scales of the `g`th group of 32 in a block of 256, one or two bytes.
INLINE void integer_scales(const int format, const uint8_t *block, int g, uint8_t *first, uint8_t *second) {
    switch (format) {
    case CPUK_Q4_K: case CPUK_Q5_K: scales_of_6_bits(block + 4, g, first, second); return;
    case CPUK_Q6_K:
        *first = block[192 + 2 * g];
        *second = block[193 + 2 * g];
        return;
    case CPUK_Q2_K:
        *first = block[2 * g];
        *second = block[2 * g + 1];
        return;
    case CPUK_Q3_K:
        *first = q3_k_scale(block, 2 * g);
        *second = q3_k_scale(block, 2 * g + 1);
        return;
    default:
        *first = (uint8_t)(((block[4 + g / 2] >> 4 * (g % 2) & 15) | (read_u16(block + 2) >> 2 * g & 3) << 4) - 32);
    }
}

INLINE void pack_scales(
    const int format, const uint8_t *const rows[BLOCK_ROWS], int64_t count, int64_t columns, uint8_t *block) {
    const int64_t bytes = number_format_block_bytes(format), size = number_format_block_size(format);
    uint8_t *scales = block + row_block_scales(format, columns), *factors = block + row_block_factors(format, columns);
    for (int64_t b = 0; b < columns / size; b++) {
        if (!has_factors(format)) {
            uint8_t *to = scales + b * group_scale_bytes(format);
            if (format == CPUK_MXFP4)
                for (int64_t r = 0; r < BLOCK_ROWS; r++) to[r] = r < count ? rows[r][b * bytes] : 0;
            else pack_halves(rows, count, b * bytes, to);
            if (has_minimum(format)) pack_halves(rows, count, b * bytes + 2, to + 2 * BLOCK_ROWS);
            continue;
        }
        uint8_t *to = factors + b * factor_bytes(format);
        const int64_t at = b * bytes + factor_place(format);
        pack_halves(rows, count, at, to);
        if (has_minimum(format)) pack_halves(rows, count, at + 2, to + 2 * BLOCK_ROWS);
        if (has_factors_alone(format)) continue;
        for (int g = 0; g < 256 / GROUP_COLUMNS; g++) {
            uint8_t *group = scales + (b * (256 / GROUP_COLUMNS) + g) * group_scale_bytes(format), unused = 0;
            const bool has_second = group_scale_bytes(format) > BLOCK_ROWS;
            for (int64_t r = 0; r < BLOCK_ROWS; r++) {
                uint8_t *second = has_second ? group + BLOCK_ROWS + r : &unused;
                group[r] = *second = 0;
                if (r < count) integer_scales(format, rows[r] + b * bytes, g, group + r, second);
            }
        }
    }
}

INLINE void pack_row_block_of(
    const int format, const uint8_t *const rows[BLOCK_ROWS], const float *scales, int64_t count, int64_t columns,
    uint8_t *block) {
    pack_quants(format, rows, count, columns, block);
    if (format == CPUK_I8)
        for (int64_t r = 0; r < BLOCK_ROWS; r++) {
            const float scale = r < count ? scales[r] : 0;
            memcpy(block + row_block_factors(format, columns) + r * 4, &scale, 4);
        }
    else pack_scales(format, rows, count, columns, block);
    const int64_t used = row_block_end(format, columns);
    memset(block + used, 0, (size_t)(row_block_bytes(format, columns) - used));
}

#define PACK_CASE(ID) \
    case CPUK_##ID: pack_row_block_of(CPUK_##ID, places, scales, count, columns, block); return;
static void pack_row_block(
    cpuk_format format, const char *const rows[PACKED_ROWS], const float *scales, int64_t count, int64_t columns,
    void *block) {
    const uint8_t *places[BLOCK_ROWS];
    for (int64_t r = 0; r < BLOCK_ROWS; r++) places[r] = (const uint8_t *)rows[r < count ? r : 0];
    switch (format) {
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(PACK_CASE)
    default: return;
    }
}
#undef PACK_CASE

#define BYTES_CASE(ID) case CPUK_##ID: return row_block_bytes(CPUK_##ID, columns);
static int64_t row_block_bytes_of(cpuk_format format, int64_t columns) {
    switch (format) {
        FOR_EACH_FORMAT_OF_ROW_BLOCKS(BYTES_CASE)
    default: return 0;
    }
}
#undef BYTES_CASE

static const weight_packing row_blocks = {.block_bytes = row_block_bytes_of, .pack_block = pack_row_block};
