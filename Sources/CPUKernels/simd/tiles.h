// Tiles: eight registers of 16 rows of 64 bytes each, and one instruction that multiplies two of them (AMX; Intel SDM,
// volume 1, chapter 18, and TDPBF16PS in volume 2).
//
//     c [16, 16] FP32   +=   a [16, 32] BF16   *   b [16, 16 pairs] BF16
//
//     a    row i: a[i][0] a[i][1] … a[i][31]                        what multiplies lies side by side in a row
//     b    row k: b[2k][0] b[2k+1][0] | b[2k][1] b[2k+1][1] | …      pairs of two rows of the matrix, column by column
//
// SIMD_AMX says that the processor has them. Without it they are memory and loops, so that what packs and indexes for
// them is tested on every processor with AVX-512. Tile numbers are constants from 0 to 7.
#pragma once
#include "vector.h"

enum { TILE_ROWS = 16, TILE_ROW_BYTES = 64, TILE_BYTES = TILE_ROWS * TILE_ROW_BYTES };

#if defined(SIMD_AMX)
#include <immintrin.h>

typedef struct {
    char unused;
} tile_registers;

// All tiles have all rows; set up once for many products.
INLINE void tiles_begin(void) {
    const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } configuration = {
        .palette = 1,
        .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
        .rows = {16, 16, 16, 16, 16, 16, 16, 16},
    };
    _tile_loadconfig(&configuration);
}
INLINE void tiles_end(void) { _tile_release(); }

#define TILE_ZERO(tiles, n) ((void)(tiles), _tile_zero(n))
#define TILE_LOAD(tiles, n, from, stride) ((void)(tiles), _tile_loadd(n, from, stride))
#define TILE_STORE(tiles, n, to, stride) ((void)(tiles), _tile_stored(n, to, stride))
#define TILE_MULTIPLY(tiles, c, a, b) ((void)(tiles), _tile_dpbf16ps(c, a, b))
#else
typedef struct {
    _Alignas(64) uint8_t bytes[8][TILE_BYTES];
} tile_registers;

INLINE void tiles_begin(void) {}
INLINE void tiles_end(void) {}

static inline void tile_load(tile_registers *tiles, int n, const void *from, int64_t stride) {
    for (int i = 0; i < TILE_ROWS; i++)
        memcpy(tiles->bytes[n] + i * TILE_ROW_BYTES, (const char *)from + i * stride, TILE_ROW_BYTES);
}
static inline void tile_store(const tile_registers *tiles, int n, void *to, int64_t stride) {
    for (int i = 0; i < TILE_ROWS; i++)
        memcpy((char *)to + i * stride, tiles->bytes[n] + i * TILE_ROW_BYTES, TILE_ROW_BYTES);
}
static inline void tile_multiply(tile_registers *tiles, int c, int a, int b) {
    vf pairs[TILE_ROWS];
    memcpy(pairs, tiles->bytes[b], TILE_BYTES);
    for (int i = 0; i < TILE_ROWS; i++) {
        float *row = (float *)(tiles->bytes[c] + i * TILE_ROW_BYTES);
        vf even = load(row), odd = splat(0);
        for (int k = 0; k < TILE_ROWS; k++) {
            uint32_t both;
            memcpy(&both, tiles->bytes[a] + i * TILE_ROW_BYTES + k * 4, sizeof both);
            even = fma_v((vf)splat_u(both << 16), (vf)((vu)pairs[k] << 16), even);
            odd = fma_v((vf)splat_u(both & 0xffff0000u), (vf)((vu)pairs[k] & 0xffff0000u), odd);
        }
        store(row, even + odd);
    }
}

#define TILE_ZERO(tiles, n) memset((tiles)->bytes[n], 0, TILE_BYTES)
#define TILE_LOAD(tiles, n, from, stride) tile_load(tiles, n, from, stride)
#define TILE_STORE(tiles, n, to, stride) tile_store(tiles, n, to, stride)
#define TILE_MULTIPLY(tiles, c, a, b) tile_multiply(tiles, c, a, b)
#endif
