// attention_decode_<type>: few queries a sequence; the context is split over work-items.
//
// Work-item (c, t, i) takes positions i * split_tokens ..< (i + 1) * split_tokens of query token t and the c-th chunk
// of query heads (DECODE_HEADS at most, all of one key head, so that keys and values are read once). The bounds of a
// split do not depend on the batch. With one split the result goes to `out`; with more the unnormalised sums go to
// partial_sums [T, H, splits, D] and the maximum and the sum of weights to partial_weights [T, H, splits, 2], and
// attention_merge puts them together.
// Geometry: global [KH * ceil(H / KH / DECODE_HEADS), T, splits], local [1, 1, 1]. Local memory: none.
// Build macros: DECODE_HEADS. Arguments up to `soft_cap` as in attention_common.cl.
//
// attention_store_decode_<type> (with DECODE_STORES): the same, and first the query token's key and value go to the end
// of its context; with a table, query and key are rotated on their way (formula in common/rope.cl). The work-item whose
// split holds the end stores them and alone reads them, so no order between work-items is needed. Only where every
// sequence has one query at most and H / KH <= DECODE_HEADS, so that a key head is one work-item's.
//   new_keys, new_values  [T, KH * D] float32, rows `new_keys_stride` and `new_values_stride` apart
//   rope_table            [positions, 2, rotary / 2] float32 or null: cosines, then sines
//   positions             [T] int32 or null

#if defined(DECODE_STORES)
#define DECODE_NAME ATTENTION_NAME(attention_store_decode)
#define STORE_PARAMETERS                                                                                               \
    , __global const float *new_keys, const ulong new_keys_offset, const uint new_keys_stride,                         \
    __global const float *new_values, const ulong new_values_offset, const uint new_values_stride,                     \
    __global const float *rope_table, const ulong rope_table_offset,                                                   \
    __global const int *positions, const ulong positions_offset, const uint rotary, const uint rope_layout

// Stores a head as row `row` of the cache.
static inline void store_head(const float *head, __global cache_t *rows, __global float *scales, const ulong row)
{
    __global cache_t *target = rows + row * HEAD_SIZE;
#if defined(CACHE_I8)
    float largest = 0.0f;
    for (uint e = 0; e < HEAD_SIZE; ++e)
        largest = larger_magnitude(largest, head[e]);
    const float scale = quant_scale(largest);
    const float inverse = quant_inverse(scale);
    scales[row] = scale;
    for (uint e = 0; e < HEAD_SIZE; ++e)
        target[e] = to_quant(head[e], inverse);
#else
    for (uint e = 0; e < HEAD_SIZE; ++e) {
#if defined(CACHE_F32)
        target[e] = head[e];
#elif defined(CACHE_BF16)
        target[e] = float_to_bf16(head[e]);
#else
        store_f16((__global half *)target, e, head[e]);
#endif
    }
#endif
}

// Copies a head and rotates it; without `angles` it is only copied.
static inline void rotate_head(
    __global const float *head, __global const float *angles, const uint rotary, const uint rope_layout,
    float *rotated)
{
    for (uint e = 0; e < HEAD_SIZE; ++e)
        rotated[e] = head[e];
    if (!angles)
        return;
    if (rope_layout == ROPE_HALF_SPLIT) {
        for (uint i = 0; i < rotary / 2; ++i) {
            const float2 pair = rope_rotate(head[i], head[i + rotary / 2], angles[i], angles[rotary / 2 + i]);
            rotated[i] = pair.x;
            rotated[i + rotary / 2] = pair.y;
        }
    } else {
        for (uint i = 0; i < rotary / 2; ++i) {
            const float2 pair = rope_rotate(head[2 * i], head[2 * i + 1], angles[i], angles[rotary / 2 + i]);
            rotated[2 * i] = pair.x;
            rotated[2 * i + 1] = pair.y;
        }
    }
}
#else
#define DECODE_NAME ATTENTION_NAME(attention_decode)
#define STORE_PARAMETERS
#endif

