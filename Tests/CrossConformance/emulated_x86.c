// Instructions that this x86 processor lacks, emulated one by one: AMX's tiles with products of BF16, AVX512_BF16 and
// AVX-VNNI's products of bytes. An instruction that the processor does not know raises SIGILL; the handler decodes it,
// computes what it does (Intel SDM, volume 2) and goes on behind it. Linked with the CPU kernels in place of
// runtime/cpu_features.c, it claims every set, so that the conformance cases run what a Sapphire Rapids would run: the
// encoded instructions, their tile configuration on every thread, and their operands.
//
// Only what the kernels use is decoded; anything else ends the program with its bytes. A tile that is used before it is
// configured ends it too.
#define _GNU_SOURCE
#include "../../Sources/CPUKernels/runtime/cpu_features.h"
#include "CPUKernels.h"

#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

cpu_features cpu_features_here(void) {
    return CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16 | CPU_AVX_VNNI | CPU_AMX_BF16;
}
int cpuk_available_processors(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

// ---- The state of a thread

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;
_Static_assert(sizeof(tile_configuration) == 64, "as LDTILECFG reads it");

static _Thread_local tile_configuration configuration;
static _Thread_local uint8_t tiles[TILES][ROWS][ROW_BYTES];
/// Emulated instructions by kind, of all threads.
static _Atomic long tile_products, pair_products, roundings, byte_products;

static _Noreturn void give_up(const char *why, const uint8_t *code) {
    fprintf(stderr, "emulated_x86: %s:", why);
    for (int i = 0; i < 12; i++) fprintf(stderr, " %02x", code[i]);
    fprintf(stderr, "\n");
    _exit(2);
}

// The parts of XSAVE's area (Intel SDM, volume 1, chapter 13): bit of the header and place.
enum { PART_SSE = 1, PART_YMM = 2, PART_MASKS = 5, PART_ZMM = 6, PART_ZMM16 = 7, HEADER = 512 };
static uint32_t part_at[8], part_bytes[8];

static uint8_t *part(uint8_t *area, int number) {
    uint64_t present;
    memcpy(&present, area + HEADER, sizeof present);
    uint8_t *place = area + (number == PART_SSE ? 160 : part_at[number]);
    if (!(present >> number & 1)) {
        // All zeros, which need not be in memory.
        memset(place, 0, number == PART_SSE ? 256 : part_bytes[number]);
        present |= 1u << number;
        memcpy(area + HEADER, &present, sizeof present);
    }
    return place;
}
static void read_vector(uint8_t *area, int number, uint8_t value[64]) {
    if (number >= 16) {
        memcpy(value, part(area, PART_ZMM16) + (number - 16) * 64, 64);
        return;
    }
    memcpy(value, part(area, PART_SSE) + number * 16, 16);
    memcpy(value + 16, part(area, PART_YMM) + number * 16, 16);
    memcpy(value + 32, part(area, PART_ZMM) + number * 32, 32);
}
// What lies above the vector's width becomes zero.
static void write_vector(uint8_t *area, int number, const uint8_t *from, int bytes) {
    uint8_t value[64] = {0};
    memcpy(value, from, (size_t)bytes);
    if (number >= 16) {
        memcpy(part(area, PART_ZMM16) + (number - 16) * 64, value, 64);
        return;
    }
    memcpy(part(area, PART_SSE) + number * 16, value, 16);
    memcpy(part(area, PART_YMM) + number * 16, value + 16, 16);
    memcpy(part(area, PART_ZMM) + number * 32, value + 32, 32);
}

// ---- Decoding

/// An instruction with a VEX or EVEX prefix in the map 0F38.
typedef struct {
    bool evex, wide, broadcast, zeroes;
    /// 0: none, 1: 66, 2: F3, 3: F2.
    int prefix;
    int opcode, bytes, mask;
    /// Register numbers: ModRM's reg, VEX's vvvv, and ModRM's rm where it is none in memory.
    int reg, other, rm;
    bool in_memory;
    const uint8_t *address;
    /// What a tile's rows lie apart: the index register, scaled.
    int64_t stride;
    int length;
} instruction;

static int64_t general(const ucontext_t *context, int number) {
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return context->uc_mcontext.gregs[places[number]];
}

static instruction decode(const ucontext_t *context, const uint8_t *code) {
    instruction it = {0};
    const uint8_t *at = code;
    int r, x, b, r_high = 0, x_high = 0;
    if (*at == 0xc4) {
        if ((at[1] & 31) != 2) give_up("not in the map 0F38", code);
        r = !(at[1] >> 7), x = !(at[1] >> 6 & 1), b = !(at[1] >> 5 & 1);
        it.wide = at[2] >> 7;
        it.other = ~at[2] >> 3 & 15;
        it.bytes = at[2] >> 2 & 1 ? 32 : 16;
        it.prefix = at[2] & 3;
        at += 3;
    } else if (*at == 0x62) {
        if ((at[1] & 7) != 2) give_up("not in the map 0F38", code);
        it.evex = true;
        r = !(at[1] >> 7), x = !(at[1] >> 6 & 1), b = !(at[1] >> 5 & 1);
        r_high = !(at[1] >> 4 & 1), x_high = x;
        it.wide = at[2] >> 7;
        it.prefix = at[2] & 3;
        it.other = (~at[2] >> 3 & 15) | (at[3] >> 3 & 1 ? 0 : 16);
        it.zeroes = at[3] >> 7;
        it.bytes = 16 << (at[3] >> 5 & 3);
        it.broadcast = at[3] >> 4 & 1;
        it.mask = at[3] & 7;
        at += 4;
    } else give_up("an instruction that is not emulated", code);
    it.opcode = *at++;
    const int modrm = *at++, mod = modrm >> 6, low = modrm & 7;
    it.reg = (modrm >> 3 & 7) | r << 3 | r_high << 4;
    it.rm = low | b << 3 | x_high << 4;
    if (mod == 3) {
        it.length = (int)(at - code);
        return it;
    }
    it.in_memory = true;
    int64_t address = 0;
    bool from_here = false;
    if (low == 4) {
        const int sib = *at++, base = sib & 7, index = (sib >> 3 & 7) | x << 3;
        if (index != 4) it.stride = general(context, index) * (1 << (sib >> 6));
        if (base == 5 && mod == 0) {
            int32_t there;
            memcpy(&there, at, 4);
            address = there;
            at += 4;
        } else address = general(context, base | b << 3);
    } else if (low == 5 && mod == 0) from_here = true;
    else address = general(context, low | b << 3);
    if (mod == 1) address += (int8_t)*at++ * (it.evex ? it.broadcast ? 4 : it.bytes : 1);
    if (mod == 2 || from_here) {
        int32_t there;
        memcpy(&there, at, 4);
        address += there;
        at += 4;
    }
    it.length = (int)(at - code);
    if (from_here) address += (int64_t)(uintptr_t)at;
    it.address = (const uint8_t *)(uintptr_t)address;
    return it;
}

// ---- Numbers

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}
// Subnormal numbers count as zero, before and after (SDM: DAZ and FTZ).
static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }
static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static float wide(uint16_t half) { return flushed(float_of((uint32_t)half << 16)); }
static uint16_t rounded(float x) {
    const uint32_t bits = bits_of(x);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
    if (fabsf(x) < 0x1p-126f) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// ---- Tiles

static const tile_configuration *configured(int number, const uint8_t *code) {
    if (configuration.palette != 1) give_up("a tile before LDTILECFG on this thread", code);
    if (!configuration.rows[number] || !configuration.row_bytes[number]) give_up("a tile of no rows", code);
    return &configuration;
}

static void load_configuration(const instruction *it, const uint8_t *code) {
    tile_configuration next;
    memcpy(&next, it->address, sizeof next);
    for (int i = 0; i < 14; i++)
        if (next.reserved[i]) give_up("LDTILECFG: reserved bytes", code);
    for (int i = 0; i < 16; i++) {
        const bool fits = i < TILES ? next.row_bytes[i] <= ROW_BYTES && next.rows[i] <= ROWS
                                    : !next.row_bytes[i] && !next.rows[i];
        if (!fits) give_up("LDTILECFG: a tile that is too large", code);
    }
    if (next.palette != 1) give_up("LDTILECFG: palette", code);
    configuration = next;
    memset(tiles, 0, sizeof tiles);
}

static void multiply_tiles(const instruction *it, const uint8_t *code) {
    const int c = it->reg, a = it->rm, b = it->other;
    const tile_configuration *shape = configured(c, code);
    configured(a, code);
    configured(b, code);
    if (a == b || a == c || b == c) give_up("a product of a tile with itself", code);
    const int rows = shape->rows[c], columns = shape->row_bytes[c] / 4, depth = shape->row_bytes[a] / 4;
    if (shape->rows[a] != rows || shape->rows[b] != depth || shape->row_bytes[b] != shape->row_bytes[c])
        give_up("a product of tiles that do not fit", code);
    // Subnormal numbers count as zero, before and after.
    const unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040);
    for (int m = 0; m < rows; m++) {
        float sums[ROW_BYTES / 4], even[ROW_BYTES / 4] = {0}, odd[ROW_BYTES / 4] = {0};
        for (int k = 0; k < depth; k++) {
            uint32_t left, right[ROW_BYTES / 4];
            memcpy(&left, tiles[a][m] + 4 * k, 4);
            memcpy(right, tiles[b][k], sizeof right);
            for (int n = 0; n < ROW_BYTES / 4; n++) {
                even[n] = fmaf(float_of(left << 16), float_of(right[n] << 16), even[n]);
                odd[n] = fmaf(float_of(left & 0xffff0000u), float_of(right[n] & 0xffff0000u), odd[n]);
            }
        }
        memcpy(sums, tiles[c][m], sizeof sums);
        for (int n = 0; n < columns; n++) sums[n] += even[n] + odd[n];
        memcpy(tiles[c][m], sums, sizeof sums);
    }
    _mm_setcsr(state);
    tile_products++;
}

