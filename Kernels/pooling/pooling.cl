// Pooling over images of pixels as rows of channels; see PoolingOps in Swift.
//
//   x       [images image_height image_width, channels] f32, rows x_stride apart
//   output  [rows, channels] f32, rows output_stride apart; rows = images grid_height grid_width
//
// One row of work-items an output pixel, each of which takes chunks of sixteen channels. No local memory.
#define MAX_POOL(vec, LOAD, STORE, ACTIVATE, c)                                                                       \
    vec largest = -INFINITY;                                                                                          \
    for (int i = 0; i < kernel_height; i++) {                                                                         \
        const int iy = top + i * dilation_y;                                                                          \
        if (iy < 0 || iy >= image_height) continue;                                                                   \
        for (int j = 0; j < kernel_width; j++) {                                                                      \
            const int ix = left + j * dilation_x;                                                                     \
            if (ix < 0 || ix >= image_width) continue;                                                                \
            const ulong pixel = (image * image_height + iy) * image_width + ix;                                       \
            largest = fmax(largest, LOAD(x + pixel * x_stride + c));                                                  \
        }                                                                                                             \
    }                                                                                                                 \
    STORE(largest, output + c);

__kernel void max_pool_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint channels,
    uint x_stride, uint output_stride, WINDOW_PARAMETERS) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const int left = (int)(row % grid_width) * stride_x - padding_x;
    const int top = (int)(row / grid_width % grid_height) * stride_y - padding_y;
    const ulong image = row / grid_width / grid_height;
    x += x_offset;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, MAX_POOL)
}

#define AVERAGE(vec, LOAD, STORE, ACTIVATE, c)                                                                        \
    vec sum = 0.0f;                                                                                                   \
    for (int iy = y_begin; iy < y_end; iy++)                                                                          \
        for (int ix = x_begin; ix < x_end; ix++)                                                                      \
            sum += LOAD(x + ((image * image_height + iy) * image_width + ix) * x_stride + c);                         \
    STORE(sum * scale, output + c);

// The mean over the pixels of a window: of those in the image, or with counts_padding also of those in the padding.
__kernel void average_pool_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint channels,
    uint x_stride, uint output_stride, uint counts_padding, WINDOW_PARAMETERS) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const int left = (int)(row % grid_width) * stride_x - padding_x;
    const int top = (int)(row / grid_width % grid_height) * stride_y - padding_y;
    const int right = min(left + kernel_width, image_width + padding_x);
    const int bottom = min(top + kernel_height, image_height + padding_y);
    const int x_begin = max(left, 0), x_end = min(right, image_width);
    const int y_begin = max(top, 0), y_end = min(bottom, image_height);
    const ulong image = row / grid_width / grid_height;
    const float inside = (float)(x_end - x_begin) * (float)(y_end - y_begin);
    const float all = (float)(right - left) * (float)(bottom - top);
    const float scale = 1.0f / (counts_padding ? all : inside);
    x += x_offset;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, AVERAGE)
}

// The mean over each of grid_height x grid_width even parts of the image.
__kernel void adaptive_pool_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint channels,
    uint x_stride, uint output_stride, uint image_height, uint image_width, uint grid_height, uint grid_width) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const ulong grid_x = row % grid_width, grid_y = row / grid_width % grid_height;
    const ulong image = row / grid_width / grid_height;
    const int x_begin = grid_x * image_width / grid_width, y_begin = grid_y * image_height / grid_height;
    const int x_end = ((grid_x + 1) * image_width + grid_width - 1) / grid_width;
    const int y_end = ((grid_y + 1) * image_height + grid_height - 1) / grid_height;
    const float scale = 1.0f / ((float)(x_end - x_begin) * (float)(y_end - y_begin));
    x += x_offset;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, AVERAGE)
}

// output[r, c] = x[r, c] / (k + alpha / size sum x[r, c']^2)^beta over the size channels c' from c - size / 2 on.
// One work-item an element at least.
__kernel void local_response_norm_f32(
    __global const float *x, ulong x_offset, __global float *output, ulong output_offset, uint rows, uint columns,
    uint x_stride, uint output_stride, int size, float alpha, float beta, float k) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;
    output += output_offset + (ulong)row * output_stride;
    for (uint c = get_global_id(0); c < columns; c += get_global_size(0)) {
        const int begin = max((int)c - size / 2, 0), end = min((int)c - size / 2 + size, (int)columns);
        float sum = 0.0f;
        for (int i = begin; i < end; i++) sum += x[i] * x[i];
        output[c] = x[c] / pow(k + alpha * (sum / (float)size), beta);
    }
}

// What a global response norm multiplies each channel of an image by:
// output[r, c] = 1 + weight[c] g[r, c] / (mean of g[r] + epsilon), g = sqrt(pixels squares). Woo et al., 2023.
//
//   squares  [rows, columns] f32, rows squares_stride apart: mean squares; a row an image
//   weight   [columns] f32
//   output   [rows, columns] f32, rows output_stride apart; may be squares
#if ROW_IS_WORK_ITEM
// CPU devices. One work-item a row, groups of any size, no local memory.
__kernel void response_gains_row_f32(
    __global const float *squares, ulong squares_offset, __global const float *weight, ulong weight_offset,
    __global float *output, ulong output_offset, uint rows, uint columns, uint squares_stride, uint output_stride,
    float pixels, float epsilon) {
    const uint row = get_global_id(0);
    if (row >= rows) return;
    squares += squares_offset + (ulong)row * squares_stride;
    output += output_offset + (ulong)row * output_stride;
    weight += weight_offset;

    float16 total16 = (float16)(0.0f);
    uint c = 0;
    for (; c + 16 <= columns; c += 16) total16 += sqrt(pixels * vload16(0, squares + c));
    float total = sum16(total16);
    for (; c < columns; c++) total += sqrt(pixels * squares[c]);
    const float scale = 1.0f / (total / (float)columns + epsilon);
    for (c = 0; c < columns; c++) output[c] = 1.0f + weight[c] * (sqrt(pixels * squares[c]) * scale);
}

#else
// GPUs. One work-group a row, a power of two of work-items, 4 bytes of local memory each.
__kernel void response_gains_group_f32(
    __global const float *squares, ulong squares_offset, __global const float *weight, ulong weight_offset,
    __global float *output, ulong output_offset, uint rows, uint columns, uint squares_stride, uint output_stride,
    float pixels, float epsilon, __local float *scratch) {
    const uint row = get_group_id(0);
    squares += squares_offset + (ulong)row * squares_stride;
    output += output_offset + (ulong)row * output_stride;
    weight += weight_offset;

    float total = 0.0f;
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0)) total += sqrt(pixels * squares[c]);
    const float scale = 1.0f / (group_sum(total, scratch) / (float)columns + epsilon);
    for (uint c = get_local_id(0); c < columns; c += get_local_size(0))
        output[c] = 1.0f + weight[c] * (sqrt(pixels * squares[c]) * scale);
}
#endif
