// output[r, c] = e^(scale x[r, c] - m) / sum_c e^(scale x[r, c] - m), m = max_c scale x[r, c].
// Maximum and sum are found in one pass that rescales the sum when the maximum grows; a second pass writes.
// Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
//
//   x       [rows, columns] f32, rows x_stride apart
//   output  [rows, columns] f32; may be x
//
// A row whose elements are all -infinity has no softmax and gives NaN.

// Elements whose maximum is found together before the sum is rescaled; they stay in the first-level cache.
#define SOFTMAX_BLOCK 256

#if ROW_IS_WORK_ITEM
// CPU devices. One work-item a row, groups of any size, no local memory.
CHAINED_KERNEL
void softmax_row_f32(
    ITEM_PARAMETER __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows,
    uint columns, uint x_stride, uint output_stride, float scale) {
    const uint row = ITEM(0);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;

    float maximum = -INFINITY;
    float total = 0.0f;
    for (uint start = 0; start < columns; start += SOFTMAX_BLOCK) {
        const uint end = min(columns, start + SOFTMAX_BLOCK);
        float16 block16 = (float16)(-INFINITY);
        uint c = start;
        for (; c + 16 <= end; c += 16) block16 = fmax(block16, scale * vload16(0, x + c));
        float block = max16(block16);
        for (; c < end; c++) block = fmax(block, scale * x[c]);
        if (block > maximum) {
            total *= exp(maximum - block);
            maximum = block;
        }
        if (maximum == -INFINITY) continue;
        // Summing block by block keeps the rounding errors of long rows small.
        float16 total16 = (float16)(0.0f);
        for (c = start; c + 16 <= end; c += 16) total16 += exp(scale * vload16(0, x + c) - maximum);
        float block_total = sum16(total16);
        for (; c < end; c++) block_total += exp(scale * x[c] - maximum);
        total += block_total;
    }
    const float inverse = 1.0f / total;
    uint c = 0;
    for (; c + 16 <= columns; c += 16) {
        vstore16(exp(scale * vload16(0, x + c) - maximum) * inverse, 0, output + c);
    }
    for (; c < columns; c++) output[c] = exp(scale * x[c] - maximum) * inverse;
}

#else
// GPUs. One work-group a row, a power of two of work-items, 4 bytes of local memory each.
__kernel void softmax_group_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, float scale, __local float *scratch) {
    const uint row = get_group_id(0);
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;

    float maximum = -INFINITY;
    float total = 0.0f;
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        const float value = scale * x[c];
        if (value > maximum) {
            total = total * exp(maximum - value) + 1.0f;
            maximum = value;
        } else if (maximum != -INFINITY || isnan(value)) {
            total += exp(value - maximum);
        }
    }
    const float row_maximum = group_max(maximum, scratch);
    // An item that saw only -infinity has a sum of zero, and must not form -infinity - -infinity.
    const float part = total == 0.0f ? 0.0f : total * exp(maximum - row_maximum);
    const float inverse = 1.0f / group_sum(part, scratch);
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) {
        output[c] = exp(scale * x[c] - row_maximum) * inverse;
    }
}
#endif
