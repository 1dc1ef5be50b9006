// Products on tiles with AMX-BF16 (Sapphire Rapids on).
#include "targets.h"

#if defined(__x86_64__)
// Before the attribute, which must not reach what the system declares.
#include <immintrin.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,amx-tile,amx-bf16,avx2,fma,f16c"))), \
    apply_to = function)
#define SIMD_AVX512
#define SIMD_VNNI
#define SIMD_BF16
#define SIMD_AMX
#include "../kernels/tiles_set.inl"

enum { TRIAL_ROWS = 2 * TILE_ROWS, TRIAL_COLUMNS = 2 * STEP };

// Small whole numbers, whose products and sums are exact in any order.
static float trial_value(int64_t row, int64_t column) { return (float)((row * 7 + column * 5) % 13 - 6); }

// Whether the products of some rows and tokens come out as they must: a virtual machine may claim tiles and not keep
// them.
static bool multiplies_rightly(void) {
    _Alignas(64) float w[TRIAL_ROWS * TRIAL_COLUMNS], panels[2][TRIAL_COLUMNS * MR / 2];
    _Alignas(64) char packed[TRIAL_COLUMNS / STEP * LINES_STRIDE];
    float products[2 * PRODUCTS_STRIDE];
    for (int64_t i = 0; i < TRIAL_ROWS * TRIAL_COLUMNS; i++) w[i] = trial_value(i / TRIAL_COLUMNS, i % TRIAL_COLUMNS);
    weight_rows rows = {.format = CPUK_F32, .columns = TRIAL_COLUMNS, .count = TRIAL_ROWS};
    for (int64_t r = 0; r < TRIAL_ROWS; r++) rows.rows[r] = (const char *)(w + r * TRIAL_COLUMNS);
    for (int64_t p = 0; p < 2; p++)
        pack_a_bf16(
            CPUK_F32, w + p * MR * TRIAL_COLUMNS, TRIAL_COLUMNS, MR, TRIAL_COLUMNS, 0, TRIAL_COLUMNS, panels[p]);
    const packed_a a = {.data = (const char *)panels, .stride = sizeof panels[0], .columns = TRIAL_COLUMNS};
    tiles_begin();
    pack_b_of_rows(&rows, 0, TRIAL_COLUMNS, packed);
    multiply_rows_with_panels(&rows, packed, &a, 2, 0, TRIAL_COLUMNS, (read_ahead){0}, products);
    tiles_end();
    for (int64_t t = 0; t < 2 * MR; t++)
        for (int64_t r = 0; r < TRIAL_ROWS; r++) {
            float sum = 0;
            for (int64_t k = 0; k < TRIAL_COLUMNS; k++) sum += trial_value(t, k) * trial_value(r, k);
            if (products[t / MR * PRODUCTS_STRIDE + r * MR + t % MR] != sum) return false;
        }
    return true;
}
#pragma clang attribute pop

const kernel_set *kernels_avx512_amx(void) {
    static _Atomic int known;
    int state = atomic_load(&known);
    if (state == 0) {
        state = multiplies_rightly() ? 1 : 2;
        atomic_store(&known, state);
    }
    return state == 1 ? &set : NULL;
}
#else
const kernel_set *kernels_avx512_amx(void) { return NULL; }
#endif
