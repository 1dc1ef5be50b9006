// Paged attention: prefill is cut into tiles of queries, decode into chunks of the context, which are merged.
#include "attention.h"

scratch_sizes attention_scratch(const cpuk_limits *limits) {
    const int64_t chunks = divide_up(at_least(limits->context_length, 1), ATTENTION_CHUNK);
    const int64_t results = scratch_product(scratch_product(limits->sequences, limits->heads), chunks);
    const int64_t result = CHUNK_HEADER + at_least(limits->head_size, 0);
    return (scratch_sizes){
        .partials = scratch_product(results, result * (int64_t)sizeof(float)),
        .starts = scratch_product(limits->sequences < 0 ? -1 : limits->sequences + 1, 2 * sizeof(int64_t)),
        .per_thread = at_least(sizeof(prefill_scratch), sizeof(decode_scratch))};
}

typedef struct {
    cpuk_context *context;
    const cpuk_attention_args *args;
    /// Query heads that share a key head, and how many of them one decode task takes or one prefill tile holds.
    int64_t group, decode_heads, prefill_heads, tile_queries;
    /// For each sequence: its first task, and its first partial result (one a chunk, all heads).
    int64_t *first_task, *first_chunk;
    int64_t tasks;
    /// The floats of one chunk's result.
    int64_t result_floats;
} attention_job;

static int64_t queries_of(const cpuk_attention_args *args, int64_t s) {
    return args->query_offsets[s + 1] - args->query_offsets[s];
}

// The first token that the last query sees, if it is the only one.
static int64_t first_seen(const cpuk_attention_args *args, int64_t s) {
    return args->window > 0 ? at_least(0, args->context_lengths[s] - args->window) : 0;
}

// Where the first chunk begins.
static int64_t decode_begin(const cpuk_attention_args *args, int64_t s) {
    return first_seen(args, s) / ATTENTION_GROUP * ATTENTION_GROUP;
}

static int64_t decode_chunks(const cpuk_attention_args *args, int64_t s) {
    return divide_up(args->context_lengths[s] - decode_begin(args, s), ATTENTION_CHUNK);
}

static cpuk_attention_status check(const cpuk_attention_args *args, int64_t s) {
    const cpuk_cache *cache = &args->cache;
    int64_t begin = args->query_offsets[s], end = args->query_offsets[s + 1], context = args->context_lengths[s];
    if (begin < 0 || end < begin || end > args->tokens) return CPUK_ATTENTION_BAD_OFFSETS;
    if (end == begin) return CPUK_ATTENTION_OK;
    if (context < end - begin || divide_up(context, cache->block_tokens) > args->table_columns)
        return CPUK_ATTENTION_BAD_CONTEXT;
    const int32_t *table = args->block_tables + s * args->table_stride;
    int64_t first = args->window > 0 ? at_least(0, context - (end - begin) + 1 - args->window) : 0;
    // Tiles and groups of keys are read from their start, which may lie a little before the window.
    first -= first % ATTENTION_KEY_TILE;
    for (int64_t block = first / cache->block_tokens; block < divide_up(context, cache->block_tokens); block++)
        if (table[block] < 0 || table[block] >= cache->blocks) return CPUK_ATTENTION_BAD_BLOCK;
    return CPUK_ATTENTION_OK;
}

static cpuk_attention_status plan(attention_job *job, int64_t *sequence) {
    const cpuk_attention_args *args = job->args;
    const int64_t room = job->context->scratch.sizes.partials / (int64_t)sizeof(float);
    int64_t tasks = 0, chunks = 0;
    for (int64_t s = 0; s < args->sequences; s++) {
        *sequence = s;
        cpuk_attention_status status = check(args, s);
        if (status != CPUK_ATTENTION_OK) return status;
        job->first_task[s] = tasks;
        job->first_chunk[s] = chunks;
        int64_t queries = queries_of(args, s), kv_heads = args->cache.kv_heads;
        if (queries == 1) {
            int64_t count = decode_chunks(args, s);
            tasks += kv_heads * divide_up(job->group, job->decode_heads) * count;
            chunks += count;
        } else {
            tasks += kv_heads * divide_up(job->group, job->prefill_heads) * divide_up(queries, job->tile_queries);
        }
        if (chunks * args->heads * job->result_floats > room) return CPUK_ATTENTION_OVER_LIMIT;
    }
    job->first_task[args->sequences] = tasks;
    job->tasks = tasks;
    return CPUK_ATTENTION_OK;
}

static float *chunk_result(const attention_job *job, int64_t s, int64_t head, int64_t chunk) {
    int64_t index = job->first_chunk[s] * job->args->heads + head * decode_chunks(job->args, s) + chunk;
    return job->context->scratch.partials + index * job->result_floats;
}

