// The pixels that lie below windows.
#include "convolve.h"

enum { MR = CONVOLUTION_MR };

int64_t window_block(const cpuk_window *w) {
    return at_least(1, at_most(WINDOW_BLOCK, WINDOW_TABLE / tap_count(w)) / MR) * MR;
}

int64_t window_table_bytes(const cpuk_window *w) {
    return line_bytes(window_block(w) * tap_count(w) * (int64_t)sizeof(float *));
}

static const float *pixel_under(
    const cpuk_window *w, const pixel_source *source, const window_place *at, int64_t i, int64_t j) {
    const bool is_inside =
        i >= at->lines.begin && i < at->lines.end && j >= at->columns.begin && j < at->columns.end;
    const int64_t pixel = pixel_of(w, at->image, at->top + i * w->dilation_y, at->left + j * w->dilation_x);
    return (const float *)(const void *)(is_inside ? source->data + pixel * source->stride : source->padding);
}

static window_group find_group(
    const cpuk_window *w, const pixel_source *source, index_range windows, const float **pixels) {
    window_group group = {.first = windows.begin, .count = windows.end - windows.begin};
    window_place places[MR];
    bool has_lines = source->has_lines;
    for (int64_t t = 0; t < group.count; t++) {
        places[t] = window_at(w, group.first + t);
        if (places[t].columns.end - places[t].columns.begin < w->kernel_width) has_lines = false;
    }
    const int64_t columns = has_lines ? 1 : w->kernel_width;
    group.taps = w->kernel_height * columns;
    group.depth = w->channels * w->kernel_width / columns;
    for (int64_t t = 0; t < group.count; t++)
        for (int64_t i = 0; i < w->kernel_height; i++)
            for (int64_t j = 0; j < columns; j++)
                pixels[(i * columns + j) * MR + t] = pixel_under(w, source, &places[t], i, j);
    return group;
}

int64_t find_windows(
    const cpuk_window *w, const pixel_source *source, index_range windows, window_group *groups,
    const float **pixels) {
    const int64_t rows = windows.end - windows.begin, count = divide_up(rows, MR);
    for (int64_t g = 0; g < count; g++) {
        const index_range range = task_range(g, count, rows);
        groups[g] = find_group(
            w, source, (index_range){windows.begin + range.begin, windows.begin + range.end},
            pixels + g * tap_count(w) * MR);
    }
    return count;
}
