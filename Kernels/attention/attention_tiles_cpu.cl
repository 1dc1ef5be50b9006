// Shared by the attention kernels of CPU devices that take many queries: tiles of 8 rows by 32 positions in registers,
// with an online softmax. (Dao et al., 2022) Needs attention_rows_cpu.cl and the build macro PREFILL_POSITIONS.
//
// Of each row (a query of a head) local memory holds its maximum so far, 16 partial sums of its weights, and the sum of
// weighted values, PADDED_HEAD_SIZE long.

static inline void clear_rows(const uint rows, __local float *maxima, __local float *weights, __local float *sums)
{
    for (uint r = 0; r < rows; ++r) {
        maxima[r] = -INFINITY;
        vstore16((float16)(0.0f), r, weights);
        for (uint d = 0; d < HEAD_VECTORS; ++d)
            vstore16((float16)(0.0f), d, sums + r * PADDED_HEAD_SIZE);
    }
}

// c0[i], c1[i] = the products of row i with 32 keys, transposed as transpose_keys16 leaves them.
static inline void score_rows8(__global const float *const *rows, __local const float *keys, float16 *c0, float16 *c1)
{
    #pragma unroll
    for (uint i = 0; i < 8; ++i)
        c0[i] = c1[i] = 0.0f;
    for (uint d = 0; d < HEAD_SIZE; ++d) {
        const float16 b0 = vload16(0, keys + d * 32), b1 = vload16(1, keys + d * 32);
        #pragma unroll
        for (uint i = 0; i < 8; ++i) {
            const float16 value = (float16)(rows[i][d]);
            c0[i] = fma(value, b0, c0[i]);
            c1[i] = fma(value, b1, c1[i]);
        }
    }
}

// Takes a tile's values into the sums of 8 rows: scores [8, PREFILL_POSITIONS] become weights in place.
//   row_maxima  the largest scores of each row, by lanes
//   scored      positions that have scores, a multiple of 32; `seen` of them are real
//   v           [PREFILL_POSITIONS, PADDED_HEAD_SIZE]
static inline void weigh_rows8(
    __local float *scores, const float16 *row_maxima, const uint scored, const uint seen, __local const float *v,
    __local float *maxima, __local float *weights, __local float *sums)
{
    // One exponential for the corrections of all rows.
    float lanes[8];
    #pragma unroll
    for (uint i = 0; i < 8; ++i)
        lanes[i] = max16(row_maxima[i]);
    const float8 before = vload8(0, maxima);
    const float8 maximum = fmax(before, vload8(0, lanes));
    // A row that has seen nothing yet keeps weight 0 without computing inf - inf.
    const float8 shift = select(maximum, (float8)(0.0f), maximum == (float8)(-INFINITY));
    vstore8(maximum, 0, maxima);
    float shifts[8], corrections[8];
    vstore8(shift, 0, shifts);
    vstore8(exp(before - shift), 0, corrections);
    #pragma unroll
    for (uint i = 0; i < 8; ++i) {
        float16 weight = vload16(i, weights) * corrections[i];
        for (uint part = 0; part < scored; part += 16) {
            const float16 p = exp(vload16(0, scores + i * PREFILL_POSITIONS + part) - shifts[i]);
            weight += p;
            vstore16(p, 0, scores + i * PREFILL_POSITIONS + part);
        }
        vstore16(weight, i, weights);
    }
    for (uint d = 0; d < PADDED_HEAD_SIZE; d += 32) {
        float16 c0[8], c1[8];
        __local float *target = sums + d;
        #pragma unroll
        for (uint i = 0; i < 8; ++i) {
            c0[i] = vload16(0, target + i * PADDED_HEAD_SIZE) * corrections[i];
            c1[i] = vload16(1, target + i * PADDED_HEAD_SIZE) * corrections[i];
        }
        for (uint j = 0; j < seen; ++j) {
            const float16 b0 = vload16(0, v + j * PADDED_HEAD_SIZE + d);
            const float16 b1 = vload16(1, v + j * PADDED_HEAD_SIZE + d);
            #pragma unroll
            for (uint i = 0; i < 8; ++i) {
                const float16 p = (float16)(scores[i * PREFILL_POSITIONS + j]);
                c0[i] = fma(p, b0, c0[i]);
                c1[i] = fma(p, b1, c1[i]);
            }
        }
        #pragma unroll
        for (uint i = 0; i < 8; ++i) {
            vstore16(c0[i], 0, target + i * PADDED_HEAD_SIZE);
            vstore16(c1[i], 1, target + i * PADDED_HEAD_SIZE);
        }
    }
}
