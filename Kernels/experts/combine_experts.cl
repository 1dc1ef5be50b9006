// output[t, :] = residual[t, :] + sum_j weights[t, j] * x[t * experts + j, :].
//
//   x         [tokens * experts, columns] f32, rows x_stride apart
//   weights   [tokens, experts] f32
//   residual  [tokens, columns] f32 or null, rows residual_stride apart; may be output
//   output    [tokens, columns] f32, rows output_stride apart
//
// Work-item (i, t) takes columns 16 i ..< 16 i + 16 of token t, then as many further on as there are work-items for it:
// one on CPU devices. No local memory.
CHAINED_KERNEL
void combine_experts_f32(
    ITEM_PARAMETER __global const float *x, ulong x_offset, __global const float *weights, ulong weights_offset,
    __global const float *residual, ulong residual_offset, __global float *output, ulong output_offset, uint tokens,
    uint experts, uint columns, uint x_stride, uint residual_stride, uint output_stride) {
    const uint token = ITEM(1), items = ROW_IS_WORK_ITEM ? 1 : get_global_size(0);
    if (token >= tokens) return;
    x += x_offset + (ulong)token * experts * x_stride;
    weights += weights_offset + (ulong)token * experts;
    output += output_offset + (ulong)token * output_stride;
    if (residual) residual += residual_offset + (ulong)token * residual_stride;
    for (uint c = 16 * (uint)ITEM(0); c < columns; c += 16 * items) {
        if (c + 16 <= columns) {
            float16 sum = residual ? vload16(0, residual + c) : (float16)(0.0f);
            for (uint j = 0; j < experts; j++)
                sum = fma(vload16(0, x + (ulong)j * x_stride + c), (float16)(weights[j]), sum);
            vstore16(sum, 0, output + c);
            continue;
        }
        for (uint i = c; i < columns; i++) {
            float sum = residual ? residual[i] : 0.0f;
            for (uint j = 0; j < experts; j++) sum = fma(x[(ulong)j * x_stride + i], weights[j], sum);
            output[i] = sum;
        }
    }
}
