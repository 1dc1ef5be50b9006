#include "scratch.h"
#include "partition.h"

#include <stdlib.h>

enum { ALIGNMENT = 4096 };

int64_t scratch_product(int64_t a, int64_t b) {
    int64_t product;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product > SCRATCH_TOO_MUCH) return SCRATCH_TOO_MUCH;
    return product;
}

scratch_sizes scratch_union(scratch_sizes a, scratch_sizes b) {
    return (scratch_sizes){
        .partials = at_least(a.partials, b.partials), .starts = at_least(a.starts, b.starts),
        .packed_a = at_least(a.packed_a, b.packed_a), .per_thread = at_least(a.per_thread, b.per_thread)};
}

static void *allocate(int64_t bytes) {
    if (bytes < 0 || bytes >= SCRATCH_TOO_MUCH) return NULL;
    return aligned_alloc(ALIGNMENT, (size_t)(divide_up(at_least(bytes, 1), ALIGNMENT) * ALIGNMENT));
}

bool scratch_reserve(scratch_memory *memory, scratch_sizes sizes, int threads) {
    if (sizes.per_thread < SCRATCH_TOO_MUCH) sizes.per_thread = divide_up(sizes.per_thread, ALIGNMENT) * ALIGNMENT;
    scratch_memory next = {.sizes = sizes};
    next.partials = allocate(sizes.partials);
    next.starts = allocate(sizes.starts);
    next.packed_a = allocate(sizes.packed_a);
    next.threads = allocate(scratch_product(sizes.per_thread, threads));
    if (!next.partials || !next.starts || !next.packed_a || !next.threads) {
        scratch_free(&next);
        return false;
    }
    scratch_free(memory);
    *memory = next;
    return true;
}

void scratch_free(scratch_memory *memory) {
    free(memory->partials);
    free(memory->starts);
    free(memory->packed_a);
    free(memory->threads);
    *memory = (scratch_memory){0};
}
