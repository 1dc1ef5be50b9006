// patches[r, k channels + c] = x[pixel(first + r, k), c], zero in the padding.
//
//   x        [images image_height image_width, channels] f32, rows x_stride apart
//   patches  [rows, kernel_height kernel_width channels] f32, rows patch_stride apart
//
// One row of work-items a patch, each of which takes chunks of sixteen channels of a tap. No local memory.
__kernel void unfold_f32(
    __global const float *x, ulong x_offset, __global float *patches, ulong patches_offset, uint first, uint rows,
    uint channels, uint x_stride, uint patch_stride, WINDOW_PARAMETERS) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const uint position = first + row;
    const int grid_x = position % grid_width, grid_y = position / grid_width % grid_height;
    const ulong image = position / grid_width / grid_height;
    const uint chunks = (channels + 15) / 16, taps = kernel_height * kernel_width;
    x += x_offset;
    patches += patches_offset + (ulong)row * patch_stride;
    for (uint t = get_global_id(0); t < taps * chunks; t += get_global_size(0)) {
        const uint tap = t / chunks, c = t % chunks * 16, end = min(c + 16, channels);
        const int iy = grid_y * stride_y - padding_y + (int)(tap / kernel_width) * dilation_y;
        const int ix = grid_x * stride_x - padding_x + (int)(tap % kernel_width) * dilation_x;
        __global float *target = patches + (ulong)tap * channels;
        if (iy < 0 || iy >= image_height || ix < 0 || ix >= image_width) {
            for (uint e = c; e < end; e++) target[e] = 0.0f;
            continue;
        }
        __global const float *source = x + ((image * image_height + iy) * image_width + ix) * x_stride;
        if (c + 16 <= channels) vstore16(vload16(0, source + c), 0, target + c);
        else for (uint e = c; e < end; e++) target[e] = source[e];
    }
}
