// attention_prefill_<type>: many queries a sequence, in tiles of PREFILL_ROWS rows by PREFILL_POSITIONS positions.
//
// Work-item (c, i, s) takes tile_queries queries of sequence s (i alternates between its ends) and the c-th
// chunk of tile_heads query heads of one key head; row r is query r / tile_heads, head r % tile_heads of the tile. Keys
// are transposed into local memory, so that scores, like a matrix product, are tiles in registers
// (attention_tiles_cpu.cl).
// Geometry: global [KH * ceil(H / KH / tile_heads), ceil(longest / tile_queries), S], local [1, 1, 1].
// Local memory: 4 * (PREFILL_ROWS * (D' + 17) + PREFILL_POSITIONS * (D + D' + 8)) bytes, D' = D rounded up to 32.
// Build macros: PREFILL_ROWS (a multiple of 8, at least tile_queries * tile_heads), PREFILL_POSITIONS (of 32).
// Arguments up to `soft_cap` as in attention_common.cl.

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
    // The longest tile, the shortest, the second longest, and so on: drivers that give a thread consecutive work-items
    // then give all threads equal work.
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

    clear_rows((rows + 7) / 8 * 8, maxima, weights, sums);

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
            // The positions that any row sees, rounded up to whole pairs of vectors.
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
            float16 c[8][2], row_maxima[8];
            #pragma unroll
            for (uint i = 0; i < 8; ++i)
                row_maxima[i] = -INFINITY;
            for (uint part = 0; part < scored; part += 32) {
                score_rows8(a, transposed + part * HEAD_SIZE, c);
                #pragma unroll
                for (uint i = 0; i < 8; ++i) {
                    float16 s0 = capped16(c[i][0], scale, soft_cap), s1 = capped16(c[i][1], scale, soft_cap);
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
            weigh_rows8(
                scores, row_maxima, scored, seen, v, maxima + row0, weights + row0 * 16,
                sums + row0 * PADDED_HEAD_SIZE);
        }
    }

    for (uint r = 0; r < rows; ++r) {
        __global float *target = out + (ulong)(r / head_count) * out_stride + r % head_count * HEAD_SIZE;
        const float factor = 1.0f / sum16(vload16(r, weights));
        for (uint d = 0; d * 16 < HEAD_SIZE; ++d)
            store_row16(vload16(d, sums + r * PADDED_HEAD_SIZE) * factor, target, d);
    }
}
