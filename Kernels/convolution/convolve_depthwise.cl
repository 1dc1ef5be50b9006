// output[r, c] = activation(bias[c] + sum_k x[pixel(r, k), c] weight[k, c]).
//
//   x       [images image_height image_width, channels] f32, rows x_stride apart
//   weight  [kernel_height kernel_width, channels] f32
//   bias    [channels] f32 or null
//   output  [rows, channels] f32, rows output_stride apart; rows = images grid_height grid_width
//
// One row of work-items an output pixel, each of which takes chunks of sixteen channels. No local memory.
#define DEPTHWISE(vec, LOAD, STORE, ACTIVATE, c)                                                                      \
    vec sum = 0.0f;                                                                                                   \
    for (int i = 0; i < kernel_height; i++) {                                                                         \
        const int iy = top + i * dilation_y;                                                                          \
        if (iy < 0 || iy >= image_height) continue;                                                                   \
        for (int j = 0; j < kernel_width; j++) {                                                                      \
            const int ix = left + j * dilation_x;                                                                     \
            if (ix < 0 || ix >= image_width) continue;                                                                \
            const ulong pixel = (image * image_height + iy) * image_width + ix;                                       \
            sum = fma(                                                                                                \
                LOAD(x + pixel * x_stride + c),                                                                       \
                LOAD(weight + weight_offset + (ulong)(i * kernel_width + j) * channels + c), sum);                    \
        }                                                                                                             \
    }                                                                                                                 \
    if (bias) sum += LOAD(bias + bias_offset + c);                                                                    \
    STORE(ACTIVATE(sum, activation), output + c);

__kernel void convolve_depthwise_f32(
    __global const float *x, ulong x_offset, __global const float *weight, ulong weight_offset,
    __global const float *bias, ulong bias_offset, __global float *output, ulong output_offset, uint rows,
    uint channels, uint x_stride, uint output_stride, uint activation, WINDOW_PARAMETERS) {
    const uint row = get_global_id(1);
    if (row >= rows) return;
    const int left = (int)(row % grid_width) * stride_x - padding_x;
    const int top = (int)(row / grid_width % grid_height) * stride_y - padding_y;
    const ulong image = row / grid_width / grid_height;
    x += x_offset;
    output += output_offset + (ulong)row * output_stride;
    FOR_EACH_CHUNK(channels, DEPTHWISE)
}
