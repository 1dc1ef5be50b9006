// The CPU backend's kernels: plain C with vector extensions, chosen at run time for the instruction set of the
// machine.
//
// Every call runs to its end before it returns, split over the context's threads where that pays. Calls on one
// context must not overlap; contexts are independent of each other. Pointers need only the alignment of their
// element type, and weights need none. Sizes are checked by the caller; what is data on the device (ids, slots,
// block numbers) is checked here, before anything is written, and a bad entry's index is returned.
#pragma once
#include "CPUImages.h"
#include "CPUKernelSets.h"
#include "CPUTypes.h"
#include "NumberFormats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The number of a row in the table of number formats. Those from CPUK_Q8_0 on are block formats, which only weights
/// have.
typedef number_format cpuk_format;
enum {
#define CPUK_FORMAT(ID, ...) CPUK_##ID = NUMBER_FORMAT_##ID,
    NUMBER_FORMATS(CPUK_FORMAT)
#undef CPUK_FORMAT
};

/// Single-precision matrix product as CBLAS declares it, for `cpuk_set_sgemm`.
typedef void (*cpuk_sgemm)(
    int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
    int ldb, float beta, float *c, int ldc);

/// A context with `threads` threads in all, of which the caller is one. Its kernels come from the sets with the given
/// numbers: one set of floats, and at most one of each other kind. NULL where memory or threads run out, or for other
/// combinations of sets.
cpuk_context *cpuk_create(int threads, const int *sets, int set_count);
/// Joins the threads. The context must be idle.
void cpuk_destroy(cpuk_context *context);
/// Uses `sgemm` for FP32 products of many rows; NULL goes back to the kernels here. It is called from several
/// threads. Takes effect with the next `cpuk_reserve`, which makes room for it: call this before. Weights that are
/// packed already stay with the kernels here.
void cpuk_set_sgemm(cpuk_context *context, cpuk_sgemm sgemm);

/// Upper bounds of what the ops will be asked for.
typedef struct {
    int64_t tokens, sequences, context_length, matmul_inputs, heads, head_size;
} cpuk_limits;
/// Reserves scratch memory. False where memory runs out; the old scratch then stays.
bool cpuk_reserve(cpuk_context *context, const cpuk_limits *limits);

typedef struct {
    int64_t rows;
    const void *data;
    /// One scale a row; only for CPUK_I8.
    const float *scales;
} cpuk_weight_part;

/// `[rows, columns]` in parts of whole rows.
typedef struct {
    cpuk_format format;
    int64_t rows, columns;
    int64_t row_bytes;
    int64_t part_count;
    const cpuk_weight_part *parts;
    /// What `cpuk_pack` made of the rows of all parts. NULL: products read the parts. (`cpuk_embed` always does.)
    const void *packed;
    /// Products may round activations to BF16 or quantise them to int8 (and round FP32 weights to BF16) where the
    /// processor has instructions for them.
    bool reduced;
    /// Activations may be quantised with one scale a token, where `reduced`.
    bool by_token;
} cpuk_weight;

/// Bytes of a weight packed for the context's kernels; 0: products read the rows where they lie. Reads no `packed`.
int64_t cpuk_packed_bytes(const cpuk_context *context, const cpuk_weight *weight);
/// Packs rows `first..<first + count`: whole blocks of CPUK_PACKED_ROWS, or to the last row.
void cpuk_pack(cpuk_context *context, const cpuk_weight *weight, int64_t first, int64_t count, void *packed);
enum { CPUK_PACKED_ROWS = 16 };

/// `output[t, n] = residual + gate(activation(bias + sum_k x[t, k] w[n, k]))`; see MatmulEpilogue.
typedef struct {
    cpuk_rows x;
    int64_t tokens;
    const cpuk_weight *weight;
    cpuk_rows output;
    const float *bias;
    cpuk_activation activation;
    bool gated;
    /// `data` NULL: none.
    cpuk_rows residual;
} cpuk_matmul_args;
void cpuk_matmul(cpuk_context *context, const cpuk_matmul_args *args);

/// How a convolution is computed, which decides how its weight is packed.
typedef enum {
    /// Not by `cpuk_convolve`: the weight's format is multiplied faster otherwise, or not at all.
    CPUK_CONVOLUTION_NONE = 0,
    CPUK_CONVOLUTION_DIRECT,
    /// Tiles of 2x2 or 4x4 outputs.
    CPUK_CONVOLUTION_WINOGRAD_2,
    CPUK_CONVOLUTION_WINOGRAD_4,
    /// Activations are quantised to int8.
    CPUK_CONVOLUTION_INT8,
} cpuk_convolution_form;
typedef struct {
    cpuk_convolution_form form;
    int64_t packed_bytes, scratch_bytes;
} cpuk_convolution_plan;
/// How a convolution of a weight `[outputs, taps * channels]` is computed: as the weight is `packed`, or, where it is
/// not yet (NONE), as is fastest for maps of the window's grid. A packed weight fits windows of that kernel, stride,
/// dilation and channels over images of any number and size.
cpuk_convolution_plan cpuk_plan_convolution(
    const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight, cpuk_convolution_form packed);
