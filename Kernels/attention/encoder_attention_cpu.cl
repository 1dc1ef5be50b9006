// encoder_attention_f32: attention over plain rows, in tiles of PREFILL_ROWS queries by PREFILL_POSITIONS keys.
//
// Work-item (h, i, s) takes the i-th tile of tile_queries queries of sequence s for head h. Keys are transposed into
// local memory, so that scores, like a matrix product, are 8 rows x 32 keys in registers (as in attention_prefill).
// Geometry: global [H, ceil(most queries / tile_queries), S], local [1, 1, 1].
// Local memory: 4 * (PREFILL_ROWS * (D' + 17) + PREFILL_POSITIONS * (D + D' + 8)) bytes, D' = D rounded up to 32.
// Build macros: PREFILL_ROWS (a multiple of 8, at least tile_queries), PREFILL_POSITIONS (of 32).
// Arguments as in encoder_attention_common.cl.

// The bias of 16 keys, the first of which stands `distance` behind its query. `row` is that of a head.
static inline float16 bias16(__global const float *row, const int distance, const int reach)
{
    if (distance >= -reach && distance + 15 <= reach)
        return vload16(0, row + (reach + distance));
    if (distance >= reach || distance + 15 <= -reach)
        return (float16)(row[bias_index(distance, reach)]);
    float lanes[16];
    for (int i = 0; i < 16; ++i)
        lanes[i] = row[bias_index(distance + i, reach)];
    return vload16(0, lanes);
}

// What a query and 16 keys from `key` on say of their distances. Keys past `last` are hidden; that one stands for them.
static inline float16 relative16(
    __global const float *of_query, __global const float *of_keys, const uint stride, __global const int *buckets,
    const uint key, const uint last, const int position, const int reach)
{
    float lanes[16];
    for (uint i = 0; i < 16; ++i) {
        const uint row = min(key + i, last);
        lanes[i] = relative_score(
            of_query, of_keys ? of_keys + (ulong)row * stride : 0, buckets, (int)row - position, reach);
    }
    return vload16(0, lanes);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(float16)))