static bool emulate_tiles(const instruction *it, const uint8_t *code) {
    if (it->evex || it->wide) return false;
    if (it->opcode == 0x49 && it->prefix == 0) {
        if (it->in_memory) load_configuration(it, code);
        else memset(&configuration, 0, sizeof configuration);
        return true;
    }
    if (it->opcode == 0x49 && it->prefix == 3 && !it->in_memory) {
        configured(it->reg, code);
        memset(tiles[it->reg], 0, sizeof tiles[0]);
        return true;
    }
    if (it->opcode == 0x4b && it->in_memory && it->prefix != 0) {
        const tile_configuration *shape = configured(it->reg, code);
        for (int i = 0; i < shape->rows[it->reg]; i++) {
            uint8_t *row = tiles[it->reg][i];
            const uint8_t *there = it->address + i * it->stride;
            if (it->prefix == 2) memcpy((void *)(uintptr_t)there, row, shape->row_bytes[it->reg]);
            else memcpy(row, there, shape->row_bytes[it->reg]);
        }
        return true;
    }
    if (it->opcode == 0x5c && it->prefix == 2 && !it->in_memory) {
        multiply_tiles(it, code);
        return true;
    }
    return false;
}

// ---- Vectors

static void second_source(const instruction *it, uint8_t *area, uint8_t value[64]) {
    if (!it->in_memory) read_vector(area, it->rm, value);
    else if (!it->broadcast) memcpy(value, it->address, (size_t)it->bytes);
    else
        for (int i = 0; i < it->bytes; i += 4) memcpy(value + i, it->address, 4);
}

