// Shared by the kernels of attention without a cache. Attention over plain rows:
//
//   s[t, h, j] = scale * sum_d query[t, h, d] * key[j, h, d] + bias[h, reach + clamp(j - p, -reach, reach)]
//   out[t, h, :] = sum_j softmax_j(s[t, h, j]) * value[j, h, :]  over the keys j of the sequence of query t
//
// Legend: T query rows, S sequences, H heads, D elements a head. Sequence s has the q query rows query_offsets[s] ..<
// query_offsets[s + 1] and the k key rows key_ranges[s][0] ..< key_ranges[s][1], where key j is counted from the first;
// its query i stands at p = k - q + i and, where `causal` is not 0, sees the keys 0 ..< p + 1 only. (Online softmax:
// Milakov and Gimelshein, 2018; tiles: Dao et al., 2022; distances: Raffel et al., 2020)
//   query, out     [T, H * D] float32, rows `query_stride` and `out_stride` elements apart
//   keys, values   rows of H * D float32, `key_stride` and `value_stride` elements apart
//   query_offsets  [S + 1] int32
//   key_ranges     [S, 2] int32
//   bias           [H, 2 * reach + 1] float32, or null: none
//   query_scores   rows of H * bucket_count float32, query_scores_stride elements apart, or null: none
//   key_scores     the same of keys
//   buckets        [2 * bucket_reach + 1] int32, the bucket of each distance, or null: no such scores
//
// Build macros: HEAD_SIZE (D), CACHE_F32 (rows of keys and values are float32, as the helpers read them).

// The arguments of the kernels. Offsets and strides are in elements.
#define ENCODER_PARAMETERS                                                                                             \
    __global const float *query, const ulong query_offset, const uint query_stride,                                    \
    __global const float *keys, const ulong keys_offset, const uint key_stride,                                        \
    __global const float *values, const ulong values_offset, const uint value_stride,                                  \
    __global const int *query_offsets, const ulong query_offsets_offset,                                               \
    __global const int *key_ranges, const ulong key_ranges_offset,                                                     \
    __global const float *bias, const ulong bias_offset, const uint reach,                                             \
    __global const float *query_scores, const ulong query_scores_offset, const uint query_scores_stride,               \
    __global const float *key_scores, const ulong key_scores_offset, const uint key_scores_stride,                     \
    __global const int *buckets, const ulong buckets_offset, const uint bucket_reach, const uint bucket_count,         \
    __global float *out, const ulong out_offset, const uint out_stride,                                                \
    const float scale, const uint causal, const uint tile_queries

// Where the bias of distance `distance` lies, counted from the row's first element.
static inline uint bias_index(const int distance, const int reach)
{
    return (uint)(reach + min(max(distance, -reach), reach));
}

// What a query and a key say of their distance: of_query and of_key are their rows of a head, or null.
static inline float relative_score(
    __global const float *of_query, __global const float *of_key, __global const int *buckets, const int distance,
    const int reach)
{
    const int bucket = buckets[bias_index(distance, reach)];
    return (of_query ? of_query[bucket] : 0.0f) + (of_key ? of_key[bucket] : 0.0f);
}
