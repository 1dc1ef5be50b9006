// Products of weights in blocks (and in 8-bit integers) with activations rounded to 8-bit integers, a scale for each 16
// of them, four at a time into integer sums. Included by each kernels_<isa>.c that has them, inside its target region.
#pragma once
#include "simd.h"

#include "integer_simd.h"

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
        .depth = QUADS_DEPTH, .expanded_bytes = EXPANDED_BYTES, .min_tokens = MIN_STRIP_TOKENS,
        .strip_bytes = strip_bytes, .make_strip = make_strip, .expand = expand, .multiply = multiply, .turn = turn},
    .record_bytes = record_bytes,
    .convert = convert,
    .dot_rows = dot_rows,
};
