// Order of elements for top-k: one 64-bit key for value and column, and a heap of keys with the least on top.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

// Larger value, then lower column, makes a larger key; NaN is below minus infinity; both zeros are equal.
static inline int64_t selection_key(float value, int64_t column) {
    float positive_zero = value + 0.0f;
    int32_t bits;
    memcpy(&bits, &positive_zero, sizeof bits);
    int32_t ordered = isnan(value) ? INT32_MIN : bits ^ ((bits >> 31) & 0x7fffffff);
    return (int64_t)((uint64_t)(uint32_t)ordered << 32 | (0xffffffffu - (uint32_t)column));
}

static inline int64_t selection_column(int64_t key) { return (int64_t)(0xffffffffu - (uint32_t)(uint64_t)key); }

// The value of a key; NaN where the key was made of one.
static inline float selection_value(int64_t key) {
    int32_t ordered = (int32_t)(key >> 32);
    if (ordered == INT32_MIN) return NAN;
    int32_t bits = ordered ^ ((ordered >> 31) & 0x7fffffff);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void heap_push(int64_t *heap, int64_t count, int64_t key) {
    int64_t at = count;
    while (at > 0 && heap[(at - 1) / 2] > key) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = key;
}

// Replaces the least key.
static inline void heap_replace(int64_t *heap, int64_t count, int64_t key) {
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= key) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
}
