// What the walks of all targets share: heaps of nodes by their scores, and the marks of nodes that were met.
#pragma once

#include "include/VectorKernels.h"

#include <stdlib.h>

typedef struct {
    float score;
    uint32_t node;
} scored_node;

typedef struct {
    scored_node *nodes;
    int64_t count;
    int64_t capacity;
} node_heap;

struct vector_walker {
    int64_t node_count;
    // A node was met in this walk where its mark is the walk's number.
    uint16_t *marks;
    uint16_t number;
    node_heap open;
    node_heap found;
    // Neighbours of one node that were not met before.
    uint32_t *fresh;
    int64_t fresh_capacity;
};

static inline bool is_nearer(scored_node a, scored_node b) {
    return a.score != b.score ? a.score > b.score : a.node < b.node;
}

// The root of a heap of the open nodes is the nearest, that of the found ones the farthest.
static inline bool precedes(scored_node a, scored_node b, bool nearest_first) {
    return nearest_first ? is_nearer(a, b) : is_nearer(b, a);
}

static inline bool heap_push(node_heap *heap, scored_node node, bool nearest_first) {
    if (heap->count == heap->capacity) {
        int64_t capacity = heap->capacity ? 2 * heap->capacity : 256;
        scored_node *grown = realloc(heap->nodes, (size_t)capacity * sizeof *grown);
        if (!grown) return false;
        heap->nodes = grown;
        heap->capacity = capacity;
    }
    int64_t index = heap->count++;
    while (index > 0 && precedes(node, heap->nodes[(index - 1) / 2], nearest_first)) {
        heap->nodes[index] = heap->nodes[(index - 1) / 2];
        index = (index - 1) / 2;
    }
    heap->nodes[index] = node;
    return true;
}

static inline scored_node heap_pop(node_heap *heap, bool nearest_first) {
    scored_node result = heap->nodes[0];
    scored_node last = heap->nodes[--heap->count];
    int64_t index = 0;
    for (;;) {
        int64_t child = 2 * index + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && precedes(heap->nodes[child + 1], heap->nodes[child], nearest_first)) child++;
        if (!precedes(heap->nodes[child], last, nearest_first)) break;
        heap->nodes[index] = heap->nodes[child];
        index = child;
    }
    if (heap->count > 0) heap->nodes[index] = last;
    return result;
}

static inline const uint32_t *links_of(const vector_layer *layer, uint32_t node) {
    uint32_t slot = layer->slots ? layer->slots[node] : node;
    return slot == UINT32_MAX ? 0 : layer->links + slot * layer->stride;
}

static inline bool may_be_found(const uint64_t *allowed, uint32_t node) {
    return !allowed || (allowed[node / 64] >> (node % 64) & 1);
}
