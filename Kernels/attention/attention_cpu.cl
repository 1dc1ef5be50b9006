// Attention for CPU devices: one work-item a work-group, float16 registers, no barriers.
// Arguments up to `soft_cap` as in attention_common.cl.

// D rounded up to whole pairs of float16.
#define PADDED_HEAD_SIZE ((HEAD_SIZE + 31) / 32 * 32)
#define HEAD_VECTORS (PADDED_HEAD_SIZE / 16)

inline float16 load_cache16(__global const cache_t *p)
{
#if defined(CACHE_F32)
    return vload16(0, p);
#elif defined(CACHE_BF16)
    return as_float16(convert_uint16(vload16(0, p)) << 16);
#elif defined(CACHE_I8)
    return convert_float16(vload16(0, p));
#else
    return vload_half16(0, (__global const half *)p);
#endif
}

// Elements 16 * index ..< 16 * index + 16 of a cached row, zeros past its end.
inline float16 load_row16(__global const cache_t *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE)
        return load_cache16(row + 16 * index);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = 16 * index + i < HEAD_SIZE ? load_cache(row + 16 * index + i) : 0.0f;
    return vload16(0, lanes);
}

inline float16 load_query16(__global const float *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE)
        return vload16(index, row);
    float lanes[16];
    for (uint i = 0; i < 16; ++i)
        lanes[i] = 16 * index + i < HEAD_SIZE ? row[16 * index + i] : 0.0f;
    return vload16(0, lanes);
}

inline void store_row16(const float16 v, __global float *row, const uint index)
{
    if (16 * index + 16 <= HEAD_SIZE) {
        vstore16(v, index, row);
    } else {
        float lanes[16];
        vstore16(v, 0, lanes);
        for (uint i = 0; 16 * index + i < HEAD_SIZE; ++i)
            row[16 * index + i] = lanes[i];
    }
}

inline float16 capped16(const float16 score, const float scale, const float soft_cap)
{
    const float16 scaled = score * scale;
    return soft_cap > 0.0f ? soft_cap * tanh(scaled / soft_cap) : scaled;
}

#define LANES ((uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))

#if defined(DECODE_HEADS)
// attention_decode_<type>: few queries a sequence; the context is split over work-items.
//
// Work-item (c, t, i) takes positions i * split_tokens ..< (i + 1) * split_tokens of query token t and the c-th chunk
// of query heads (DECODE_HEADS at most, all of one key head, so that keys and values are read once). The bounds of a
// split do not depend on the batch. With one split the result goes to `out`; with more the unnormalised sums go to
// partial_sums [T, H, splits, D] and the maximum and the sum of weights to partial_weights [T, H, splits, 2], and
// attention_merge puts them together.
// Geometry: global [KH * ceil(H / KH / DECODE_HEADS), T, splits], local [1, 1, 1]. Local memory: none.
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
inline void store_head(const float *head, __global cache_t *rows, __global float *scales, const ulong row)
{
    __global cache_t *target = rows + row * HEAD_SIZE;
#if defined(CACHE_I8)
    float largest = 0.0f;
    for (uint e = 0; e < HEAD_SIZE; ++e)
        largest = larger_magnitude(largest, head[e]);
    const float scale = level_scale(largest);
    const float inverse = level_inverse(scale);
    scales[row] = scale;
    for (uint e = 0; e < HEAD_SIZE; ++e)
        target[e] = to_level(head[e], inverse);
#else
    for (uint e = 0; e < HEAD_SIZE; ++e) {
#if defined(CACHE_F32)
        target[e] = head[e];
#elif defined(CACHE_BF16)
        target[e] = float_to_bf16(head[e]);
#else
        vstore_half_rte(head[e], e, (__global half *)target);
#endif
    }
#endif
}

