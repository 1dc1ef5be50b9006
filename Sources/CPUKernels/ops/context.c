#include "context.h"

#include "../targets/registry.h"

#include <stdlib.h>

static void add_set(cpuk_context *context, const kernel_set *set) {
    for (int i = 0; i < set->matmul_count; i++) context->matmuls[context->matmul_count++] = &set->matmuls[i];
    if (set->rows) context->rows = set->rows;
    if (set->attention) context->attention = set->attention;
    if (set->convolution) context->convolution = set->convolution;
    if (set->convolution_int8) context->convolution_int8 = set->convolution_int8;
    if (set->paged_prefill) context->rounding_prefill = set->paged_prefill;
}

// The kernels for floats come last, since they take every product.
static bool add_sets(cpuk_context *context, const int *sets, int count) {
    bool has_kind[CPUK_MAX_SETS] = {false};
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < count; i++) {
            const kernel_set *set = kernels_of_set(sets[i]);
            if (!set) return false;
            const cpuk_set_kind kind = cpuk_kernel_set_at(sets[i]).kind;
            if ((kind == CPUK_SET_OF_FLOATS) != (pass == 1)) continue;
            if (has_kind[kind]) return false;
            add_set(context, set);
            has_kind[kind] = true;
        }
    return has_kind[CPUK_SET_OF_FLOATS];
}

cpuk_context *cpuk_create(int threads, const int *sets, int set_count) {
    cpuk_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    if (!add_sets(context, sets, set_count) || !(context->pool = thread_pool_create(threads))) {
        free(context);
        return NULL;
    }
    return context;
}

void cpuk_destroy(cpuk_context *context) {
    if (!context) return;
    thread_pool_destroy(context->pool);
    scratch_free(&context->scratch);
    free(context);
}

void cpuk_set_sgemm(cpuk_context *context, cpuk_sgemm sgemm) { context->sgemm = sgemm; }