static bool emulate_vectors(const instruction *it, uint8_t *area, const uint8_t *code) {
    uint8_t first[64], second[64], result[64] = {0};
    const bool rounds = it->evex && it->opcode == 0x72 && it->prefix >= 2;
    const bool of_pairs = it->evex && it->opcode == 0x52 && it->prefix == 2;
    const bool of_bytes = !it->evex && it->opcode == 0x50 && it->prefix == 1;
    if (it->wide || (!rounds && !of_pairs && !of_bytes)) return false;
    if (it->mask) give_up("a mask", code);
    read_vector(area, it->other, first);
    second_source(it, area, second);
    const int lanes = it->bytes / 4;
    if (!rounds) read_vector(area, it->reg, result);
    for (int i = 0; i < lanes; i++) {
        if (rounds) {
            float x;
            memcpy(&x, second + 4 * i, 4);
            const uint16_t low = rounded(x);
            memcpy(result + 2 * i, &low, 2);
            if (it->prefix == 2) continue;
            memcpy(&x, first + 4 * i, 4);
            const uint16_t high = rounded(x);
            memcpy(result + 2 * (lanes + i), &high, 2);
        } else if (of_pairs) {
            uint16_t left[2], right[2];
            float sum;
            memcpy(left, first + 4 * i, 4);
            memcpy(right, second + 4 * i, 4);
            memcpy(&sum, result + 4 * i, 4);
            sum = flushed(fmaf(wide(left[1]), wide(right[1]), flushed(sum)));
            sum = flushed(fmaf(wide(left[0]), wide(right[0]), sum));
            memcpy(result + 4 * i, &sum, 4);
        } else {
            int32_t sum;
            memcpy(&sum, result + 4 * i, 4);
            for (int k = 0; k < 4; k++) sum += first[4 * i + k] * (int8_t)second[4 * i + k];
            memcpy(result + 4 * i, &sum, 4);
        }
    }
    write_vector(area, it->reg, result, rounds && it->prefix == 2 ? it->bytes / 2 : it->bytes);
    if (rounds) roundings++;
    else if (of_pairs) pair_products++;
    else byte_products++;
    return true;
}

static void handle(int signal, siginfo_t *information, void *opaque) {
    (void)signal, (void)information;
    ucontext_t *context = opaque;
    const uint8_t *code = (const uint8_t *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    const instruction it = decode(context, code);
    if (!emulate_tiles(&it, code) && !emulate_vectors(&it, (uint8_t *)context->uc_mcontext.fpregs, code))
        give_up("an instruction that is not emulated", code);
    context->uc_mcontext.gregs[REG_RIP] += it.length;
}

static void report(void) {
    printf("emulated: %ld products of tiles, %ld of pairs, %ld of bytes, %ld roundings\n", tile_products, pair_products,
           byte_products, roundings);
}

__attribute__((constructor)) static void begin(void) {
    for (int i = PART_YMM; i <= PART_ZMM16; i++) {
        unsigned a, b, c, d;
        __get_cpuid_count(13, (unsigned)i, &a, &b, &c, &d);
        part_bytes[i] = a, part_at[i] = b;
    }
    const struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    atexit(report);
}
