// The pixels that lie below windows.
#include "convolve.h"

enum { MR = CONVOLUTION_MR };

int64_t window_block(const cpuk_window *w) {
    return at_least(1, at_most(WINDOW_BLOCK, WINDOW_TABLE / tap_count(w)) / MR) * MR;
}

int64_t window_table_bytes(const cpuk_window *w) {
    return line_bytes(window_block(w) * tap_count(w) * (int64_t)sizeof(float *));
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

/// The pixels of windows that lie inside of their images, whose first ones are `origins`.
static void find_inner_pixels(
    const cpuk_window *w, const pixel_source *source, int64_t columns, const char *const origins[MR],
    const float **pixels) {
    const int64_t step = w->dilation_x * source->stride, line = w->dilation_y * w->image_width * source->stride;
    for (int64_t i = 0; i < w->kernel_height; i++)
        for (int64_t j = 0; j < columns; j++, pixels += MR)
            for (int64_t t = 0; t < MR; t++)
                pixels[t] = (const float *)(const void *)(origins[t] + i * line + j * step);
}

/// `at` is the place of the first window, and then that behind the last one.
static window_group find_group(
    const cpuk_window *w, const pixel_source *source, index_range windows, place *at, const float **pixels) {
    window_group group = {.first = windows.begin, .count = windows.end - windows.begin};
    window_place places[MR];
    const char *origins[MR];
    bool has_lines = source->has_lines, are_inside = true;
    for (int64_t t = 0; t < group.count; t++, advance(w, at)) {
        places[t] = window_over(w, at);
        if (places[t].columns.end - places[t].columns.begin < w->kernel_width) has_lines = are_inside = false;
        if (places[t].lines.end - places[t].lines.begin < w->kernel_height) are_inside = false;
    }
    const int64_t columns = has_lines ? 1 : w->kernel_width;
    group.taps = w->kernel_height * columns;
    group.depth = w->channels * w->kernel_width / columns;
    if (are_inside) {
        for (int64_t t = 0; t < MR; t++) {
            // Beyond the last window, where the group before prefetches, it is named again.
            const window_place *of = &places[at_most(t, group.count - 1)];
            origins[t] = source->data + pixel_of(w, of->image, of->top, of->left) * source->stride;
        }
        find_inner_pixels(w, source, columns, origins, pixels);
        return group;
    }
    for (int64_t t = 0; t < group.count; t++) find_pixels(w, source, &places[t], has_lines, pixels + t);
    // The group before prefetches as many pixels as it has windows.
    for (int64_t t = group.count; t < MR; t++) pixels[t] = (const float *)(const void *)source->padding;
    return group;
}

/// Whether each window is the pixel of its place.
static bool are_pixels(const cpuk_window *w) {
    return w->kernel_height == 1 && w->kernel_width == 1 && w->stride_y == 1 && w->stride_x == 1 && w->padding_y == 0
        && w->padding_x == 0 && w->grid_height == w->image_height && w->grid_width == w->image_width;
}

static window_group group_of_pixels(
    const cpuk_window *w, const pixel_source *source, index_range windows, const float **pixels) {
    for (int64_t t = 0; t < MR; t++) {
        const int64_t pixel = at_most(windows.begin + t, windows.end - 1);
        pixels[t] = (const float *)(const void *)(source->data + pixel * source->stride);
    }
    return (window_group){
        .first = windows.begin, .count = windows.end - windows.begin, .taps = 1, .depth = w->channels};
}

int64_t find_windows(
    const cpuk_window *w, const pixel_source *source, index_range windows, window_group *groups,
    const float **pixels) {
    const int64_t rows = windows.end - windows.begin, count = divide_up(rows, MR);
    place at = place_of(windows.begin, w->grid_height, w->grid_width);
    for (int64_t g = 0; g < count; g++) {
        const index_range range = task_range(g, count, rows);
        const index_range part = {windows.begin + range.begin, windows.begin + range.end};
        groups[g] = are_pixels(w) ? group_of_pixels(w, source, part, pixels + g * MR)
                                  : find_group(w, source, part, &at, pixels + g * tap_count(w) * MR);
    }
    return count;
}