// Copies a head and rotates it; without `angles` it is only copied.
inline void rotate_head(
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

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void DECODE_NAME(
    ATTENTION_PARAMETERS, __global float *partial_sums, const ulong partial_sums_offset,
    __global float *partial_weights, const ulong partial_weights_offset, const uint split_tokens, const uint splits
    STORE_PARAMETERS)
{
    const uint group = heads / key_heads;
    const uint chunks = (group + DECODE_HEADS - 1) / DECODE_HEADS;
    const uint key_head = (uint)get_global_id(0) / chunks;
    const uint chunk_head = (uint)get_global_id(0) % chunks * DECODE_HEADS;
    const uint head0 = key_head * group + chunk_head;
    const uint head_count = min((uint)DECODE_HEADS, group - chunk_head);
    const uint t = get_global_id(1);
    const uint split = get_global_id(2);

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
#endif

#if defined(PREFILL_ROWS)
// attention_prefill_<type>: many queries a sequence, in tiles of PREFILL_ROWS rows by PREFILL_POSITIONS positions.
//
// Work-item (c, i, s) takes tile_queries queries of sequence s (i alternates between its ends) and the c-th
// chunk of tile_heads query heads of one key head; row r is query r / tile_heads, head r % tile_heads of the tile. Keys
// are transposed into local memory, so that scores, like a matrix product, are 8 rows x 32 positions in registers.
// Geometry: global [KH * ceil(H / KH / tile_heads), ceil(longest / tile_queries), S], local [1, 1, 1].
// Local memory: 4 * (PREFILL_ROWS * (D' + 17) + PREFILL_POSITIONS * (D + D' + 8)) bytes, D' = D rounded up to 32.
// Build macros: PREFILL_ROWS (a multiple of 8, at least tile_queries * tile_heads), PREFILL_POSITIONS (of 32).

// transposed[d * 32 + j] = rows[j][d] * scales[j] for 16 rows.
inline void transpose_keys16(__global const cache_t *const *rows, const float *scales, __local float *transposed)
{
    for (uint d = 0; d < HEAD_SIZE; d += 16) {
        float16 m[16];
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            m[r] = SCALED(load_row16(rows[r], d / 16), scales[r]);
        transpose16(m);
        #pragma unroll
        for (uint r = 0; r < 16; ++r)
            if (d + r < HEAD_SIZE)
                vstore16(m[r], 0, transposed + (d + r) * 32);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void ATTENTION_NAME(attention_prefill)(ATTENTION_PARAMETERS, const uint tile_queries, const uint tile_heads)
{
    __local float sums[PREFILL_ROWS * PADDED_HEAD_SIZE];
    __local float maxima[PREFILL_ROWS], weights[PREFILL_ROWS * 16];
    __local float scores[8 * PREFILL_POSITIONS];
    __local float transposed[PREFILL_POSITIONS * HEAD_SIZE];
    __local float v[PREFILL_POSITIONS * PADDED_HEAD_SIZE];

    const uint sequence = get_global_id(2);
    const uint query_begin = query_offsets[query_offsets_offset + sequence];
    const uint query_count = (uint)query_offsets[query_offsets_offset + sequence + 1] - query_begin;
    const uint tiles = (query_count + tile_queries - 1) / tile_queries;
    const uint order = get_global_id(1);
    if (order >= tiles)
        return;
    // The longest, the shortest, the second longest, ...: drivers that hand out runs of items hand out equal work.
    const uint first_query = ((order & 1) ? order / 2 : tiles - 1 - order / 2) * tile_queries;
    const uint queries = min(tile_queries, query_count - first_query);

    const uint group = heads / key_heads;
    const uint chunks = (group + tile_heads - 1) / tile_heads;
    const uint key_head = (uint)get_global_id(0) / chunks;
    const uint chunk_head = (uint)get_global_id(0) % chunks * tile_heads;
    const uint head0 = key_head * group + chunk_head;
    const uint head_count = min(tile_heads, group - chunk_head);
    const uint rows = queries * head_count;

    // Query `i` of the tile sees positions below first_end + i.
    const uint first_end = (uint)context_lengths[context_lengths_offset + sequence] - query_count + first_query + 1;
    const uint tile_begin = max((int)first_end - window, 0);
    const uint tile_end = first_end + queries - 1;
    __global const int *table = block_tables + block_tables_offset + (ulong)sequence * table_stride;
    query += query_offset + (ulong)(query_begin + first_query) * query_stride + head0 * HEAD_SIZE;
    out += out_offset + (ulong)(query_begin + first_query) * out_stride + head0 * HEAD_SIZE;

    for (uint r = 0; r < (rows + 7) / 8 * 8; ++r) {
        maxima[r] = -INFINITY;
        vstore16((float16)(0.0f), r, weights);
        for (uint d = 0; d < HEAD_VECTORS; ++d)
            vstore16((float16)(0.0f), d, sums + r * PADDED_HEAD_SIZE);
    }

    for (uint tile = tile_begin; tile < tile_end; tile += PREFILL_POSITIONS) {
        // Positions past the end repeat the last one; they are hidden from every row.
        const uint count = min((uint)PREFILL_POSITIONS, (tile_end - tile + 31) / 32 * 32);
        for (uint part = 0; part < count; part += 16) {
            __global const cache_t *key_rows[16];
            float row_scales[16];
            for (uint j = 0; j < 16; ++j) {
                const uint position = min(tile + part + j, tile_end - 1);
                const ulong row = cache_row(table, position, key_head, key_heads, block_size);
                const float value_scale = ROW_SCALE(value_scales, value_scales_offset + row);
                __global const cache_t *value_row = values + values_offset + row * HEAD_SIZE;
                key_rows[j] = keys + keys_offset + row * HEAD_SIZE;
                row_scales[j] = ROW_SCALE(key_scales, key_scales_offset + row);
                #pragma unroll
                for (uint d = 0; d < HEAD_VECTORS; ++d)
                    vstore16(SCALED(load_row16(value_row, d), value_scale), d, v + (part + j) * PADDED_HEAD_SIZE);
            }
            transpose_keys16(key_rows, row_scales, transposed + part / 32 * (32 * HEAD_SIZE) + part % 32);
        }
        for (uint row0 = 0; row0 < rows; row0 += 8) {
            const uint first_row_end = first_end + row0 / head_count;
            const uint last_row_end = first_end + min(row0 + 7, rows - 1) / head_count;
            const uint last_row_begin = max((int)last_row_end - window, 0);
            if (tile >= last_row_end || (int)(tile + count) <= (int)first_row_end - window)
                continue;
            const bool is_masked = tile + count > first_row_end || tile < last_row_begin;
            // What some row sees, and up to the end of a pair of vectors.
            const uint seen = min(count, last_row_end - tile);
            const uint scored = (seen + 31) / 32 * 32;

            __global const float *a[8];
            uint row_end[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i) {
                const uint r = min(row0 + i, rows - 1);
                a[i] = query + (ulong)(r / head_count) * query_stride + r % head_count * HEAD_SIZE;
                row_end[i] = first_end + r / head_count;
            }
            float16 c0[8], c1[8], row_maxima[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i)
                row_maxima[i] = -INFINITY;
            for (uint part = 0; part < scored; part += 32) {
                __local const float *b = transposed + part * HEAD_SIZE;
                #pragma unroll
                for (uint i = 0; i < 8; ++i)
                    c0[i] = c1[i] = 0.0f;
                for (uint d = 0; d < HEAD_SIZE; ++d) {
                    const float16 b0 = vload16(0, b + d * 32), b1 = vload16(1, b + d * 32);
                    #pragma unroll
                    for (uint i = 0; i < 8; ++i) {
                        const float16 value = (float16)(a[i][d]);
                        c0[i] = fma(value, b0, c0[i]);
                        c1[i] = fma(value, b1, c1[i]);
                    }
                }
                #pragma unroll
                for (uint i = 0; i < 8; ++i) {
                    float16 s0 = capped16(c0[i], scale, soft_cap), s1 = capped16(c1[i], scale, soft_cap);
                    if (is_masked) {
                        const int16 behind0 = as_int16(LANES) + (int)(tile + part - row_end[i]), behind1 = behind0 + 16;
                        s0 = select(s0, (float16)(-INFINITY), behind0 >= 0 || behind0 < -window);
                        s1 = select(s1, (float16)(-INFINITY), behind1 >= 0 || behind1 < -window);
                    }
                    row_maxima[i] = fmax(row_maxima[i], fmax(s0, s1));
                    vstore16(s0, 0, scores + i * PREFILL_POSITIONS + part);
                    vstore16(s1, 1, scores + i * PREFILL_POSITIONS + part);
                }
            }
            // One exponential for the corrections of all rows.
            float lanes[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i)
                lanes[i] = max16(row_maxima[i]);
            const float8 before = vload8(0, maxima + row0);
            const float8 maximum = fmax(before, vload8(0, lanes));
            // A row that has seen nothing yet keeps weight 0 without computing inf - inf.
            const float8 shift = select(maximum, (float8)(0.0f), maximum == (float8)(-INFINITY));
            vstore8(maximum, 0, maxima + row0);
            float shifts[8], corrections[8];
            vstore8(shift, 0, shifts);
            vstore8(exp(before - shift), 0, corrections);
            #pragma unroll
            for (uint i = 0; i < 8; ++i) {
                float16 weight = vload16(row0 + i, weights) * corrections[i];
                for (uint part = 0; part < scored; part += 16) {
                    const float16 p = exp(vload16(0, scores + i * PREFILL_POSITIONS + part) - shifts[i]);
                    weight += p;
                    vstore16(p, 0, scores + i * PREFILL_POSITIONS + part);
                }
                vstore16(weight, row0 + i, weights);
            }
            for (uint d = 0; d < PADDED_HEAD_SIZE; d += 32) {
                __local float *target = sums + row0 * PADDED_HEAD_SIZE + d;
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
    }

    for (uint r = 0; r < rows; ++r) {
        __global float *target = out + (ulong)(r / head_count) * out_stride + r % head_count * HEAD_SIZE;
        const float factor = 1.0f / sum16(vload16(r, weights));
        for (uint d = 0; d * 16 < HEAD_SIZE; ++d)
            store_row16(vload16(d, sums + r * PADDED_HEAD_SIZE) * factor, target, d);
    }
}
#endif
