// Activations as 8-bit integers: x = scale * q with one scale for each 16, |q| <= 127.
//
// A record is the integers, padded with zeros to whole vectors; the scales; and what the weights' offset or minimum
// needs: the sums of the integers times minus the offset, or the sums times the scale. There is one of each a lane of
// four elements, as products leave them; but for minima of blocks of 256 one vector of sums a block, in the order of
// its groups. Included by integer_kernels.h.
//
// Half as many scales, as ggml has them, would make products about a tenth faster and errors a half larger.
#pragma once

enum { X_GROUP = 16, LANE = 4 };
_Static_assert(X_GROUP == VL, "a vector of activations has one scale");

INLINE int64_t padded_columns(int64_t columns) { return (columns + LEVELS - 1) / LEVELS * LEVELS; }
INLINE int64_t record_scales(int64_t columns) { return padded_columns(columns); }
INLINE int64_t scales_bytes(int64_t columns) { return padded_columns(columns) / LANE * 4; }
INLINE int64_t record_sums(int64_t columns) { return record_scales(columns) + scales_bytes(columns); }
static int64_t record_bytes(int64_t columns) {
    return (record_sums(columns) + scales_bytes(columns) + 63) / 64 * 64;
}

// What the weights need of sums of integers, `scale` being that of their activations.
INLINE vi weigh_sums(cpuk_format format, vi sums, vf scale) {
    if (has_minimum((int)format)) return (vi)(__builtin_convertvector(sums, vf) * scale);
    return sums * -offset_of((int)format);
}

// Rounds LEVELS elements to `integers`. Lanes 4 i to 4 i + 3 of the result: the scale of the `i`th 16.
INLINE vf round_levels(const float *x, int64_t count, char *integers) {
    float each[LEVELS / X_GROUP];
    UNROLL for (int i = 0; i < LEVELS / X_GROUP; i++) {
        const int64_t rest = count - i * X_GROUP;
        const vf part = rest >= VL ? load(x + i * VL) : rest > 0 ? load_part(x + i * VL, rest) : splat(0);
        const float largest = max_lanes(abs_v(part)), inverse = largest > 0 ? 127.0f / largest : 0;
        *(q16_unaligned *)(integers + i * VL) = narrow(round_v(part * inverse));
        each[i] = largest / 127.0f;
    }
    return (vf){FOUR(each[0]), FOUR(each[1]), FOUR(each[2]), FOUR(each[3])};
}

// Sums of the groups of the LEVELS elements from `k` on, from those of their lanes. What a block's groups leave of its
// vector is zero.
INLINE void store_group_sums(int format, vf lanes, int64_t k, float *sums) {
    const int groups = LEVELS / group_of(format), line = (int)(k % 256 / LEVELS);
    float each[VL];
    store(each, lanes);
    float *block = sums + k / 256 * VL;
    for (int g = 0; g < groups; g++) {
        float sum = 0;
        for (int i = 0; i < VL / groups; i++) sum += each[g * (VL / groups) + i];
        block[line * groups + g] = sum;
        if (4 * groups < VL) block[4 * groups + line * groups + g] = 0;
    }
}

static void convert(cpuk_format format, const float *x, int64_t columns, void *record) {
    char *integers = record, *scales = integers + record_scales(columns), *sums = integers + record_sums(columns);
    for (int64_t k = 0; k < columns; k += LEVELS) {
        const vf scale = round_levels(x + k, columns - k, integers + k);
        const vi lanes = dot_quads(splat_i(0), splat_q(1), load_q(integers + k));
        store((float *)(scales + k), scale);
        const vi weighed = weigh_sums(format, lanes, scale);
        if (has_span_minima((int)format)) store_group_sums((int)format, (vf)weighed, k, (float *)sums);
        else store_q(sums + k, (vq)weighed);
    }
}