/// False where memory runs out.
bool cpuk_pack_convolution(
    cpuk_context *context, const cpuk_window *window, cpuk_convolution_form form, const cpuk_weight *weight,
    void *packed);

/// A convolution without groups, `window->channels` in:
/// `output[r, n] = residual + activation(bias + sum_k sum_c x[pixel(r, k), c] w[n, k, c])`.
typedef struct {
    const cpuk_window *window;
    cpuk_convolution_form form;
    int64_t outputs;
    cpuk_rows x;
    /// What `cpuk_pack_convolution` made of the weight.
    const void *packed;
    const float *bias;
    cpuk_activation activation;
    /// `data` NULL: none.
    cpuk_rows residual;
    /// The activation comes behind the residual.
    bool adds_residual_first;
    cpuk_rows output;
    /// Of the form INT8 maps that convolutions have quantised, in place of x, the residual and the output. NULL: those
    /// are floats. A residual must be added first, or there be no activation.
    const void *quantised_x, *quantised_residual;
    void *quantised_output;
    /// As much as was planned, at a multiple of 64 bytes.
    void *scratch;
} cpuk_convolution_args;
/// Bytes of a pixel of a quantised map.
int64_t cpuk_quantised_pixel_bytes(const cpuk_context *context, int64_t channels);
/// Sums are FP32. A pixel's bits do not depend on the images beside it, nor on the number of threads.
void cpuk_convolve(cpuk_context *context, const cpuk_convolution_args *args);

/// A row is `groups` runs of `columns` elements, each normed for itself; a run has weights (and biases) of its own.
typedef struct {
    int64_t rows, groups, columns;
    cpuk_rows x, residual, sum, output;
    const float *weight;
    const float *bias;
    float epsilon;
    /// Subtract the mean (layer norm) or not (RMS norm).
    bool centered;
} cpuk_norm_args;
void cpuk_norm(cpuk_context *context, const cpuk_norm_args *args);

typedef struct {
    int64_t rows, columns;
    cpuk_rows x, output;
    cpuk_activation activation;
    float scale;
} cpuk_pointwise_args;
void cpuk_activate(cpuk_context *context, const cpuk_pointwise_args *args);
typedef struct {
    int64_t rows, columns;
    cpuk_rows x, y, output;
} cpuk_multiply_args;
void cpuk_multiply(cpuk_context *context, const cpuk_multiply_args *args);
/// `output = scale * tanh(x / scale)`.
void cpuk_soft_cap(cpuk_context *context, const cpuk_pointwise_args *args);
void cpuk_softmax(cpuk_context *context, const cpuk_pointwise_args *args);

/// `table` is `[positions, 2, rotary_size / 2]`. `data` NULL in `table`: no rotation.
typedef struct {
    const float *table;
    int64_t table_rows;
    const int32_t *positions;
    int64_t rotary_size;
    bool interleaved;
} cpuk_rope_args;
/// Returns -1, or the index of the first token whose position is outside the table, in which case nothing is written.
int64_t cpuk_rope(
    cpuk_context *context, cpuk_rows x, int64_t tokens, int64_t heads, int64_t head_size, const cpuk_rope_args *rope);

/// Returns -1, or the index of the first id outside the table, in which case nothing is written.
int64_t cpuk_embed(
    cpuk_context *context, const int32_t *ids, int64_t tokens, const cpuk_weight *table, float scale,
    bool accumulate, cpuk_rows output);
/// Returns -1, or the index of the first row number outside `0..<x_rows`, in which case nothing is written.
int64_t cpuk_gather_rows(
    cpuk_context *context, cpuk_rows x, int64_t x_rows, int64_t columns, const int32_t *rows, int64_t count,
    cpuk_rows output);

/// `output[t] = residual[t] + sum_j weights[t * experts + j] x[t * experts + j]`, `experts` being those of each token;
/// `data` NULL in `residual`: none.
void cpuk_combine_experts(
    cpuk_context *context, cpuk_rows x, const float *weights, int64_t tokens, int64_t experts, int64_t columns,
    cpuk_rows residual, cpuk_rows output);

