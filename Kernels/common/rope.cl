// Rotary position embedding of one head (Su et al., 2021), shared by the rope and the cache kernels.
//
// Pair i < rotary / 2 is elements (i, i + rotary / 2) in the half-split layout, (2 i, 2 i + 1) in the interleaved one:
//   (a, b) -> (a cos_i - b sin_i, b cos_i + a sin_i)
// A row of the table holds rotary / 2 cosines, then as many sines.

static inline uint rope_first(uint pair, uint layout) { return layout == ROPE_INTERLEAVED ? 2 * pair : pair; }

static inline uint rope_second(uint pair, uint rotary, uint layout) {
    return layout == ROPE_INTERLEAVED ? 2 * pair + 1 : pair + rotary / 2;
}

static inline float2 rope_rotate(float a, float b, float cosine, float sine) {
    return (float2)(a * cosine - b * sine, b * cosine + a * sine);
}

// Rotates, in place, the pairs `first`, `first + step`, ... of the head that starts at `head`. On CPU devices one
// work-item takes all of them, sixteen at a time where they lie side by side.
static inline void rope_head_in_place(
    __global float *head, __global const float *angles, uint rotary, uint layout, uint first, uint step) {
    uint pair = first;
#if ROW_IS_WORK_ITEM
    for (; layout != ROPE_INTERLEAVED && pair + 16 <= rotary / 2; pair += 16) {
        __global float *other = head + rotary / 2;
        const float16 a = vload16(0, head + pair), b = vload16(0, other + pair);
        const float16 cosines = vload16(0, angles + pair), sines = vload16(0, angles + rotary / 2 + pair);
        vstore16(a * cosines - b * sines, 0, head + pair);
        vstore16(b * cosines + a * sines, 0, other + pair);
    }
#endif
    for (; pair < rotary / 2; pair += step) {
        const uint i = rope_first(pair, layout);
        const uint j = rope_second(pair, rotary, layout);
        const float2 rotated = rope_rotate(head[i], head[j], angles[pair], angles[rotary / 2 + pair]);
        head[i] = rotated.x;
        head[j] = rotated.y;
    }
}
