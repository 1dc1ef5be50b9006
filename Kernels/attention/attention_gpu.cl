// Attention for GPUs: work-groups that share local memory. OpenCL C 1.2 without extensions or vector literals, so that
// a prelude can compile the same text as CUDA C. Arguments up to `soft_cap` as in attention_common.cl.

static inline float capped(const float score, const float scale, const float soft_cap)
{
    const float scaled = score * scale;
    return soft_cap > 0.0f ? soft_cap * tanh(scaled / soft_cap) : scaled;
}

#if defined(DECODE_GROUP)
// attention_decode_group_<type>: few queries a sequence; the context is split over work-groups.
//
// Group (h, t, i) takes positions i * split_tokens ..< (i + 1) * split_tokens of query token t and head h: work-item j
// scores position j of a tile of DECODE_GROUP, then owns the elements d = j, j + DECODE_GROUP, ... of the sum.
// Results as in attention_decode (attention_decode_cpu.cl).
// Geometry: global [H * DECODE_GROUP, T, splits], local [DECODE_GROUP, 1, 1].
// Local memory: 4 * (D + 2 * DECODE_GROUP) bytes.
// Build macros: DECODE_GROUP (a power of two).

#define DECODE_ELEMENTS ((HEAD_SIZE + DECODE_GROUP - 1) / DECODE_GROUP)

