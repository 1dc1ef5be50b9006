// encoder_attention_group_f32: attention over plain rows for GPUs, in tiles of 16 queries by PREFILL_POSITIONS keys.
//
// Group (h, i, s) takes the i-th tile of tile_queries (at most 16) queries of sequence s for head h. Of the 128
// work-items, eight share a row: item i owns elements d = i % 8, i % 8 + 8, ... of row i / 8.
// Geometry: global [H * 128, ceil(most queries / tile_queries), S], local [128, 1, 1].
// Local memory: 4 * ((16 + PREFILL_POSITIONS) * (D + 1) + 16 * (PREFILL_POSITIONS + 3)) bytes.
// Build macros: PREFILL_POSITIONS. Arguments as in encoder_attention_common.cl. No vector literals, so that a prelude
// can compile the same text as CUDA C.

#define ROW_ELEMENTS ((HEAD_SIZE + 7) / 8)
#define PITCH (HEAD_SIZE + 1)

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void encoder_attention_group_f32(ENCODER_PARAMETERS)
{
    __local float q[16 * PITCH];
    __local float cached[PREFILL_POSITIONS * PITCH];
    __local float scores[16 * PREFILL_POSITIONS];
    __local float maxima[16], weights[16], corrections[16];
    const uint item = get_local_id(0);
    const uint head = get_group_id(0), sequence = get_group_id(2);
    const uint query_begin = query_offsets[query_offsets_offset + sequence];
    const uint query_count = (uint)query_offsets[query_offsets_offset + sequence + 1] - query_begin;
    const uint first_query = (uint)get_group_id(1) * tile_queries;
    if (first_query >= query_count)
        return;
    const uint rows = min(tile_queries, query_count - first_query);
    const uint key_begin = key_ranges[key_ranges_offset + 2 * sequence];
    const uint key_count = (uint)key_ranges[key_ranges_offset + 2 * sequence + 1] - key_begin;
    const int position = (int)(key_count - query_count + first_query);
    const uint tile_end = causal ? (uint)max(position + (int)rows, 0) : key_count;
    const ulong query_start = query_offset + (ulong)(query_begin + first_query) * query_stride + head * HEAD_SIZE;
    const ulong out_start = out_offset + (ulong)(query_begin + first_query) * out_stride + head * HEAD_SIZE;
    const ulong key_start = keys_offset + (ulong)key_begin * key_stride + head * HEAD_SIZE;
    const ulong value_start = values_offset + (ulong)key_begin * value_stride + head * HEAD_SIZE;
    const ulong bias_start = bias_offset + (ulong)head * (2 * reach + 1);

    for (uint i = item; i < 16 * HEAD_SIZE; i += 128) {
        const uint r = i / HEAD_SIZE, d = i % HEAD_SIZE;
        q[r * PITCH + d] = r < rows ? query[query_start + (ulong)r * query_stride + d] : 0.0f;
    }
    if (item < 16) {
        maxima[item] = -INFINITY;
        weights[item] = 0.0f;
    }
    const uint own_row = item / 8, own_element = item % 8;
    float sums[ROW_ELEMENTS];
    for (uint i = 0; i < ROW_ELEMENTS; ++i)
        sums[i] = 0.0f;

    for (uint tile = 0; tile < tile_end; tile += PREFILL_POSITIONS) {
        const uint count = min((uint)PREFILL_POSITIONS, tile_end - tile);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < count * HEAD_SIZE; i += 128)
            cached[i / HEAD_SIZE * PITCH + i % HEAD_SIZE] =
                keys[key_start + (ulong)(tile + i / HEAD_SIZE) * key_stride + i % HEAD_SIZE];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < 16 * PREFILL_POSITIONS; i += 128) {
            const uint r = i / PREFILL_POSITIONS, j = i % PREFILL_POSITIONS;
            const int distance = (int)(tile + j) - (position + (int)r);
            float score = -INFINITY;
            if (r < rows && j < count && (!causal || distance <= 0)) {
                float product = 0.0f;
                for (uint d = 0; d < HEAD_SIZE; ++d)
                    product += q[r * PITCH + d] * cached[j * PITCH + d];
                if (buckets) {
                    const ulong column = (ulong)head * bucket_count;
                    __global const float *of_query = 0, *of_key = 0;
                    if (query_scores)
                        of_query = query_scores + query_scores_offset + column
                            + (ulong)(query_begin + first_query + r) * query_scores_stride;
                    if (key_scores)
                        of_key = key_scores + key_scores_offset + column
                            + (ulong)(key_begin + tile + j) * key_scores_stride;
                    product += relative_score(
                        of_query, of_key, buckets + buckets_offset, distance, (int)bucket_reach);
                }
                score = product * scale;
                if (bias)
                    score += bias[bias_start + bias_index(distance, (int)reach)];
            }
            scores[i] = score;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < 16)
            take_tile(scores, maxima, weights, corrections, item);
        for (uint i = item; i < count * HEAD_SIZE; i += 128)
            cached[i / HEAD_SIZE * PITCH + i % HEAD_SIZE] =
                values[value_start + (ulong)(tile + i / HEAD_SIZE) * value_stride + i % HEAD_SIZE];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = 0; i < ROW_ELEMENTS; ++i)
            sums[i] *= corrections[own_row];
        for (uint j = 0; j < count; ++j) {
            const float p = scores[own_row * PREFILL_POSITIONS + j];
            for (uint i = 0; i < ROW_ELEMENTS; ++i)
                if (own_element + 8 * i < HEAD_SIZE)
                    sums[i] += p * cached[j * PITCH + own_element + 8 * i];
        }
    }

    if (own_row < rows) {
        const float factor = 1.0f / weights[own_row];
        const ulong start = out_start + (ulong)own_row * out_stride;
        for (uint i = 0; i < ROW_ELEMENTS; ++i)
            if (own_element + 8 * i < HEAD_SIZE)
                out[start + own_element + 8 * i] = sums[i] * factor;
    }
}
