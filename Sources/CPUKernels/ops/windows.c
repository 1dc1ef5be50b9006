// The pixels that lie below windows.
#include "convolve.h"

enum { MR = CONVOLUTION_MR };

int64_t window_block(const cpuk_window *w) {
    return at_least(1, at_most(WINDOW_BLOCK, WINDOW_TABLE / tap_count(w)) / MR) * MR;
}

int64_t window_table_bytes(const cpuk_window *w) {
    return line_bytes(window_block(w) * tap_count(w) * (int64_t)sizeof(float *));
}

/// Moves on to the next place of the grid.
static void advance(const cpuk_window *w, place *at) {
    if (++at->x < w->grid_width) return;
    at->x = 0;
    if (++at->y < w->grid_height) return;
    at->y = 0;
    at->image++;
}

/// Pointers to the pixels of one window, MR apart; of whole lines, only to the first pixel of each.
static void find_pixels(
    const cpuk_window *w, const pixel_source *source, const window_place *at, bool has_lines, const float **pixels) {
    const int64_t columns = has_lines ? 1 : w->kernel_width;
    const int64_t step = w->dilation_x * source->stride, line = w->dilation_y * w->image_width * source->stride;
    int64_t offset = pixel_of(w, at->image, at->top, at->left) * source->stride;
    for (int64_t i = 0; i < w->kernel_height; i++, offset += line) {
        const bool is_inside = i >= at->lines.begin && i < at->lines.end;
        for (int64_t j = 0; j < columns; j++, pixels += MR) {
            const bool is_pixel = is_inside && j >= at->columns.begin && j < at->columns.end;
            *pixels = (const float *)(const void *)(is_pixel ? source->data + offset + j * step : source->padding);
        }
    }
}

/// `at` is the place of the first window, and then that behind the last one.
static window_group find_group(
    const cpuk_window *w, const pixel_source *source, index_range windows, place *at, const float **pixels) {
    window_group group = {.first = windows.begin, .count = windows.end - windows.begin};
    window_place places[MR];
    bool has_lines = source->has_lines;
    for (int64_t t = 0; t < group.count; t++, advance(w, at)) {
        places[t] = window_over(w, at);
        if (places[t].columns.end - places[t].columns.begin < w->kernel_width) has_lines = false;
    }
    const int64_t columns = has_lines ? 1 : w->kernel_width;
    group.taps = w->kernel_height * columns;
    group.depth = w->channels * w->kernel_width / columns;
    for (int64_t t = 0; t < group.count; t++) find_pixels(w, source, &places[t], has_lines, pixels + t);
    // The group before prefetches as many pixels as it has windows.
    for (int64_t t = group.count; t < MR; t++) pixels[t] = (const float *)(const void *)source->padding;
    return group;
}

int64_t find_windows(
    const cpuk_window *w, const pixel_source *source, index_range windows, window_group *groups,
    const float **pixels) {
    const int64_t rows = windows.end - windows.begin, count = divide_up(rows, MR);
    place at = place_of(windows.begin, w->grid_height, w->grid_width);
    for (int64_t g = 0; g < count; g++) {
        const index_range range = task_range(g, count, rows);
        groups[g] = find_group(
            w, source, (index_range){windows.begin + range.begin, windows.begin + range.end}, &at,
            pixels + g * tap_count(w) * MR);
    }
    return count;
}
