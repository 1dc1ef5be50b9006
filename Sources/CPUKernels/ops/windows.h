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

/// Moves on to the next place of the grid.
static inline void advance(const cpuk_window *w, place *at) {
    if (++at->x < w->grid_width) return;
    at->x = 0;
    if (++at->y < w->grid_height) return;
    at->y = 0;
    at->image++;
}

/// The taps `begin ..< end` of `count`, `dilation` apart from `origin` on, that lie in `0 ..< size`.
static inline index_range inner_taps(int64_t origin, int64_t count, int64_t dilation, int64_t size) {
    const bool is_dense = dilation == 1;  // As most are, and divisions are slow.
    const int64_t before = origin < 0 ? -origin : 0, rest = origin < size ? size - origin : 0;
    index_range taps = {
        is_dense ? before : divide_up(before, dilation), at_most(count, is_dense ? rest : divide_up(rest, dilation))};
    if (taps.begin > taps.end) taps.begin = taps.end;
    return taps;
}

/// A place of the grid: where its window begins in the image, which may be outside, and the taps that lie inside.
typedef struct {
    int64_t image, top, left;
    index_range lines, columns;
} window_place;

static inline window_place window_over(const cpuk_window *w, const place *at) {
    const int64_t top = at->y * w->stride_y - w->padding_y, left = at->x * w->stride_x - w->padding_x;
    return (window_place){
        at->image, top, left, inner_taps(top, w->kernel_height, w->dilation_y, w->image_height),
        inner_taps(left, w->kernel_width, w->dilation_x, w->image_width)};
}

static inline window_place window_at(const cpuk_window *w, int64_t row) {
    const place at = place_of(row, w->grid_height, w->grid_width);
    return window_over(w, &at);
}

static inline int64_t pixel_of(const cpuk_window *w, int64_t image, int64_t y, int64_t x) {
    return (image * w->image_height + y) * w->image_width + x;
}
