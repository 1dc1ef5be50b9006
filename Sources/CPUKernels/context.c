#define _GNU_SOURCE
#include "matmul.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cpuk_supports(cpuk_isa isa) {
    switch (isa) {
    case CPUK_PORTABLE: return kernels_portable() != NULL;
    case CPUK_NEON: return kernels_neon() != NULL;
#if defined(__x86_64__)
    case CPUK_AVX2:
        return kernels_avx2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
            && __builtin_cpu_supports("f16c");
    case CPUK_AVX512:
        return kernels_avx512() && cpuk_supports(CPUK_AVX2) && __builtin_cpu_supports("avx512f")
            && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq");
#endif
    default: return false;
    }
}

cpuk_isa cpuk_best_isa(void) {
    for (int isa = CPUK_AVX512; isa > CPUK_PORTABLE; isa--)
        if (cpuk_supports((cpuk_isa)isa)) return (cpuk_isa)isa;
    return CPUK_PORTABLE;
}

// The kernels of integer products, and whether they have an instruction for quads.
static const reduced_kernels *integer_kernels_for(cpuk_isa isa, bool *in_one) {
    *in_one = false;
#if defined(__x86_64__)
    if (isa < CPUK_AVX2 || !cpuk_supports(isa)) return NULL;
    const bool is_wide = isa == CPUK_AVX512;
    *in_one = is_wide ? __builtin_cpu_supports("avx512vnni") : __builtin_cpu_supports("avxvnni");
    if (is_wide) return *in_one ? kernels_avx512_vnni() : kernels_avx512_int8();
    return *in_one ? kernels_avx_vnni() : kernels_avx2_int8();
#else
    (void)isa;
    return NULL;
#endif
}

static const reduced_kernels *pair_kernels_for(cpuk_isa isa) {
#if defined(__x86_64__)
    if (isa == CPUK_AVX512 && cpuk_supports(isa) && __builtin_cpu_supports("avx512bf16")) return kernels_avx512_bf16();
#endif
    (void)isa;
    return NULL;
}

cpuk_extensions cpuk_extensions_of(cpuk_isa isa) {
    cpuk_extensions extensions = {.bf16 = pair_kernels_for(isa) != NULL};
    extensions.int8 = integer_kernels_for(isa, &extensions.int8_in_one) != NULL;
    return extensions;
}

int cpuk_available_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static const kernel_table *kernels_for(cpuk_isa isa) {
    if (!cpuk_supports(isa)) return NULL;
    switch (isa) {
    case CPUK_NEON: return kernels_neon();
    case CPUK_AVX2: return kernels_avx2();
    case CPUK_AVX512: return kernels_avx512();
    default: return kernels_portable();
    }
}

cpuk_context *cpuk_create(int threads, cpuk_isa isa) {
    const kernel_table *kernels = kernels_for(isa);
    if (!kernels) return NULL;
    cpuk_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->kernels = kernels;
    bool in_one;
    context->bf16 = pair_kernels_for(isa);
    context->integer = integer_kernels_for(isa, &in_one);
    context->pool = pool_create(threads);
    if (!context->pool) {
        free(context);
        return NULL;
    }
    return context;
}

static void free_scratch(scratch_memory *scratch) {
    free(scratch->shared);
    free(scratch->sequence_starts);
    free(scratch->activations);
    free(scratch->thread_memory);
}

void cpuk_destroy(cpuk_context *context) {
    if (!context) return;
    pool_destroy(context->pool);
    free_scratch(&context->scratch);
    free(context);
}

void cpuk_set_sgemm(cpuk_context *context, cpuk_sgemm sgemm) { context->sgemm = sgemm; }

// a * b, or less than zero where that is too much to ask for.
static int64_t bounded_product(int64_t a, int64_t b) {
    int64_t product;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product > INT64_MAX / 64) return -1;
    return product;
}

static void *allocate(int64_t bytes) {
    enum { ALIGNMENT = 4096 };
    if (bytes < 0) return NULL;
    return aligned_alloc(ALIGNMENT, (size_t)(divide_up(at_least(bytes, 1), ALIGNMENT) * ALIGNMENT));
}

bool cpuk_reserve(cpuk_context *context, const cpuk_limits *limits) {
    scratch_memory next = {.limits = *limits};
    int64_t chunks = divide_up(at_least(limits->context_length, 1), ATTENTION_CHUNK);
    int64_t partial = bounded_product(
        bounded_product(bounded_product(limits->sequences, limits->heads), chunks),
        CHUNK_HEADER + at_least(limits->head_size, 0));
    int64_t per_thread = at_least(sizeof(prefill_scratch), sizeof(decode_scratch));
    per_thread = at_least(per_thread, panel_scratch_bytes(context));
    per_thread = at_least(per_thread, strip_scratch_bytes(context->bf16));
    per_thread = at_least(per_thread, strip_scratch_bytes(context->integer));
    if (context->sgemm) per_thread = at_least(per_thread, 2 * SGEMM_OUTPUTS * SGEMM_TOKENS * (int64_t)sizeof(float));
    if (partial < 0 || limits->sequences < 0) return false;
    next.shared_count = partial;
    next.thread_bytes = divide_up(per_thread, 4096) * 4096;
    next.shared = allocate(next.shared_count * (int64_t)sizeof(float));
    next.sequence_starts = allocate((limits->sequences + 1) * 2 * (int64_t)sizeof(int64_t));
    next.thread_memory = allocate(bounded_product(next.thread_bytes, pool_threads(context->pool)));
    const int64_t pairs = reduced_activation_bytes(context->bf16, limits->tokens, limits->matmul_inputs);
    const int64_t quads = reduced_activation_bytes(context->integer, limits->tokens, limits->matmul_inputs);
    next.activations = allocate(at_most(pairs, quads) < 0 ? -1 : at_least(pairs, quads));
    if (!next.shared || !next.sequence_starts || !next.activations || !next.thread_memory) {
        free_scratch(&next);
        return false;
    }
    free_scratch(&context->scratch);
    context->scratch = next;
    return true;
}
