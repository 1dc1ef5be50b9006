// Images of another size, channels that become pixels, and channels that are scaled; see ImageOps in Swift.
//
//   x       [images image_height image_width, channels] f32, rows x_stride apart
//   output  [rows, channels] f32, rows output_stride apart; rows = images grid_height grid_width
//
// One row of work-items an output pixel, each of which takes chunks of sixteen channels (pixel_shuffle_f32: one channel
// at a time). No local memory.

// output[r, c] = x[r, c] scales[image(r), c]; output may be x.
//   scales  [images, channels] f32, rows scale_stride apart
#define SCALE(vec, LOAD, STORE, ACTIVATE, c) STORE(LOAD(x + c) * LOAD(scales + c), output + c);
__kernel void scale_channels_f32(
    __global const float *x, ulong x_offset, __global const float *scales, ulong scales_offset,
    __global float *output, ulong output_offset, uint rows, uint channels, uint x_stride, uint scale_stride,
    uint output_stride, uint image_rows) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;
    scales += scales_offset + (ulong)(row / image_rows) * scale_stride;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, SCALE)
}

#define RESIZE_NEAREST 0u
#define RESIZE_BILINEAR 1u

// The place of a new line between old ones, as interpolation 1 or 2 (corners stay corners) has it. The whole part is
// found in integers, so that only the share of the next line is rounded.
static inline int line_before(int position, int size, int new_size, uint interpolation, float *share) {
    long numerator, denominator;
    if (interpolation == RESIZE_BILINEAR) {
        numerator = (2 * (long)position + 1) * size - new_size;
        denominator = 2 * (long)new_size;
    } else {
        numerator = (long)position * (size - 1);
        denominator = max(new_size - 1, 1);
    }
    numerator = max(numerator, 0L);
    const int first = min((int)(numerator / denominator), size - 1);
    *share = (float)(numerator - first * denominator) / (float)denominator;
    return first;
}

#define RESIZE(vec, LOAD, STORE, ACTIVATE, c)                                                                         \
    STORE(                                                                                                            \
        (1.0f - down) * ((1.0f - right) * LOAD(above + c) + right * LOAD(above + step + c))                           \
            + down * ((1.0f - right) * LOAD(below + c) + right * LOAD(below + step + c)),                             \
        output + c);
#define COPY(vec, LOAD, STORE, ACTIVATE, c) STORE(LOAD(above + c), output + c);

__kernel void resize_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint channels,
    uint x_stride, uint output_stride, int image_height, int image_width, int grid_height, int grid_width,
    uint interpolation) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const int gx = row % grid_width, gy = row / grid_width % grid_height;
    x += x_offset + (ulong)(row / grid_width / grid_height) * image_height * image_width * x_stride;
    output += output_offset + (ulong)row * output_stride;
    if (interpolation == RESIZE_NEAREST) {
        const ulong line = (long)gy * image_height / grid_height, column = (long)gx * image_width / grid_width;
        __global const float *above = x + (line * image_width + column) * x_stride;
        FOR_EACH_CHUNK(channels, COPY)
        return;
    }
    float right, down;
    const int line = line_before(gy, image_height, grid_height, interpolation, &down);
    const int column = line_before(gx, image_width, grid_width, interpolation, &right);
    __global const float *above = x + ((ulong)line * image_width + column) * x_stride;
    __global const float *below = above + (line + 1 < image_height ? (ulong)image_width * x_stride : 0);
    const uint step = column + 1 < image_width ? x_stride : 0;
    FOR_EACH_CHUNK(channels, RESIZE)
}

// output[(y f + i, x f + j), c] = x[(y, x), c f^2 + i f + j]; x has channels f^2 columns, f being factor.
__kernel void pixel_shuffle_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint channels,
    uint x_stride, uint output_stride, uint image_height, uint image_width, uint factor) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const uint grid_width = image_width * factor, grid_height = image_height * factor;
    const uint gx = row % grid_width, gy = row / grid_width % grid_height;
    const ulong image = row / grid_width / grid_height;
    x += x_offset + ((image * image_height + gy / factor) * image_width + gx / factor) * x_stride;
    x += gy % factor * factor + gx % factor;
    output += output_offset + (ulong)row * output_stride;
    for (uint c = get_global_id(0); c < channels; c += get_global_size(0)) output[c] = x[(ulong)c * factor * factor];
}
