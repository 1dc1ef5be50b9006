// attention_merge: puts the splits of attention_decode together.
//
//   out[t, h, :] = sum_i e^(m_i - m) * partial_sums_i / sum_i e^(m_i - m) * weight_i,  m = max_i m_i
//
//   partial_sums     [T, H, splits, D] float32
//   partial_weights  [T, H, splits, 2] float32: maximum and sum of weights (0 where a split saw nothing)
//   out              [T, H * D] float32, rows `out_stride` apart
// Geometry: global [ceil(H * D / item_elements), T], any local size: work-item (i, t) writes elements
// i * item_elements ..< (i + 1) * item_elements of row t. Local memory: none.

__kernel void attention_merge(
    __global const float *partial_sums, const ulong partial_sums_offset, __global const float *partial_weights,
    const ulong partial_weights_offset, __global float *out, const ulong out_offset, const uint out_stride,
    const uint splits, const uint heads, const uint head_size, const uint item_elements)
{
    const uint t = get_global_id(1);
    const uint columns = heads * head_size;
    const uint begin = (uint)get_global_id(0) * item_elements;
    const uint end = begin + item_elements < columns ? begin + item_elements : columns;
    uint current = begin;
    while (current < end) {
        const uint head = current / head_size;
        const uint stop = (head + 1) * head_size < end ? (head + 1) * head_size : end;
        const ulong row = ((ulong)t * heads + head) * splits;
        __global const float *weights = partial_weights + partial_weights_offset + row * 2;
        __global const float *sums = partial_sums + partial_sums_offset + row * head_size;
        float maximum = weights[0];
        for (uint i = 1; i < splits; ++i)
            maximum = fmax(maximum, weights[2 * i]);
        float total = 0.0f;
        for (uint i = 0; i < splits; ++i)
            total += exp(weights[2 * i] - maximum) * weights[2 * i + 1];
        const float factor = 1.0f / total;
        const uint base = head * head_size;
        __global float *target = out + out_offset + (ulong)t * out_stride;
        for (uint i = 0; i < splits; ++i) {
            const float share = exp(weights[2 * i] - maximum) * factor;
            for (uint c = current; c < stop; ++c) {
                const float term = share * sums[i * head_size + c - base];
                target[c] = i == 0 ? term : target[c] + term;
            }
        }
        current = stop;
    }
}
