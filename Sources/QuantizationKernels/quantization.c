#include "QuantizationKernels.h"

#include "packers.h"

// One function in variants for the instruction sets that gain; the loader picks. All helpers are inlined into it.
#if defined(__x86_64__)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif

// Packs all blocks of a row; `x` and `out` are one block's values and bytes.
#define PACK_BLOCKS(ID, expression)                                                                                   \
    case NUMBER_FORMAT_##ID:                                                                                          \
        for (int64_t block = 0; block < count / NUMBER_FORMAT_##ID##_SIZE; block++) {                                 \
            const float *x = values + block * NUMBER_FORMAT_##ID##_SIZE;                                              \
            uint8_t *out = output + block * NUMBER_FORMAT_##ID##_BYTES;                                               \
            is_finite = (expression) && is_finite;                                                                    \
        }                                                                                                             \
        break;

// The formats that are packed, with the function of each.
#define PACKERS(PACK)                                                                                                 \
    PACK(Q8_0, pack_q8_0(x, out))                                                                                     \
    PACK(Q4_0, pack_symmetric(x, four, out, NULL, out + 2))                                                           \
    PACK(Q4_1, pack_affine(x, 15, out, NULL, out + 4))                                                                \
    PACK(Q5_0, pack_symmetric(x, five, out, out + 2, out + 6))                                                        \
    PACK(Q5_1, pack_affine(x, 31, out, out + 4, out + 8))                                                             \
    PACK(Q2_K, pack_q2_K(x, out))                                                                                     \
    PACK(Q3_K, pack_q3_K(x, out))                                                                                     \
    PACK(Q4_K, pack_q4_K(x, out))                                                                                     \
    PACK(Q5_K, pack_q5_K(x, out))                                                                                     \
    PACK(Q6_K, pack_q6_K(x, out))                                                                                     \
    PACK(IQ4_NL, pack_symmetric(x, table, out, NULL, out + 2))                                                        \
    PACK(IQ4_XS, pack_iq4_XS(x, out))                                                                                 \
    PACK(MXFP4, pack_mxfp4(x, out))                                                                                   \
    PACK(TQ2_0, pack_tq2_0(x, out))                                                                                   \
    PACK(TQ1_0, pack_tq1_0(x, out))

// More than any format's scales reach, and little enough that no sum of squares overflows.
#define LARGEST_VALUE 1e9f

INLINE uint32_t largest_magnitude_bits(const float *values, int64_t count) {
    uint32_t largest = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bits &= 0x7FFFFFFF;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

MULTIVERSION bool quantization_pack(number_format format, const float *values, int64_t count, uint8_t *output) {
    const uint32_t largest_bits = largest_magnitude_bits(values, count);
    float largest;
    memcpy(&largest, &largest_bits, 4);
    if (!(largest <= LARGEST_VALUE)) return false;
    const Grid four = {-8, 7, false};
    const Grid five = {-16, 15, false};
    const Grid table = {-127, 113, true};
    bool is_finite = true;
    switch (format) {
        PACKERS(PACK_BLOCKS)
    default: return false;
    }
    return is_finite;
}

bool quantization_packs(number_format format) {
#define IS_PACKED(ID, expression) case NUMBER_FORMAT_##ID:
    switch (format) {
        PACKERS(IS_PACKED) return true;
    default: return false;
    }
}

MULTIVERSION bool quantization_all_finite(const float *values, int64_t count) {
    return largest_magnitude_bits(values, count) < 0x7F800000;
}
