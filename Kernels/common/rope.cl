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

// Rotates, in place, the pairs `first`, `first + step`, ... of the head that starts at `head`.
static inline void rope_head_in_place(
    __global float *head, __global const float *angles, uint rotary, uint layout, uint first, uint step) {
    for (uint pair = first; pair < rotary / 2; pair += step) {
        const uint i = rope_first(pair, layout);
        const uint j = rope_second(pair, rotary, layout);
        const float2 rotated = rope_rotate(head[i], head[j], angles[pair], angles[rotary / 2 + pair]);
        head[i] = rotated.x;
        head[j] = rotated.y;
    }
}
