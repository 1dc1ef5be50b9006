// The largest element of a row, and its largest few.
#pragma once
#include "../simd/vector.h"
#include "top_k_heap.h"

static int64_t argmax(const float *x, int64_t columns) {
    vf best = splat(-INFINITY);
    vi best_at = splat_i(INT32_MAX), at = {0};
    for (int lane = 0; lane < VL; lane++) at[lane] = lane;
    int64_t i = 0;
    for (; i + VL <= columns; i += VL) {
        vf value = load(x + i);
        // Minus infinity counts as found too, where there is nothing better.
        vi better = (value > best) | ((value == best) & (best_at == INT32_MAX));
        best = select_v(better, value, best);
        best_at = (at & better) | (best_at & ~better);
        at += VL;
    }
    float top = -INFINITY;
    int64_t top_at = INT32_MAX;
    for (int lane = 0; lane < VL; lane++) {
        if (best_at[lane] == INT32_MAX) continue;
        if (best[lane] > top || (best[lane] == top && best_at[lane] < top_at)) {
            top = best[lane];
            top_at = best_at[lane];
        }
    }
    for (; i < columns; i++) {
        if (x[i] > top || (x[i] == top && top_at == INT32_MAX)) {
            top = x[i];
            top_at = i;
        }
    }
    return top_at == INT32_MAX ? 0 : top_at;
}

static int64_t top_k_scan(
    const float *x, int64_t columns, int64_t first, int64_t count, int64_t *heap, int64_t heap_count) {
    int64_t i = 0;
    while (i < columns && heap_count < count) {
        heap_push(heap, heap_count++, selection_key(x[i], first + i));
        i++;
    }
    while (i < columns) {
        // Skip whole vectors in which nothing exceeds the least of the best; an equal element has a higher column.
        float threshold = selection_value(heap[0]);
        if (i + VL <= columns && !isnan(threshold)) {
            vi above = load(x + i) > threshold;
            int32_t any = 0;
            for (int lane = 0; lane < VL; lane++) any |= above[lane];
            if (!any) {
                i += VL;
                continue;
            }
        }
        int64_t end = i + VL < columns ? i + VL : columns;
        for (; i < end; i++) {
            int64_t key = selection_key(x[i], first + i);
            if (key > heap[0]) heap_replace(heap, heap_count, key);
        }
    }
    return heap_count;
}
