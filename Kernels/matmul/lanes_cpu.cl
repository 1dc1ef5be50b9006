// float16 helpers of the kernels for CPU devices: transposition and reduction across lanes.

// The steps of a 16 x 16 transposition: SWAPn exchanges blocks of n lanes between two rows.
#define SWAP8(a, b)                                                                                                    \
    do {                                                                                                               \
        const float16 u = (float16)(a.lo, b.lo), v = (float16)(a.hi, b.hi);                                            \
        a = u;                                                                                                         \
        b = v;                                                                                                         \
    } while (0)
#define SWAP4(a, b)                                                                                                    \
    do {                                                                                                               \
        const float16 u = (float16)(a.s0123, b.s0123, a.s89ab, b.s89ab);                                               \
        const float16 v = (float16)(a.s4567, b.s4567, a.scdef, b.scdef);                                               \
        a = u;                                                                                                         \
        b = v;                                                                                                         \
    } while (0)
#define SWAP2(a, b)                                                                                                    \
    do {                                                                                                               \
        const float16 u = (float16)(a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd);                           \
        const float16 v = (float16)(a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef);                           \
        a = u;                                                                                                         \
        b = v;                                                                                                         \
    } while (0)
#define SWAP1(a, b)                                                                                                    \
    do {                                                                                                               \
        const float16 u = (float16)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6,                                    \
                                    a.s8, b.s8, a.sa, b.sa, a.sc, b.sc, a.se, b.se);                                   \
        const float16 v = (float16)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7,                                    \
                                    a.s9, b.s9, a.sb, b.sb, a.sd, b.sd, a.sf, b.sf);                                   \
        a = u;                                                                                                         \
        b = v;                                                                                                         \
    } while (0)

// m[r].lane(c) becomes m[c].lane(r).
static inline void transpose16(float16 *m)
{
    #pragma unroll
    for (uint r = 0; r < 8; ++r)
        SWAP8(m[r], m[r + 8]);
    #pragma unroll
    for (uint r = 0; r < 8; ++r)
        SWAP4(m[(r & 3) + (r >> 2) * 8], m[(r & 3) + (r >> 2) * 8 + 4]);
    #pragma unroll
    for (uint r = 0; r < 8; ++r)
        SWAP2(m[(r & 1) + (r >> 1) * 4], m[(r & 1) + (r >> 1) * 4 + 2]);
    #pragma unroll
    for (uint r = 0; r < 8; ++r)
        SWAP1(m[r * 2], m[r * 2 + 1]);
}

// Lane r of the result is the sum of the lanes of m[r]. Destroys `m`.
static inline float16 sum_each16(float16 *m)
{
    #pragma unroll
    for (uint r = 0; r < 8; ++r) {
        SWAP8(m[r], m[r + 8]);
        m[r] += m[r + 8];
    }
    #pragma unroll
    for (uint r = 0; r < 4; ++r) {
        SWAP4(m[r], m[r + 4]);
        m[r] += m[r + 4];
    }
    #pragma unroll
    for (uint r = 0; r < 2; ++r) {
        SWAP2(m[r], m[r + 2]);
        m[r] += m[r + 2];
    }
    SWAP1(m[0], m[1]);
    return m[0] + m[1];
}
