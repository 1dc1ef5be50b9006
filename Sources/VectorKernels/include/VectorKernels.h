// Products of vectors in FP16 and walks through graphs over them, for searches that compare vectors one by one. What
// the processor has decides at run time: AVX-512, AVX2 with F16C, or plain C, which on AArch64 becomes NEON.
//
// Legend: N vectors of D numbers in FP16 lie one behind the other, `[N, D]`. Products are summed in FP32.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const uint16_t *rows;
    int64_t count;
    int64_t size;
} vector_table;

// The product of a row and D numbers in FP32.
float vector_product(const vector_table *table, int64_t row, const float *query);

// The product of two rows.
float vector_product_between(const vector_table *table, int64_t row, int64_t other);

// A row in FP32.
void vector_floats(const vector_table *table, int64_t row, float *output);

// One layer of a graph. A node with links has a slot of `stride` numbers: how many links, then the nodes they lead to.
// Where `slots` is null, node i has slot i; otherwise slot `slots[i]`, and UINT32_MAX for none.
typedef struct {
    uint32_t *links;
    const uint32_t *slots;
    int64_t stride;
} vector_layer;

// Memory of one walk at a time: which nodes it has met, and what it has found.
typedef struct vector_walker vector_walker;

// Null where memory is missing.
vector_walker *vector_walker_create(int64_t node_count);
void vector_walker_destroy(vector_walker *walker);

// The `width` nodes with the largest products with `query` that a walk from `start` meets; all links must lead to
// nodes of the table.
// allowed: bit i tells whether node i may be found; the walk goes through the others all the same. Null: all may.
// found, scores: room for `width`; nearest first, of equal ones the lower node.
// Returns how many were found.
int64_t vector_walk(
    vector_walker *walker, const vector_table *table, const vector_layer *layer, const float *query, uint32_t start,
    int64_t width, const uint64_t *allowed, uint32_t *found, float *scores);

// Chooses at most `limit` of some nodes, nearest first, to link a node with: those that are nearer to it than to any
// chosen before, so that links go in different directions; then the nearest of the others, as far as there is room.
// Returns how many were chosen.
int64_t vector_select(
    const vector_table *table, const uint32_t *candidates, const float *scores, int64_t count, int64_t limit,
    uint32_t *chosen);

// Adds a link from `node` to `other`; where `node` has `limit` already, the best of all are chosen anew. At most 256.
void vector_link(const vector_table *table, const vector_layer *layer, uint32_t node, uint32_t other, int64_t limit);
