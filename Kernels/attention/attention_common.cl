// Shared by the attention kernels. Attention over the paged cache:
//
//   s[t, h, j] = scale * sum_d query[t, h, d] * key[j, h', d]; where soft_cap > 0: soft_cap * tanh(s / soft_cap)
//   out[t, h, :] = sum_j softmax_j(s[t, h, j]) * value[j, h', :]  over the positions j that query t sees
//
// Legend: T query tokens, S sequences, H query heads, KH key heads, D elements a head, L tokens a block, B blocks;
// h' = h / (H / KH). Query i of a sequence's q queries stands at position p = context - q + i and sees the positions
// max(0, p + 1 - window) ..< p + 1. (Online softmax: Milakov and Gimelshein, 2018; tiles: Dao et al., 2022)
//   query, out        [T, H * D] float32, rows `query_stride` and `out_stride` elements apart
//   keys, values      [B, KH, L, D] in the cache's element type
//   key_scales, value_scales  [B, KH, L] float32, what a quant of an int8 row stands for; null for other types
//   query_offsets     [S + 1] int32
//   context_lengths   [S] int32
//   block_tables      [S, M] int32, rows `table_stride` apart
//
// Build macros: HEAD_SIZE (D); one of CACHE_F32, CACHE_BF16, CACHE_F16, CACHE_I8; DECODE_STORES where the kernel also
// stores.

#if defined(CACHE_F32)
typedef float cache_t;
#define ATTENTION_NAME(op) op##_f32
#elif defined(CACHE_BF16)
typedef ushort cache_t;
#define ATTENTION_NAME(op) op##_bf16
#elif defined(CACHE_F16)
typedef ushort cache_t;
#define ATTENTION_NAME(op) op##_f16
#elif defined(CACHE_I8)
typedef char cache_t;
#define ATTENTION_NAME(op) op##_i8
#endif

// The scale of cached row `row`; 1 for formats that are stored as they are.
#if defined(CACHE_I8)
#define ROW_SCALE(scales, row) ((scales)[row])
#define SCALED(value, scale) ((value) * (scale))
#else
#define ROW_SCALE(scales, row) 1.0f
#define SCALED(value, scale) (value)
#endif

#if defined(DECODE_STORES)
#define CACHE_ACCESS
#else
#define CACHE_ACCESS const
#endif

// The arguments that the attention kernels start with. Offsets and strides are in elements.
#define ATTENTION_PARAMETERS                                                                                           \
    __global const float *query, const ulong query_offset, const uint query_stride,                                    \
    __global CACHE_ACCESS cache_t *keys, const ulong keys_offset,                                                      \
    __global CACHE_ACCESS cache_t *values, const ulong values_offset,                                                  \
    __global CACHE_ACCESS float *key_scales, const ulong key_scales_offset,                                            \
    __global CACHE_ACCESS float *value_scales, const ulong value_scales_offset,                                        \
    __global const int *query_offsets, const ulong query_offsets_offset,                                               \
    __global const int *context_lengths, const ulong context_lengths_offset,                                           \
    __global const int *block_tables, const ulong block_tables_offset, const uint table_stride,                        \
    __global float *out, const ulong out_offset, const uint out_stride,                                                \
    const uint sequences, const uint heads, const uint key_heads, const uint block_size, const int window,             \
    const float scale, const float soft_cap

static inline float load_cache(__global const cache_t *p)
{
#if defined(CACHE_F32)
    return *p;
#elif defined(CACHE_BF16)
    return as_float((uint)*p << 16);
#elif defined(CACHE_I8)
    return (float)*p;
#else
    return load_f16((__global const half *)p, 0);
#endif
}

// The row of `position` and head `key_head` among all rows of the keys, or of the values.
static inline ulong cache_row(
    __global const int *table, const uint position, const uint key_head, const uint key_heads, const uint block_size)
{
    const ulong block = (ulong)table[position / block_size];
    return (block * key_heads + key_head) * block_size + position % block_size;
}

// The sequence that query token `t` belongs to: the last one whose offset is not above `t`.
static inline uint sequence_of(__global const int *query_offsets, const uint sequences, const uint t)
{
    uint low = 0, high = sequences;
    while (high - low > 1) {
        const uint middle = (low + high) / 2;
        if ((uint)query_offsets[middle] <= t)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#if defined(PREFILL_POSITIONS)
// For GPUs: takes a tile of PREFILL_POSITIONS scores into the running softmax of a row (Milakov and Gimelshein, 2018).
// The scores become weights against the row's new maximum; its correction is what all sums so far are multiplied by.
static inline void take_tile(
    __local float *scores, __local float *maxima, __local float *weights, __local float *corrections, const uint row)
{
    float maximum = maxima[row];
    for (uint j = 0; j < PREFILL_POSITIONS; ++j)
        maximum = fmax(maximum, scores[row * PREFILL_POSITIONS + j]);
    // A row that has seen nothing yet keeps weight 0 without computing inf - inf.
    const float shift = maximum == -INFINITY ? 0.0f : maximum;
    float weight = 0.0f;
    for (uint j = 0; j < PREFILL_POSITIONS; ++j) {
        const float p = exp(scores[row * PREFILL_POSITIONS + j] - shift);
        scores[row * PREFILL_POSITIONS + j] = p;
        weight += p;
    }
    corrections[row] = exp(maxima[row] - shift);
    weights[row] = weights[row] * corrections[row] + weight;
    maxima[row] = maximum;
}
#endif
