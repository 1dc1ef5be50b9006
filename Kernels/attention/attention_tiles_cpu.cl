// Shared by the attention kernels of CPU devices that take many queries: tiles of 8 rows by 32 positions in registers,
// with an online softmax. (Dao et al., 2022) Needs attention_rows_cpu.cl and the build macros PREFILL_POSITIONS and
// TILE_ROWS: 8, or, for processors with sixteen registers of 8 lanes, 4, so that a tile is 4 rows by 16 positions.
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

// Vectors of a tile's rows.
#define TILE_VECTORS (TILE_ROWS / 4u)
#define EACH_TILE_ROW(I) _Pragma("unroll") for (uint I = 0; I < TILE_ROWS; ++I)
#define EACH_TILE_VECTOR(G) _Pragma("unroll") for (uint G = 0; G < TILE_VECTORS; ++G)

// c[i] = the products of row i with 32 keys, transposed as transpose_keys16 leaves them.
static inline void score_rows8(__global const float *const *rows, __local const float *keys, float16 c[8][2])
{
    #pragma unroll
    for (uint r = 0; r < 8; r += TILE_ROWS) {
        #pragma unroll
        for (uint h = 0; h < 2; h += TILE_VECTORS) {
            float16 sums[TILE_ROWS][TILE_VECTORS];
            EACH_TILE_ROW(i) EACH_TILE_VECTOR(g) sums[i][g] = 0.0f;
            for (uint d = 0; d < HEAD_SIZE; ++d) {
                float16 b[TILE_VECTORS];
                EACH_TILE_VECTOR(g) b[g] = vload16(h + g, keys + d * 32);
                EACH_TILE_ROW(i) EACH_TILE_VECTOR(g) sums[i][g] = fma((float16)(rows[r + i][d]), b[g], sums[i][g]);
            }
            EACH_TILE_ROW(i) EACH_TILE_VECTOR(g) c[r + i][h + g] = sums[i][g];
        }
    }
}

// Adds the products of TILE_ROWS rows' weights with `seen` values to their sums, which are corrected first.
static inline void add_values(
    __local const float *scores, const float *corrections, const uint seen, __local const float *v,
    __local float *sums)
{
    float16 c[TILE_ROWS][TILE_VECTORS];
    EACH_TILE_ROW(i) EACH_TILE_VECTOR(g) c[i][g] = vload16(g, sums + i * PADDED_HEAD_SIZE) * corrections[i];
    for (uint j = 0; j < seen; ++j) {
        float16 b[TILE_VECTORS];
        EACH_TILE_VECTOR(g) b[g] = vload16(g, v + j * PADDED_HEAD_SIZE);
        EACH_TILE_ROW(i) EACH_TILE_VECTOR(g)
            c[i][g] = fma((float16)(scores[i * PREFILL_POSITIONS + j]), b[g], c[i][g]);
    }
    EACH_TILE_ROW(i) EACH_TILE_VECTOR(g) vstore16(c[i][g], g, sums + i * PADDED_HEAD_SIZE);
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
    for (uint r = 0; r < 8; r += TILE_ROWS)
        for (uint d = 0; d < PADDED_HEAD_SIZE; d += 16 * TILE_VECTORS)
            add_values(
                scores + r * PREFILL_POSITIONS, corrections + r, seen, v + d, sums + r * PADDED_HEAD_SIZE + d);
}
