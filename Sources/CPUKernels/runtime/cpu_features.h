// The instructions that this processor has.
#pragma once
#include <stdint.h>

/// Instructions beyond the baseline of the architecture, as bits.
typedef uint32_t cpu_features;
enum {
    CPU_NEON = 1 << 0,
    /// With FMA and F16C.
    CPU_AVX2 = 1 << 1,
    /// F, BW, VL and DQ, and all of CPU_AVX2.
    CPU_AVX512 = 1 << 2,
    CPU_AVX512_VNNI = 1 << 3,
    CPU_AVX512_BF16 = 1 << 4,
    CPU_AVX_VNNI = 1 << 5,
    /// Tiles and their products of BF16, which the kernel lets this process use.
    CPU_AMX_BF16 = 1 << 6,
    /// Dot products of signed bytes.
    CPU_NEON_DOT = 1 << 7,
};

cpu_features cpu_features_here(void);