CHAINED_KERNEL SINGLE_ITEM
void DECODE_NAME(
    ITEM_PARAMETER ATTENTION_PARAMETERS, __global float *partial_sums, const ulong partial_sums_offset,
    __global float *partial_weights, const ulong partial_weights_offset, const uint split_tokens, const uint splits
    STORE_PARAMETERS)
{
    const uint group = heads / key_heads;
    const uint chunks = (group + DECODE_HEADS - 1) / DECODE_HEADS;
    const uint key_head = (uint)ITEM(0) / chunks;
    const uint chunk_head = (uint)ITEM(0) % chunks * DECODE_HEADS;
    const uint head0 = key_head * group + chunk_head;
    const uint head_count = min((uint)DECODE_HEADS, group - chunk_head);
    const uint t = ITEM(1);
    const uint split = ITEM(2);

    query_offsets += query_offsets_offset;
    const uint sequence = sequence_of(query_offsets, sequences, t);
    const uint query_end = query_offsets[sequence + 1];
    const uint end_seen = (uint)context_lengths[context_lengths_offset + sequence] - (query_end - 1 - t);
    const uint begin_seen = max((int)end_seen - window, 0);
    const uint begin = max(begin_seen, split * split_tokens);
    const uint end = min(end_seen, (split + 1) * split_tokens);
    __global const int *table = block_tables + block_tables_offset + (ulong)sequence * table_stride;

#if defined(DECODE_STORES)
    float rotated[PADDED_HEAD_SIZE];
    for (uint e = HEAD_SIZE; e < PADDED_HEAD_SIZE; ++e)
        rotated[e] = 0.0f;
    __global const float *angles = rope_table;
    if (angles)
        angles += rope_table_offset + (ulong)positions[positions_offset + t] * rotary;
    if (split * split_tokens < end_seen && end == end_seen) {
        __global const float *key = new_keys + new_keys_offset + (ulong)t * new_keys_stride + key_head * HEAD_SIZE;
        __global const float *value =
            new_values + new_values_offset + (ulong)t * new_values_stride + key_head * HEAD_SIZE;
        const ulong row = cache_row(table, end_seen - 1, key_head, key_heads, block_size);
        rotate_head(key, angles, rotary, rope_layout, rotated);
        store_head(rotated, keys + keys_offset, key_scales + key_scales_offset, row);
        rotate_head(value, 0, 0, rope_layout, rotated);
        store_head(rotated, values + values_offset, value_scales + value_scales_offset, row);
    }
#endif

    float16 q[DECODE_HEADS][HEAD_VECTORS], sums[DECODE_HEADS][HEAD_VECTORS];
    float maxima[DECODE_HEADS], weights[DECODE_HEADS];
    for (uint h = 0; h < head_count; ++h) {
        __global const float *row = query + query_offset + (ulong)t * query_stride + (head0 + h) * HEAD_SIZE;
#if defined(DECODE_STORES)
        rotate_head(row, angles, rotary, rope_layout, rotated);
#endif
        for (uint d = 0; d < HEAD_VECTORS; ++d) {
#if defined(DECODE_STORES)
            q[h][d] = vload16(d, rotated);
#else
            q[h][d] = load_query16(row, d);
#endif
            sums[h][d] = 0.0f;
        }
        maxima[h] = -INFINITY;
        weights[h] = 0.0f;
    }

    for (uint tile = begin; tile < end; tile += 16) {
        const uint count = min(16u, end - tile);
        float16 k[16][HEAD_VECTORS], v[16][HEAD_VECTORS];
        float row_key_scales[16], row_value_scales[16];
        for (uint j = 0; j < 16; ++j) {
            const ulong row = cache_row(table, min(tile + j, end - 1), key_head, key_heads, block_size);
            const ulong index = row * HEAD_SIZE;
            row_key_scales[j] = ROW_SCALE(key_scales, key_scales_offset + row);
            row_value_scales[j] = ROW_SCALE(value_scales, value_scales_offset + row);
            #pragma unroll
            for (uint d = 0; d < HEAD_VECTORS; ++d) {
                k[j][d] = load_row16(keys + keys_offset + index, d);
                v[j][d] = load_row16(values + values_offset + index, d);
            }
        }
        for (uint h = 0; h < head_count; ++h) {
            float16 products[16];
            #pragma unroll
            for (uint j = 0; j < 16; ++j)
                products[j] = k[j][0] * q[h][0];
            #pragma unroll
            for (uint d = 1; d < HEAD_VECTORS; ++d)
                #pragma unroll
                for (uint j = 0; j < 16; ++j)
                    products[j] = fma(k[j][d], q[h][d], products[j]);
            const float16 product = SCALED(sum_each16(products), vload16(0, row_key_scales));
            float16 score = capped16(product, scale, soft_cap);
            score = select(score, (float16)(-INFINITY), LANES >= (uint16)(count));
            const float maximum = fmax(maxima[h], max16(score));
            const float16 p = exp(score - maximum);
            const float correction = exp(maxima[h] - maximum);
            maxima[h] = maximum;
            weights[h] = weights[h] * correction + sum16(p);
            float lanes[16];
            vstore16(SCALED(p, vload16(0, row_value_scales)), 0, lanes);
            for (uint d = 0; d < HEAD_VECTORS; ++d) {
                float16 even = sums[h][d] * correction, odd = 0.0f;
                #pragma unroll
                for (uint j = 0; j < 16; j += 2) {
                    even = fma((float16)(lanes[j]), v[j][d], even);
                    odd = fma((float16)(lanes[j + 1]), v[j + 1][d], odd);
                }
                sums[h][d] = even + odd;
            }
        }
    }

    for (uint h = 0; h < head_count; ++h) {
        const ulong row = ((ulong)t * heads + head0 + h) * splits + split;
        __global float *target = splits == 1
            ? out + out_offset + (ulong)t * out_stride + (head0 + h) * HEAD_SIZE
            : partial_sums + partial_sums_offset + row * HEAD_SIZE;
        const float factor = splits == 1 ? 1.0f / weights[h] : 1.0f;
        for (uint d = 0; d * 16 < HEAD_SIZE; ++d)
            store_row16(sums[h][d] * factor, target, d);
        if (splits > 1)
            vstore2((float2)(maxima[h], weights[h]), row, partial_weights + partial_weights_offset);
    }
}
