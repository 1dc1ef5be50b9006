// output[p, c] = activation(bias[c] + sum of patches[r, k channels + c] over windows r and taps k that lie on pixel p).
//
//   patches  [images grid_height grid_width, kernel_height kernel_width channels] f32, rows patch_stride apart
//   bias     [channels] f32 or null
//   output   [rows, channels] f32, rows output_stride apart; rows = images image_height image_width
//
// One row of work-items a pixel, each of which takes chunks of sixteen channels. No local memory.
#define FOLD(vec, LOAD, STORE, ACTIVATE, c)                                                                           \
    vec sum = 0.0f;                                                                                                   \
    for (int gy = gy_begin; gy < gy_end; gy++) {                                                                      \
        const int dy = py - gy * stride_y;                                                                            \
        if (dy % dilation_y) continue;                                                                                \
        for (int gx = gx_begin; gx < gx_end; gx++) {                                                                  \
            const int dx = px - gx * stride_x;                                                                        \
            if (dx % dilation_x) continue;                                                                            \
            const ulong window = (image * grid_height + gy) * grid_width + gx;                                        \
            const ulong tap = dy / dilation_y * kernel_width + dx / dilation_x;                                       \
            sum += LOAD(patches + window * patch_stride + tap * channels + c);                                        \
        }                                                                                                             \
    }                                                                                                                 \
    if (bias) sum += LOAD(bias + bias_offset + c);                                                                    \
    STORE(ACTIVATE(sum, activation), output + c);

__kernel void fold_f32(
    __global const float *patches, ulong patches_offset, __global const float *bias, ulong bias_offset,
    __global float *output, ulong output_offset, uint rows, uint channels, uint patch_stride, uint output_stride,
    uint activation, WINDOW_PARAMETERS) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const int px = row % image_width + padding_x, py = row / image_width % image_height + padding_y;
    const ulong image = row / image_width / image_height;
    const int reach_y = (kernel_height - 1) * dilation_y + 1, reach_x = (kernel_width - 1) * dilation_x + 1;
    const int gy_begin = py < reach_y ? 0 : (py - reach_y) / stride_y + 1, gy_end = min(grid_height, py / stride_y + 1);
    const int gx_begin = px < reach_x ? 0 : (px - reach_x) / stride_x + 1, gx_end = min(grid_width, px / stride_x + 1);
    patches += patches_offset;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, FOLD)
}
