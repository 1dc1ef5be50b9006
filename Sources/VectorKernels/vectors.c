#include "walker.h"

#include <string.h>

typedef struct {
    float (*product)(const vector_table *, int64_t, const float *);
    float (*between)(const vector_table *, int64_t, int64_t);
    void (*walk)(
        vector_walker *, const vector_table *, const vector_layer *, const float *, uint32_t, int64_t,
        const uint64_t *);
    int64_t (*select)(const vector_table *, const uint32_t *, const float *, int64_t, int64_t, uint32_t *);
    void (*link)(const vector_table *, const vector_layer *, uint32_t, uint32_t, int64_t);
} vector_functions;

// Plain C. A binary16 by its bits: the exponent moves up by 112, and what was subnormal is normalised by a subtraction.
static inline float half(uint16_t bits) {
#if defined(__aarch64__)
    __fp16 value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
#else
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, rest = (uint32_t)(bits & 0x7FFF) << 13;
    uint32_t exponent = rest & 0x0F800000;
    float value;
    if (exponent == 0x0F800000) {
        rest += 0x70000000;
    } else if (exponent == 0) {
        rest += 0x38800000;
        memcpy(&value, &rest, sizeof value);
        value -= 6.103515625e-05f;
        memcpy(&rest, &value, sizeof rest);
    } else {
        rest += 0x38000000;
    }
    rest |= sign;
    memcpy(&value, &rest, sizeof value);
    return value;
#endif
}

#define LANES 16
static inline float plain_vector_product(const uint16_t *row, const float *query, int64_t size) {
    float sums[LANES] = {0};
    int64_t index = 0;
    for (; index + LANES <= size; index += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += half(row[index + lane]) * query[index + lane];
    float sum = 0;
    for (; index < size; index++) sum += half(row[index]) * query[index];
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    return sum;
}

static inline float plain_row_product(const uint16_t *row, const uint16_t *other, int64_t size) {
    float sums[LANES] = {0};
    int64_t index = 0;
    for (; index + LANES <= size; index += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += half(row[index + lane]) * half(other[index + lane]);
    float sum = 0;
    for (; index < size; index++) sum += half(row[index]) * half(other[index]);
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    return sum;
}

#define TARGET(name) plain_##name
#define product_ plain_vector_product
#define row_product_ plain_row_product
#include "walk.inl"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
static inline __m256 avx2_half(const uint16_t *row) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)row));
}

static inline float avx2_sum(__m256 a, __m256 b) {
    __m256 sum = _mm256_add_ps(a, b);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}

static inline float avx2_vector_product(const uint16_t *row, const float *query, int64_t size) {
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    int64_t index = 0;
    for (; index + 32 <= size; index += 32) {
        a = _mm256_fmadd_ps(avx2_half(row + index), _mm256_loadu_ps(query + index), a);
        b = _mm256_fmadd_ps(avx2_half(row + index + 8), _mm256_loadu_ps(query + index + 8), b);
        c = _mm256_fmadd_ps(avx2_half(row + index + 16), _mm256_loadu_ps(query + index + 16), c);
        d = _mm256_fmadd_ps(avx2_half(row + index + 24), _mm256_loadu_ps(query + index + 24), d);
    }
    float sum = avx2_sum(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    return index < size ? sum + plain_vector_product(row + index, query + index, size - index) : sum;
}

static inline float avx2_row_product(const uint16_t *row, const uint16_t *other, int64_t size) {
    __m256 a = _mm256_setzero_ps(), b = a;
    int64_t index = 0;
    for (; index + 16 <= size; index += 16) {
        a = _mm256_fmadd_ps(avx2_half(row + index), avx2_half(other + index), a);
        b = _mm256_fmadd_ps(avx2_half(row + index + 8), avx2_half(other + index + 8), b);
    }
    float sum = avx2_sum(a, b);
    return index < size ? sum + plain_row_product(row + index, other + index, size - index) : sum;
}

#define TARGET(name) avx2_##name
#define product_ avx2_vector_product
#define row_product_ avx2_row_product
#include "walk.inl"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma,f16c"))), apply_to = function)
static inline __m512 avx512_half(const uint16_t *row) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)row));
}

