// Where windows lie in images.
#pragma once
#include "../include/CPUImages.h"
#include "../runtime/partition.h"

/// A place in the grid or in an image.
typedef struct {
    int64_t image, y, x;
} place;

static inline place place_of(int64_t row, int64_t height, int64_t width) {
    return (place){row / (height * width), row / width % height, row % width};
}

/// The taps `begin ..< end` of `count`, `dilation` apart from `origin` on, that lie in `0 ..< size`.
static inline index_range inner_taps(int64_t origin, int64_t count, int64_t dilation, int64_t size) {
    index_range taps = {origin < 0 ? divide_up(-origin, dilation) : 0, 0};
    taps.end = origin >= size ? 0 : at_most(count, divide_up(size - origin, dilation));
    if (taps.begin > taps.end) taps.begin = taps.end;
    return taps;
}

/// A place of the grid: where its window begins in the image, which may be outside, and the taps that lie inside.
typedef struct {
    int64_t image, top, left;
    index_range lines, columns;
} window_place;

static inline window_place window_at(const cpuk_window *w, int64_t row) {
    const place at = place_of(row, w->grid_height, w->grid_width);
    const int64_t top = at.y * w->stride_y - w->padding_y, left = at.x * w->stride_x - w->padding_x;
    return (window_place){
        at.image, top, left, inner_taps(top, w->kernel_height, w->dilation_y, w->image_height),
        inner_taps(left, w->kernel_width, w->dilation_x, w->image_width)};
}

static inline int64_t pixel_of(const cpuk_window *w, int64_t image, int64_t y, int64_t x) {
    return (image * w->image_height + y) * w->image_width + x;
}