void encoder_attention_f32(ENCODER_PARAMETERS)
{
    __local float sums[PREFILL_ROWS * PADDED_HEAD_SIZE];
    __local float maxima[PREFILL_ROWS], weights[PREFILL_ROWS * 16];
    __local float scores[8 * PREFILL_POSITIONS];
    __local float transposed[PREFILL_POSITIONS * HEAD_SIZE];
    __local float v[PREFILL_POSITIONS * PADDED_HEAD_SIZE];

    const uint head = get_global_id(0), sequence = get_global_id(2);
    const uint query_begin = query_offsets[query_offsets_offset + sequence];
    const uint query_count = (uint)query_offsets[query_offsets_offset + sequence + 1] - query_begin;
    const uint first_query = (uint)get_global_id(1) * tile_queries;
    if (first_query >= query_count)
        return;
    const uint rows = min(tile_queries, query_count - first_query);
    const uint key_begin = key_ranges[key_ranges_offset + 2 * sequence];
    const uint key_count = (uint)key_ranges[key_ranges_offset + 2 * sequence + 1] - key_begin;
    // Where the tile's first query stands, and the end of the keys that its last one sees.
    const int position = (int)(key_count - query_count + first_query);
    const uint tile_end = causal ? (uint)max(position + (int)rows, 0) : key_count;
    query += query_offset + (ulong)(query_begin + first_query) * query_stride + head * HEAD_SIZE;
    out += out_offset + (ulong)(query_begin + first_query) * out_stride + head * HEAD_SIZE;
    keys += keys_offset + (ulong)key_begin * key_stride + head * HEAD_SIZE;
    values += values_offset + (ulong)key_begin * value_stride + head * HEAD_SIZE;
    __global const float *head_bias = bias ? bias + bias_offset + (ulong)head * (2 * reach + 1) : 0;
    __global const float *of_queries = query_scores
        ? query_scores + query_scores_offset + (ulong)(query_begin + first_query) * query_scores_stride
            + head * bucket_count : 0;
    __global const float *of_keys =
        key_scores ? key_scores + key_scores_offset + (ulong)key_begin * key_scores_stride + head * bucket_count : 0;
    __global const int *distances = buckets ? buckets + buckets_offset : 0;

    clear_rows((rows + 7) / 8 * 8, maxima, weights, sums);

    for (uint tile = 0; tile < tile_end; tile += PREFILL_POSITIONS) {
        // Keys past the end repeat the last one; they are hidden from every row.
        const uint count = min((uint)PREFILL_POSITIONS, (tile_end - tile + 31) / 32 * 32);
        for (uint part = 0; part < count; part += 16) {
            __global const float *key_rows[16];
            float row_scales[16];
            for (uint j = 0; j < 16; ++j) {
                const uint row = min(tile + part + j, tile_end - 1);
                key_rows[j] = keys + (ulong)row * key_stride;
                row_scales[j] = 1.0f;
                #pragma unroll
                for (uint d = 0; d < HEAD_VECTORS; ++d)
                    vstore16(
                        load_row16(values + (ulong)row * value_stride, d), d, v + (part + j) * PADDED_HEAD_SIZE);
            }
            transpose_keys16(key_rows, row_scales, transposed + part / 32 * (32 * HEAD_SIZE) + part % 32);
        }
        for (uint row0 = 0; row0 < rows; row0 += 8) {
            // The ends of what the last and the first of these rows see, and the former rounded up to whole pairs of
            // vectors.
            const int last_end = causal ? position + (int)min(row0 + 7, rows - 1) + 1 : (int)key_count;
            const int first_end = causal ? position + (int)row0 + 1 : (int)key_count;
            if ((int)tile >= last_end)
                continue;
            const bool is_masked = (int)(tile + count) > first_end;
            const uint seen = min(count, (uint)last_end - tile);
            const uint scored = (seen + 31) / 32 * 32;

            __global const float *a[8];
            int row_end[8], row_position[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i) {
                const uint r = min(row0 + i, rows - 1);
                a[i] = query + (ulong)r * query_stride;
                row_position[i] = position + (int)r;
                row_end[i] = causal ? row_position[i] + 1 : (int)key_count;
            }
            float16 c[8][2], row_maxima[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i)
                row_maxima[i] = -INFINITY;
            for (uint part = 0; part < scored; part += 32) {
                score_rows8(a, transposed + part * HEAD_SIZE, c);
                const int first_key = (int)(tile + part);
                #pragma unroll
                for (uint i = 0; i < 8; ++i) {
                    float16 s0 = c[i][0] * scale, s1 = c[i][1] * scale;
                    if (distances) {
                        const uint r = min(row0 + i, rows - 1), last = tile_end - 1;
                        __global const float *of_query = of_queries ? of_queries + (ulong)r * query_scores_stride : 0;
                        s0 += scale * relative16(
                            of_query, of_keys, key_scores_stride, distances, (uint)first_key, last, row_position[i],
                            (int)bucket_reach);
                        s1 += scale * relative16(
                            of_query, of_keys, key_scores_stride, distances, (uint)first_key + 16, last,
                            row_position[i], (int)bucket_reach);
                    }
                    if (head_bias) {
                        s0 += bias16(head_bias, first_key - row_position[i], (int)reach);
                        s1 += bias16(head_bias, first_key + 16 - row_position[i], (int)reach);
                    }
                    if (is_masked) {
                        const int16 behind0 = as_int16(LANES) + (first_key - row_end[i]);
                        s0 = select(s0, (float16)(-INFINITY), behind0 >= 0);
                        s1 = select(s1, (float16)(-INFINITY), behind0 + 16 >= 0);
                    }
                    row_maxima[i] = fmax(row_maxima[i], fmax(s0, s1));
                    vstore16(s0, 0, scores + i * PREFILL_POSITIONS + part);
                    vstore16(s1, 1, scores + i * PREFILL_POSITIONS + part);
                }
            }
            weigh_rows8(
                scores, row_maxima, scored, seen, v, maxima + row0, weights + row0 * 16,
                sums + row0 * PADDED_HEAD_SIZE);
        }
    }

    for (uint r = 0; r < rows; ++r) {
        __global float *target = out + (ulong)r * out_stride;
        const float factor = 1.0f / sum16(vload16(r, weights));
        for (uint d = 0; d * 16 < HEAD_SIZE; ++d)
            store_row16(vload16(d, sums + r * PADDED_HEAD_SIZE) * factor, target, d);
    }
}