static inline float avx512_vector_product(const uint16_t *row, const float *query, int64_t size) {
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    int64_t index = 0;
    for (; index + 64 <= size; index += 64) {
        a = _mm512_fmadd_ps(avx512_half(row + index), _mm512_loadu_ps(query + index), a);
        b = _mm512_fmadd_ps(avx512_half(row + index + 16), _mm512_loadu_ps(query + index + 16), b);
        c = _mm512_fmadd_ps(avx512_half(row + index + 32), _mm512_loadu_ps(query + index + 32), c);
        d = _mm512_fmadd_ps(avx512_half(row + index + 48), _mm512_loadu_ps(query + index + 48), d);
    }
    for (; index + 16 <= size; index += 16)
        a = _mm512_fmadd_ps(avx512_half(row + index), _mm512_loadu_ps(query + index), a);
    float sum = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
    return index < size ? sum + plain_vector_product(row + index, query + index, size - index) : sum;
}

static inline float avx512_row_product(const uint16_t *row, const uint16_t *other, int64_t size) {
    __m512 a = _mm512_setzero_ps(), b = a;
    int64_t index = 0;
    for (; index + 32 <= size; index += 32) {
        a = _mm512_fmadd_ps(avx512_half(row + index), avx512_half(other + index), a);
        b = _mm512_fmadd_ps(avx512_half(row + index + 16), avx512_half(other + index + 16), b);
    }
    for (; index + 16 <= size; index += 16)
        a = _mm512_fmadd_ps(avx512_half(row + index), avx512_half(other + index), a);
    float sum = _mm512_reduce_add_ps(_mm512_add_ps(a, b));
    return index < size ? sum + plain_row_product(row + index, other + index, size - index) : sum;
}

#define TARGET(name) avx512_##name
#define product_ avx512_vector_product
#define row_product_ avx512_row_product
#include "walk.inl"
#pragma clang attribute pop
#endif

static const vector_functions *functions(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        return __builtin_cpu_supports("avx512f") ? &avx512_functions : &avx2_functions;
#endif
    return &plain_functions;
}

float vector_product(const vector_table *table, int64_t row, const float *query) {
    return functions()->product(table, row, query);
}

float vector_product_between(const vector_table *table, int64_t row, int64_t other) {
    return functions()->between(table, row, other);
}

void vector_floats(const vector_table *table, int64_t row, float *output) {
    for (int64_t index = 0; index < table->size; index++) output[index] = half(table->rows[row * table->size + index]);
}

vector_walker *vector_walker_create(int64_t node_count) {
    vector_walker *walker = calloc(1, sizeof *walker);
    if (!walker) return 0;
    walker->node_count = node_count;
    walker->marks = calloc((size_t)(node_count > 0 ? node_count : 1), sizeof *walker->marks);
    if (walker->marks) return walker;
    vector_walker_destroy(walker);
    return 0;
}

void vector_walker_destroy(vector_walker *walker) {
    if (!walker) return;
    free(walker->marks);
    free(walker->open.nodes);
    free(walker->found.nodes);
    free(walker->fresh);
    free(walker);
}

int64_t vector_walk(
    vector_walker *walker, const vector_table *table, const vector_layer *layer, const float *query, uint32_t start,
    int64_t width, const uint64_t *allowed, uint32_t *found, float *scores) {
    if (++walker->number == 0) {
        memset(walker->marks, 0, (size_t)walker->node_count * sizeof *walker->marks);
        walker->number = 1;
    }
    if (walker->fresh_capacity < layer->stride) {
        uint32_t *grown = realloc(walker->fresh, (size_t)layer->stride * sizeof *grown);
        if (!grown) return 0;
        walker->fresh = grown;
        walker->fresh_capacity = layer->stride;
    }
    walker->open.count = walker->found.count = 0;
    functions()->walk(walker, table, layer, query, start, width, allowed);
    int64_t count = walker->found.count;
    for (int64_t index = count - 1; index >= 0; index--) {
        scored_node node = heap_pop(&walker->found, false);
        found[index] = node.node;
        scores[index] = node.score;
    }
    return count;
}

int64_t vector_select(
    const vector_table *table, const uint32_t *candidates, const float *scores, int64_t count, int64_t limit,
    uint32_t *chosen) {
    return functions()->select(table, candidates, scores, count, limit, chosen);
}

void vector_link(const vector_table *table, const vector_layer *layer, uint32_t node, uint32_t other, int64_t limit) {
    functions()->link(table, layer, node, other, limit < 256 ? limit : 256);
}