__kernel __attribute__((reqd_work_group_size(DECODE_GROUP, 1, 1)))
void ATTENTION_NAME(attention_decode_group)(
    ATTENTION_PARAMETERS, __global float *partial_sums, const ulong partial_sums_offset,
    __global float *partial_weights, const ulong partial_weights_offset, const uint split_tokens, const uint splits)
{
    __local float q[HEAD_SIZE];
    __local float shared[DECODE_GROUP], reduction[DECODE_GROUP];
    const uint item = get_local_id(0);
    const uint head = get_group_id(0);
    const uint key_head = head / (heads / key_heads);
    const uint t = get_group_id(1);
    const uint split = get_group_id(2);

    const uint sequence = sequence_of(query_offsets + query_offsets_offset, sequences, t);
    const uint query_end = query_offsets[query_offsets_offset + sequence + 1];
    const uint end_seen = (uint)context_lengths[context_lengths_offset + sequence] - (query_end - 1 - t);
    const uint begin_seen = max((int)end_seen - window, 0);
    const uint begin = max(begin_seen, split * split_tokens);
    const uint end = min(end_seen, (split + 1) * split_tokens);
    __global const int *table = block_tables + block_tables_offset + (ulong)sequence * table_stride;

    for (uint d = item; d < HEAD_SIZE; d += DECODE_GROUP)
        q[d] = query[query_offset + (ulong)t * query_stride + head * HEAD_SIZE + d];
    float sums[DECODE_ELEMENTS];
    for (uint i = 0; i < DECODE_ELEMENTS; ++i)
        sums[i] = 0.0f;
    float maximum = -INFINITY, weight = 0.0f;
    barrier(CLK_LOCAL_MEM_FENCE);

    for (uint tile = begin; tile < end; tile += DECODE_GROUP) {
        const uint count = min((uint)DECODE_GROUP, end - tile);
        float score = -INFINITY, value_scale = 0.0f;
        if (item < count) {
            const ulong row = cache_row(table, tile + item, key_head, key_heads, block_size);
            __global const cache_t *key = keys + keys_offset + row * HEAD_SIZE;
            float product = 0.0f;
            for (uint d = 0; d < HEAD_SIZE; ++d)
                product += q[d] * load_cache(key + d);
            score = capped(SCALED(product, ROW_SCALE(key_scales, key_scales_offset + row)), scale, soft_cap);
            value_scale = ROW_SCALE(value_scales, value_scales_offset + row);
        }
        const float new_maximum = fmax(maximum, group_max(score, reduction));
        const float correction = exp(maximum - new_maximum);
        const float p = exp(score - new_maximum);
        maximum = new_maximum;
        shared[item] = SCALED(p, value_scale);
        weight = weight * correction + group_sum(p, reduction);
        for (uint i = 0; i < DECODE_ELEMENTS; ++i)
            sums[i] *= correction;
        for (uint j = 0; j < count; ++j) {
            __global const cache_t *value =
                values + values_offset + cache_row(table, tile + j, key_head, key_heads, block_size) * HEAD_SIZE;
            const float share = shared[j];
            for (uint i = 0; i < DECODE_ELEMENTS; ++i) {
                const uint d = item + i * DECODE_GROUP;
                if (d < HEAD_SIZE)
                    sums[i] += share * load_cache(value + d);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const ulong row = ((ulong)t * heads + head) * splits + split;
    __global float *target = splits == 1
        ? out + out_offset + (ulong)t * out_stride + head * HEAD_SIZE
        : partial_sums + partial_sums_offset + row * HEAD_SIZE;
    const float factor = splits == 1 ? 1.0f / weight : 1.0f;
    for (uint i = 0; i < DECODE_ELEMENTS; ++i) {
        const uint d = item + i * DECODE_GROUP;
        if (d < HEAD_SIZE)
            target[d] = sums[i] * factor;
    }
    if (splits > 1 && item == 0) {
        partial_weights[partial_weights_offset + 2 * row] = maximum;
        partial_weights[partial_weights_offset + 2 * row + 1] = weight;
    }
}
#endif

#if defined(PREFILL_POSITIONS)
// attention_prefill_group_<type>: many queries a sequence, in tiles of 16 rows by PREFILL_POSITIONS positions.
//
// Rows and tiles as in attention_prefill (attention_prefill_cpu.cl), with tile_queries * tile_heads at most 16. Of
// the 128 work-items, eight share a row: item i owns elements d = i % 8, i % 8 + 8, ... of row i / 8.
// Geometry: global [KH * ceil(H / KH / tile_heads) * 128, ceil(longest / tile_queries), S], local [128, 1, 1].
// Local memory: 4 * ((16 + PREFILL_POSITIONS) * (D + 1) + 16 * (PREFILL_POSITIONS + 3)) bytes.
// Build macros: PREFILL_POSITIONS.

#define ROW_ELEMENTS ((HEAD_SIZE + 7) / 8)
#define PITCH (HEAD_SIZE + 1)

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void ATTENTION_NAME(attention_prefill_group)(ATTENTION_PARAMETERS, const uint tile_queries, const uint tile_heads)
{
    __local float q[16 * PITCH];
    __local float cached[PREFILL_POSITIONS * PITCH];
    __local float scores[16 * PREFILL_POSITIONS];
    __local float maxima[16], weights[16], corrections[16];
    const uint item = get_local_id(0);
    const uint sequence = get_group_id(2);
    const uint query_begin = query_offsets[query_offsets_offset + sequence];
    const uint query_count = (uint)query_offsets[query_offsets_offset + sequence + 1] - query_begin;
    const uint tiles = (query_count + tile_queries - 1) / tile_queries;
    if (get_group_id(1) >= tiles)
        return;
    const uint first_query = (tiles - 1 - (uint)get_group_id(1)) * tile_queries;
    const uint queries = min(tile_queries, query_count - first_query);

    const uint group = heads / key_heads;
    const uint chunks = (group + tile_heads - 1) / tile_heads;
    const uint key_head = (uint)get_group_id(0) / chunks;
    const uint chunk_head = (uint)get_group_id(0) % chunks * tile_heads;
    const uint head0 = key_head * group + chunk_head;
    const uint head_count = min(tile_heads, group - chunk_head);
    const uint rows = queries * head_count;

    const uint first_end = (uint)context_lengths[context_lengths_offset + sequence] - query_count + first_query + 1;
    const uint tile_begin = max((int)first_end - window, 0);
    const uint tile_end = first_end + queries - 1;
    __global const int *table = block_tables + block_tables_offset + (ulong)sequence * table_stride;
    const ulong query_start = query_offset + (ulong)(query_begin + first_query) * query_stride + head0 * HEAD_SIZE;
    const ulong out_start = out_offset + (ulong)(query_begin + first_query) * out_stride + head0 * HEAD_SIZE;

    for (uint i = item; i < 16 * HEAD_SIZE; i += 128) {
        const uint r = i / HEAD_SIZE, d = i % HEAD_SIZE;
        q[r * PITCH + d] = r < rows
            ? query[query_start + (ulong)(r / head_count) * query_stride + r % head_count * HEAD_SIZE + d] : 0.0f;
    }
    if (item < 16) {
        maxima[item] = -INFINITY;
        weights[item] = 0.0f;
    }
    const uint own_row = item / 8, own_element = item % 8;
    float sums[ROW_ELEMENTS];
    for (uint i = 0; i < ROW_ELEMENTS; ++i)
        sums[i] = 0.0f;

    for (uint tile = tile_begin; tile < tile_end; tile += PREFILL_POSITIONS) {
        const uint count = min((uint)PREFILL_POSITIONS, tile_end - tile);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < count * HEAD_SIZE; i += 128) {
            const ulong row = cache_row(table, tile + i / HEAD_SIZE, key_head, key_heads, block_size);
            const float element = load_cache(keys + keys_offset + row * HEAD_SIZE + i % HEAD_SIZE);
            cached[i / HEAD_SIZE * PITCH + i % HEAD_SIZE] =
                SCALED(element, ROW_SCALE(key_scales, key_scales_offset + row));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < 16 * PREFILL_POSITIONS; i += 128) {
            const uint r = i / PREFILL_POSITIONS, j = i % PREFILL_POSITIONS;
            const uint end = first_end + r / head_count;
            float score = -INFINITY;
            if (r < rows && tile + j < end && (int)(tile + j) >= (int)end - window) {
                float product = 0.0f;
                for (uint d = 0; d < HEAD_SIZE; ++d)
                    product += q[r * PITCH + d] * cached[j * PITCH + d];
                score = capped(product, scale, soft_cap);
            }
            scores[i] = score;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < 16)
            take_tile(scores, maxima, weights, corrections, item);
        for (uint i = item; i < count * HEAD_SIZE; i += 128) {
            const ulong row = cache_row(table, tile + i / HEAD_SIZE, key_head, key_heads, block_size);
            const float element = load_cache(values + values_offset + row * HEAD_SIZE + i % HEAD_SIZE);
            cached[i / HEAD_SIZE * PITCH + i % HEAD_SIZE] =
                SCALED(element, ROW_SCALE(value_scales, value_scales_offset + row));
        }
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
        const ulong start = out_start + (ulong)(own_row / head_count) * out_stride + own_row % head_count * HEAD_SIZE;
        for (uint i = 0; i < ROW_ELEMENTS; ++i)
            if (own_element + 8 * i < HEAD_SIZE)
                out[start + own_element + 8 * i] = sums[i] * factor;
    }
}
#endif