static void decode_task(const attention_job *job, int64_t s, int64_t index, int worker) {
    const cpuk_attention_args *args = job->args;
    int64_t chunks = decode_chunks(args, s), splits = divide_up(job->group, job->decode_heads);
    int64_t chunk = index % chunks, split = index / chunks % splits, kv_head = index / chunks / splits;
    int64_t head = kv_head * job->group + split * job->decode_heads;
    int64_t heads = at_most(job->decode_heads, job->group - split * job->decode_heads);
    int64_t begin = decode_begin(args, s) + chunk * ATTENTION_CHUNK;
    int64_t end = at_most(begin + ATTENTION_CHUNK, args->context_lengths[s]);
    decode_scratch *scratch = thread_scratch(&job->context->scratch, worker);
    job->context->attention->paged_decode(
        args, s, args->query_offsets[s], head, heads, begin, end, first_seen(args, s), scratch);
    for (int64_t g = 0; g < heads; g++) {
        float *result = chunk_result(job, s, head + g, chunk);
        result[0] = scratch->maxima[g];
        result[1] = scratch->sums[g];
        for (int64_t d = 0; d < args->cache.head_size; d++)
            result[CHUNK_HEADER + d] = scratch->output[g * MAX_HEAD_SIZE + d];
    }
}

static void attention_task(void *argument, int64_t task, int worker) {
    const attention_job *job = argument;
    const cpuk_attention_args *args = job->args;
    // The last tiles of a prompt see the most keys. They go first, so that no thread begins a long one at the end.
    task = job->tasks - 1 - task;
    const int64_t s = sequence_of_task(job->first_task, args->sequences, task);
    const int64_t index = task - job->first_task[s], queries = queries_of(args, s);
    if (queries == 1) {
        decode_task(job, s, index, worker);
        return;
    }
    int64_t splits = divide_up(job->group, job->prefill_heads), per_tile = args->cache.kv_heads * splits;
    int64_t tile = index / per_tile, kv_head = index % per_tile / splits, split = index % splits;
    int64_t head = kv_head * job->group + split * job->prefill_heads;
    int64_t heads = at_most(job->prefill_heads, job->group - split * job->prefill_heads);
    int64_t first = tile * job->tile_queries;
    const bool rounds = args->reduced && job->context->rounding_prefill;
    (rounds ? job->context->rounding_prefill : job->context->attention->paged_prefill)(
        args, s, head, heads, first, at_most(job->tile_queries, queries - first),
        thread_scratch(&job->context->scratch, worker));
}

static void merge_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const attention_job *job = argument;
    const cpuk_attention_args *args = job->args;
    if (queries_of(args, task) != 1) return;
    for (int64_t head = 0; head < args->heads; head++) {
        float *output = args->output.data + args->query_offsets[task] * args->output.stride;
        job->context->attention->merge_chunks(
            chunk_result(job, task, head, 0), decode_chunks(args, task), job->result_floats, args->cache.head_size,
            output + head * args->cache.head_size);
    }
}

cpuk_attention_status cpuk_paged_attention(
    cpuk_context *context, const cpuk_attention_args *args, int64_t *sequence) {
    attention_job job = {.context = context, .args = args, .result_floats = CHUNK_HEADER + args->cache.head_size};
    if (args->sequences > context->limits.sequences) return CPUK_ATTENTION_OVER_LIMIT;
    job.first_task = context->scratch.starts;
    job.first_chunk = job.first_task + args->sequences + 1;
    job.group = args->heads / args->cache.kv_heads;
    job.decode_heads = at_most(job.group, ATTENTION_HEAD_TILE);
    job.prefill_heads = at_most(job.group, ATTENTION_QUERY_TILE);
    job.tile_queries = ATTENTION_QUERY_TILE / job.prefill_heads;
    cpuk_attention_status status = plan(&job, sequence);
    if (status != CPUK_ATTENTION_OK || job.tasks == 0) return status;
    int64_t bytes = 0, decoding = 0;
    for (int64_t s = 0; s < args->sequences; s++) {
        int64_t queries = queries_of(args, s);
        decoding += queries == 1;
        bytes += args->context_lengths[s] * args->cache.head_size * args->heads * 8 * divide_up(queries, 16);
    }
    run_tasks(context->pool, attention_task, &job, job.tasks, bytes);
    run_tasks(context->pool, merge_task, &job, args->sequences, decoding * args->heads * args->cache.head_size * 8);
    return CPUK_ATTENTION_OK;
}
