// Windows that slide over images, and loads of some channels of a pixel. See ImageWindow in Swift: tap (i, j) of the
// window at grid position (y, x) lies on pixel
// (y stride_y - padding_y + i dilation_y, x stride_x - padding_x + j dilation_x).
#define WINDOW_PARAMETERS                                                                                             \
    int image_height, int image_width, int grid_height, int grid_width, int kernel_height, int kernel_width,          \
        int stride_y, int stride_x, int padding_y, int padding_x, int dilation_y, int dilation_x

// Channels c ..< c + 16 of a pixel, or channel c alone where not so many are left. BODY is given its vector type and
// how to load, store and activate one; an item takes every chunk that is its own.
#define LOAD_16(p) vload16(0, p)
#define LOAD_1(p) (*(p))
#define STORE_16(value, p) vstore16(value, 0, p)
#define STORE_1(value, p) (*(p) = (value))
#define FOR_EACH_CHUNK(columns, BODY)                                                                                 \
    for (uint c = 16 * get_global_id(0); c < columns; c += 16 * get_global_size(0)) {                                 \
        if (c + 16 <= columns) {                                                                                      \
            BODY(float16, LOAD_16, STORE_16, activate16, c)                                                           \
        } else {                                                                                                      \
            for (uint e = c; e < columns; e++) { BODY(float, LOAD_1, STORE_1, activate, e) }                          \
        }                                                                                                             \
    }
