// Products of weights in blocks (and in 8-bit integers) with activations rounded to 8-bit integers, a scale for each 16
// of them, four at a time into integer sums. (AVX512_VNNI: Cascade Lake, Ice Lake and Zen 4 on.)
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi2"))), apply_to = function)
#define VL 16
#define VECTOR_REGISTERS 32
#define HAS_FMA 1
#define HAS_F16 1
#include "simd.h"

#include "integer_levels.h"

#include "integer_activations.h"

#include "strip_kernels.h"

#include "integer_strips.h"

#include "integer_rows.h"

static bool takes(cpuk_format format, bool few) {
    (void)few;
    return format != CPUK_F32 && format != CPUK_BF16 && format != CPUK_F16;
}

static const reduced_kernels kernels = {
    .takes = takes,
    .strips = {
        .depth = QUADS_DEPTH, .expanded_bytes = EXPANDED_BYTES, .strip_bytes = strip_bytes, .make_strip = make_strip,
        .expand = expand, .multiply = multiply, .turn = turn},
    .record_bytes = record_bytes,
    .convert = convert,
    .dot_rows = dot_rows,
};
#pragma clang attribute pop
const reduced_kernels *kernels_avx512_vnni(void) { return &kernels; }
#else
const reduced_kernels *kernels_avx512_vnni(void) { return NULL; }
#endif
