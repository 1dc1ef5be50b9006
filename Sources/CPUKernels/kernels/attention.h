// The interface of attention kernels, and the scratch memory that each asks for.
#pragma once
#include "../include/CPUKernels.h"

enum {
    /// Keys of one step of prefill attention.
    ATTENTION_KEY_TILE = 64,
    /// Most query rows (queries times heads of a group) of one prefill tile.
    ATTENTION_QUERY_TILE = 96,
    /// The largest head, and the stride of packed query rows. The stride is not a power of two, so that rows fall in
    /// different cache sets.
    MAX_HEAD_SIZE = 256,
    QUERY_STRIDE = MAX_HEAD_SIZE + 16,
    /// Numbers of the keys of a head, or of its values, that are packed together where every query sees them all.
    SHORT_NUMBERS = 1 << 16,
    /// Most queries that such keys are multiplied with at once, and their scores.
    MOST_SHORT_ROWS = 12,
    SHORT_SCORES = MOST_SHORT_ROWS * (1024 + 16),
    /// Tokens of the context that one decode task covers. Fixed, so that results do not depend on the number of
    /// threads.
    ATTENTION_CHUNK = 256,
    /// What the first chunk begins at is a multiple of this: tokens of the widest vectors, so that their groups lie in
    /// one block where blocks are that long.
    ATTENTION_GROUP = 16,
    /// Floats before the values of one chunk's result: maximum, sum, unused.
    CHUNK_HEADER = 16,
    /// Query heads that one decode task takes together.
    ATTENTION_HEAD_TILE = 8,
};

/// Scratch of one thread while it computes prefill or varlen attention.
typedef struct {
    float query[ATTENTION_QUERY_TILE * QUERY_STRIDE];
    float output[ATTENTION_QUERY_TILE * MAX_HEAD_SIZE];
    float scores[SHORT_SCORES];
    float keys[SHORT_NUMBERS];
    float values[SHORT_NUMBERS];
    float maxima[ATTENTION_QUERY_TILE], sums[ATTENTION_QUERY_TILE];
} prefill_scratch;
_Static_assert(SHORT_NUMBERS >= MAX_HEAD_SIZE * ATTENTION_KEY_TILE, "room for a tile of keys");
_Static_assert(SHORT_SCORES >= ATTENTION_QUERY_TILE * ATTENTION_KEY_TILE, "room for a tile's scores");

/// Scratch of one thread while it computes decode attention.
typedef struct {
    float query[ATTENTION_HEAD_TILE * MAX_HEAD_SIZE];
    float output[ATTENTION_HEAD_TILE * MAX_HEAD_SIZE];
    float scores[ATTENTION_HEAD_TILE * ATTENTION_CHUNK];
    float rows[ATTENTION_GROUP * MAX_HEAD_SIZE];
    float maxima[ATTENTION_HEAD_TILE], sums[ATTENTION_HEAD_TILE];
} decode_scratch;

/// One tile of queries `first..<first + count` of a sequence for query heads `head..<head + heads` of one group.
typedef void (*paged_prefill_kernel)(
    const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
    prefill_scratch *scratch);

typedef struct {
    paged_prefill_kernel paged_prefill;
    /// Tokens `begin..<end` of a context, those before `first_seen` hidden, for one query of `heads` heads. Leaves
    /// maxima, sums and unnormalised outputs in the scratch.
    void (*paged_decode)(
        const cpuk_attention_args *args, int64_t sequence, int64_t query, int64_t head, int64_t heads, int64_t begin,
        int64_t end, int64_t first_seen, decode_scratch *scratch);
    /// Merges `count` chunks (`stride` floats apart: maximum, sum, and values after CHUNK_HEADER floats) into one
    /// output row.
    void (*merge_chunks)(const float *chunks, int64_t count, int64_t stride, int64_t head_size, float *output);
    /// Queries `first..<first + count` of a sequence for one head.
    void (*varlen)(
        const cpuk_varlen_attention_args *args, int64_t sequence, int64_t head, int64_t first, int64_t count,
        prefill_scratch *scratch);
} attention_kernels;
