// The paged cache.
#include "rope.h"

#include <string.h>

typedef struct {
    cpuk_context *context;
    const cpuk_store_args *args;
    int64_t tasks;
} store_job;

static int64_t element_bytes(cpuk_format format) { return format == CPUK_F32 ? 4 : format == CPUK_I8 ? 1 : 2; }

// Stores one row of a head, number `row` of the cache.
static void store_row(
    const cpuk_context *context, const cpuk_cache *cache, const float *x, int64_t row, void *base, float *scales) {
    void *target = (char *)base + row * cache->head_size * element_bytes(cache->format);
    if (cache->format == CPUK_I8) scales[row] = context->rows->quantise(x, cache->head_size, target);
    else context->rows->store(cache->format, x, cache->head_size, target);
}

static void store_token(const store_job *job, int64_t t) {
    const cpuk_store_args *args = job->args;
    const cpuk_cache *cache = &args->cache;
    const int64_t size = cache->head_size;
    const int64_t block = args->slots[t] / cache->block_tokens, offset = args->slots[t] % cache->block_tokens;
    if (args->query.data && args->rope.table) {
        for (int64_t head = 0; head < args->query_heads; head++) {
            float *query = args->query.data + t * args->query.stride + head * size;
            rotate(job->context, &args->rope, t, size, query, query);
        }
    }
    float rotated[MAX_HEAD_SIZE];
    for (int64_t head = 0; head < cache->kv_heads; head++) {
        const float *key = args->key.data + t * args->key.stride + head * size;
        const float *value = args->value.data + t * args->value.stride + head * size;
        int64_t row = (block * cache->kv_heads + head) * cache->block_tokens + offset;
        if (args->rope.table) {
            rotate(job->context, &args->rope, t, size, key, rotated);
            key = rotated;
        }
        store_row(job->context, cache, key, row, cache->keys, cache->key_scales);
        store_row(job->context, cache, value, row, cache->values, cache->value_scales);
    }
}

static void store_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const store_job *job = argument;
    const index_range range = task_range(task, job->tasks, job->args->tokens);
    for (int64_t t = range.begin; t < range.end; t++) store_token(job, t);
}

int64_t cpuk_store_key_value(cpuk_context *context, const cpuk_store_args *args) {
    const cpuk_cache *cache = &args->cache;
    for (int64_t t = 0; t < args->tokens; t++)
        if (args->slots[t] < 0 || args->slots[t] >= cache->blocks * cache->block_tokens) return t;
    if (args->rope.table) {
        int64_t bad = bad_position(&args->rope, args->tokens);
        if (bad >= 0) return bad;
    }
    if (args->tokens == 0) return -1;
    store_job job = {.context = context, .args = args};
    int64_t bytes = (cache->kv_heads + args->query_heads) * cache->head_size * 16;
    job.tasks = task_count(thread_count(context), args->tokens, bytes);
    run_tasks(context->pool, store_task, &job, job.tasks, args->tokens * bytes);
    return -1;
}

// Copies block `from` of `block_bytes` to block `to`.
static void copy_block(void *base, int64_t from, int64_t to, int64_t block_bytes) {
    memcpy((char *)base + to * block_bytes, (char *)base + from * block_bytes, (size_t)block_bytes);
}

int64_t cpuk_copy_blocks(cpuk_context *context, const cpuk_cache *cache, const int32_t *pairs, int64_t count) {
    for (int64_t i = 0; i < 2 * count; i++)
        if (pairs[i] < 0 || pairs[i] >= cache->blocks) return i / 2;
    const int64_t rows = cache->kv_heads * cache->block_tokens;
    const int64_t bytes = rows * cache->head_size * element_bytes(cache->format);
    const int64_t scale_bytes = rows * (int64_t)sizeof(float);
    (void)context;
    // In order, on one thread: a block may be the target of one pair and the source of a later one.
    for (int64_t i = 0; i < count; i++) {
        const int64_t from = pairs[2 * i], to = pairs[2 * i + 1];
        if (from == to) continue;
        copy_block(cache->keys, from, to, bytes);
        copy_block(cache->values, from, to, bytes);
        if (cache->format != CPUK_I8) continue;
        copy_block(cache->key_scales, from, to, scale_bytes);
        copy_block(cache->value_scales, from, to, scale_bytes);
    }
    return -1;
}
