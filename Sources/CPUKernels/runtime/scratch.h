// Memory that the ops of a context use while they run. It is reserved once.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// The bytes that an op or a kernel needs.
typedef struct {
    /// The partial results of decode attention.
    int64_t partials;
    /// First task and first partial result of each sequence.
    int64_t starts;
    /// The packed activations of a matrix product.
    int64_t packed_a;
    /// For each thread: a tile of attention, a packed panel, or products that wait for their epilogue.
    int64_t per_thread;
} scratch_sizes;

typedef struct {
    scratch_sizes sizes;
    float *partials;
    int64_t *starts;
    char *packed_a;
    char *threads;
} scratch_memory;

/// Larger than any memory, so that reserving it fails.
#define SCRATCH_TOO_MUCH (INT64_MAX / 64)

/// a * b, or SCRATCH_TOO_MUCH where the product is not smaller than that or a factor is negative.
int64_t scratch_product(int64_t a, int64_t b);
/// The larger of each pair of sizes, so that the memory suffices for either.
scratch_sizes scratch_union(scratch_sizes a, scratch_sizes b);
/// Allocates memory of those sizes for `threads` threads, uninitialised. Returns false where it cannot be had; `memory`
/// is then unchanged.
bool scratch_reserve(scratch_memory *memory, scratch_sizes sizes, int threads);
void scratch_free(scratch_memory *memory);

static inline void *thread_scratch(const scratch_memory *memory, int worker) {
    return memory->threads + worker * memory->sizes.per_thread;
}