/// `output[t] += transpose(up[a]) (down[a] x[t])` with `a = indices[t]`, in FP32.
typedef struct {
    cpuk_rows x, output;
    int64_t tokens, inputs, outputs, rank;
    const int32_t *indices;
    /// `[rank, inputs]` and `[rank, outputs]` of each `a`, packed, as CPUK_F32, CPUK_BF16 or CPUK_F16.
    cpuk_format format;
    const void *const *down, *const *up;
    /// `up` has blocks on its diagonal, of so many ranks and so many outputs each, which add up to `rank` and
    /// `outputs`. What lies outside them is not read.
    const int64_t *part_ranks, *part_outputs;
    int64_t parts;
} cpuk_low_rank_args;
enum { CPUK_MAX_LOW_RANK = 256 };
/// False where the rank is larger; nothing is added then.
bool cpuk_add_low_rank(cpuk_context *context, const cpuk_low_rank_args *args);

/// `[blocks, kv_heads, block_tokens, head_size]`, packed, as CPUK_F32, CPUK_BF16, CPUK_F16 or CPUK_I8.
typedef struct {
    cpuk_format format;
    void *keys, *values;
    /// `[blocks, kv_heads, block_tokens]`, the scale of a row's quants; only for CPUK_I8.
    float *key_scales, *value_scales;
    int64_t blocks, kv_heads, block_tokens, head_size;
} cpuk_cache;

typedef struct {
    /// `data` NULL: none.
    cpuk_rows query;
    int64_t query_heads;
    cpuk_rows key, value;
    const int32_t *slots;
    int64_t tokens;
    cpuk_cache cache;
    cpuk_rope_args rope;
} cpuk_store_args;
/// Returns -1, or the index of the first token whose slot or position is out of range, in which case nothing is
/// written.
int64_t cpuk_store_key_value(cpuk_context *context, const cpuk_store_args *args);
/// Returns -1, or the index of the first pair outside the cache, in which case nothing is written.
int64_t cpuk_copy_blocks(cpuk_context *context, const cpuk_cache *cache, const int32_t *pairs, int64_t count);

typedef struct {
    cpuk_rows query, output;
    int64_t heads;
    cpuk_cache cache;
    float scale;
    /// 0: no cap.
    float soft_cap;
    /// Tokens of the sliding window; 0: no window.
    int64_t window;
    const int32_t *query_offsets, *context_lengths, *block_tables;
    int64_t table_stride, table_columns;
    int64_t sequences, tokens;
    /// Products of many queries may round queries, keys, values and the softmax to BF16 where the processor has
    /// instructions for it.
    bool reduced;
} cpuk_attention_args;

typedef enum {
    CPUK_ATTENTION_OK = 0,
    CPUK_ATTENTION_BAD_OFFSETS,
    CPUK_ATTENTION_BAD_CONTEXT,
    CPUK_ATTENTION_BAD_BLOCK,
    CPUK_ATTENTION_OVER_LIMIT,
} cpuk_attention_status;
/// `sequence` receives the index of the offending sequence.
cpuk_attention_status cpuk_paged_attention(cpuk_context *context, const cpuk_attention_args *args, int64_t *sequence);

/// Attention over plain rows: each sequence's queries see the key rows of its range.
typedef struct {
    cpuk_rows query, key, value, output;
    int64_t heads, head_size;
    float scale;
    /// A query sees no key behind its own position, the last query's being that of the last key.
    bool causal;
    /// `[heads, 2 * reach + 1]`, added by the distance from query to key; NULL: none.
    const float *bias;
    int64_t bias_reach;
    /// Rows of `heads * bucket_count` scores of queries and keys, added to their products before these are scaled, by
    /// the bucket of the distance, `buckets[2 * bucket_reach + 1]`; NULL data: none.
    cpuk_rows query_scores, key_scores;
    const int32_t *buckets;
    int64_t bucket_reach, bucket_count;
    const int32_t *query_offsets, *key_ranges;
    int64_t sequences, tokens, key_rows;
} cpuk_varlen_attention_args;
/// `sequence` receives the index of the offending sequence.
cpuk_attention_status cpuk_varlen_attention(
    cpuk_context *context, const cpuk_varlen_attention_args *args, int64_t *sequence);

void cpuk_argmax(cpuk_context *context, cpuk_rows x, int64_t rows, int64_t columns, int32_t *indices);
enum { CPUK_MAX_TOP_K = 256 };
/// `values` may be strided, `indices` too (`index_stride` elements).
void cpuk_top_k(
    cpuk_context *context, cpuk_rows x, int64_t rows, int64_t columns, int64_t count, cpuk_rows values,
    int32_t *indices, int64_t index_stride);
