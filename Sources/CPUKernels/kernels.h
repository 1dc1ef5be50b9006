// What the kernels of one instruction set offer to the drivers, which split the work and know nothing of vectors.
#pragma once
#include "CPUKernels.h"

/// Most tokens that the row kernels take at once.
enum { MAX_ROW_TOKENS = 8 };
/// Keys of one step of prefill attention.
enum { ATTENTION_KEY_TILE = 64 };
/// Largest head, and the stride of packed query rows: off a power of two so that rows fall in different cache sets.
enum { MAX_HEAD_SIZE = 256, QUERY_STRIDE = MAX_HEAD_SIZE + 16 };
/// Most query rows (queries times heads of a group) of one prefill tile.
enum { ATTENTION_QUERY_TILE = 96 };
/// Tokens of the context that one decode task covers. Fixed, so that results do not depend on the number of threads.
enum { ATTENTION_CHUNK = 256 };
/// Floats before the values of one chunk's result: maximum, sum, unused.
enum { CHUNK_HEADER = 16 };
/// Query heads that one decode task takes together.
enum { ATTENTION_HEAD_TILE = 8 };

/// What follows a product for columns `n0..<n0 + count` of output row `t`.
typedef struct {
    const float *bias;
    const float *gate_bias;
    cpuk_activation activation;
    bool gated;
} epilogue;

/// Rows of a panel: the weights of one step of a product of many tokens, repacked in scratch.
enum { PANEL_ROWS = 64 };

/// Up to PANEL_ROWS rows of a weight, wherever their parts lie.
typedef struct {
    cpuk_format format;
    int64_t columns, row_bytes;
    int64_t count;
    const char *rows[PANEL_ROWS];
    /// Only for CPUK_I8.
    float scales[PANEL_ROWS];
} panel_rows;

/// One record of activations a token: floats, or what a kernel's `convert` made of them. Or one strip of tokens.
typedef struct {
    const char *data;
    /// Bytes from one token, or strip, to the next.
    int64_t stride;
    int64_t columns;
} activation_records;

/// Products of many tokens: a panel is packed once and then multiplied with all of them.
typedef struct {
    /// Columns a panel holds at most, a multiple of every block's; wider weights take several panels.
    int64_t depth;
    /// Bytes of such a panel.
    int64_t panel_bytes;
    /// Packs columns `begin..<begin + depth` of the rows.
    void (*pack)(const panel_rows *rows, int64_t begin, int64_t depth, void *panel);
    /// `y[t * PANEL_ROWS + r] = x[t] . row r` over those columns; adds to `y` where `begin` is not 0.
    void (*multiply)(
        const panel_rows *rows, const void *panel, const activation_records *x, int64_t tokens, int64_t begin,
        int64_t depth, float *y);
} panel_kernels;

/// Weights that will be read soon, to be brought near while others are multiplied.
typedef struct {
    const char *from;
    int64_t bytes;
} read_ahead;

/// Products of rounded activations with many tokens. LANE_TOKENS tokens lie side by side in vectors, a strip; rows of
/// weights are expanded where they are not turned, and each piece of one is multiplied with the whole of a vector.
typedef struct {
    /// Columns of expanded rows at most, a multiple of every block's; wider weights take several rounds.
    int64_t depth;
    /// Bytes of PANEL_ROWS such rows.
    int64_t expanded_bytes;
    /// Fewer tokens than this are faster from rows where they lie (measured).
    int64_t min_tokens;
    int64_t (*strip_bytes)(int64_t columns);
    /// Rounds columns `begin..<end` (`begin` a multiple of 64) of up to LANE_TOKENS tokens. Lanes past them are zero.
    void (*make_strip)(
        cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
        void *strip);
    /// Expands columns `begin..<begin + depth` of the rows.
    void (*expand)(const panel_rows *rows, int64_t begin, int64_t depth, void *expanded);
    /// `products[r * LANE_TOKENS + t] = row r . token t` over those columns, for each strip PANEL_ROWS * LANE_TOKENS
    /// floats on; adds where `begin` is not 0. Rows are rounded up to TURNED_ROWS.
    void (*multiply)(
        const panel_rows *rows, const void *expanded, const activation_records *strips, int64_t count, int64_t begin,
        int64_t depth, read_ahead ahead, float *products);
    /// `y[t * PANEL_ROWS + r] = products[r * LANE_TOKENS + t]` for the tokens of a strip.
    void (*turn)(const float *products, int64_t rows, float *y);
} strip_kernels;

/// Tokens of a strip, and rows whose products are turned together.
enum { LANE_TOKENS = 16, TURNED_ROWS = 16 };

/// Scratch of one thread while it computes prefill attention.
typedef struct {
    float query[ATTENTION_QUERY_TILE * QUERY_STRIDE];
    float output[ATTENTION_QUERY_TILE * MAX_HEAD_SIZE];
    float scores[ATTENTION_QUERY_TILE * ATTENTION_KEY_TILE];
    float keys[MAX_HEAD_SIZE * ATTENTION_KEY_TILE];
    float values[ATTENTION_KEY_TILE * MAX_HEAD_SIZE];
    float maxima[ATTENTION_QUERY_TILE], sums[ATTENTION_QUERY_TILE];
} prefill_scratch;

/// Products whose activations are rounded to fewer bits, on processors with instructions for them.
typedef struct {
    bool (*takes)(cpuk_format format, bool few);
    strip_kernels strips;
    /// Records of few tokens: bytes of one for `columns`, how it is made, and products as kernel_table's `dot_rows`;
    /// NULL where `takes` refuses few tokens.
    int64_t (*record_bytes)(int64_t columns);
    void (*convert)(cpuk_format format, const float *x, int64_t columns, void *record);
    void (*dot_rows)(
        cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count,
        const activation_records *x, int64_t tokens, float *y, int64_t ldy);
    /// As kernel_table's; NULL where there is none.
    void (*attention_prefill)(
        const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
        prefill_scratch *scratch);
} reduced_kernels;

/// Where one chunk of a softmax over columns ended.
typedef struct {
    float maximum, sum;
} softmax_part;

/// Scratch of one thread while it computes decode attention.
typedef struct {
    float query[ATTENTION_HEAD_TILE * MAX_HEAD_SIZE];
    float output[ATTENTION_HEAD_TILE * MAX_HEAD_SIZE];
    float scores[ATTENTION_HEAD_TILE * ATTENTION_CHUNK];
    float rows[16 * MAX_HEAD_SIZE];
    float maxima[ATTENTION_HEAD_TILE], sums[ATTENTION_HEAD_TILE];
} decode_scratch;

typedef struct {
    cpuk_isa isa;
    /// Tokens that `dot_rows` takes at once with the least loads a product.
    int group_tokens;

    /// `y[t * ldy + r] = x[t] . row r` for packed rows of one part; up to MAX_ROW_TOKENS tokens.
    void (*dot_rows)(
        cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const float *x,
        int64_t ldx, int64_t tokens, int64_t columns, float *y, int64_t ldy);
    panel_kernels panels;
    /// Finishes `count` outputs of one row. `up` is read only where gated; `residual` may be NULL or `output`.
    void (*finish_row)(
        const epilogue *epilogue, int64_t n0, int64_t count, const float *y, const float *up, const float *residual,
        float *output);

    /// Run `row % groups` of row `row / groups`.
    void (*norm_row)(const cpuk_norm_args *args, int64_t row);
    void (*activate_row)(cpuk_activation activation, const float *x, float *output, int64_t columns);
    void (*soft_cap_row)(const float *x, float *output, int64_t columns, float cap);
    softmax_part (*softmax_reduce)(const float *x, int64_t columns, float scale);
    void (*softmax_write)(const float *x, int64_t columns, float scale, softmax_part whole, float *output);

    /// Copies or adds one row of a table times `scale`, converted to float.
    void (*embed_row)(
        cpuk_format format, const void *row, float scale, int64_t columns, bool accumulate, float *output);
    /// `output = initial + sum_j weights[j] x_j` of `count` rows `stride` apart; `initial` may be NULL or `output`.
    void (*weighted_sum_row)(
        const float *x, int64_t stride, const float *weights, int64_t count, int64_t columns, const float *initial,
        float *output);
    /// Rotates a head; `output` may be `x`.
    void (*rope_head)(
        const float *x, int64_t head_size, const float *cosines, const float *sines, int64_t rotary_size,
        bool interleaved, float *output);
    /// Stores floats as CPUK_F32, CPUK_BF16 or CPUK_F16, rounded to nearest even.
    void (*store_row)(cpuk_format format, const float *x, int64_t count, void *output);
    /// Stores floats as levels of -127 to 127 and returns what a level stands for: the largest magnitude over 127; 0
    /// for a row that small that a level could not be told from zero, NaN for one with a NaN or an infinity (both with
    /// levels of 0).
    float (*quantize_row)(const float *x, int64_t count, int8_t *levels);

    /// One tile of queries `first..<first + count` of a sequence for query heads `head..<head + heads` of one group.
    void (*attention_prefill)(
        const cpuk_attention_args *args, int64_t sequence, int64_t head, int64_t heads, int64_t first, int64_t count,
        prefill_scratch *scratch);
    /// Tokens `begin..<end` of a context for one query of `heads` heads. Leaves maxima, sums and unnormalised
    /// outputs in the scratch.
    void (*attention_decode)(
        const cpuk_attention_args *args, int64_t sequence, int64_t query, int64_t head, int64_t heads, int64_t begin,
        int64_t end, decode_scratch *scratch);
    /// Merges `count` chunks (`stride` floats apart: maximum, sum, and values after CHUNK_HEADER floats) into one
    /// output row.
    void (*attention_merge)(
        const float *chunks, int64_t count, int64_t stride, int64_t head_size, float *output);

    /// One tile of queries `first..<first + count` of a sequence for one head.
    void (*encoder_attention)(
        const cpuk_encoder_attention_args *args, int64_t sequence, int64_t head, int64_t first, int64_t count,
        prefill_scratch *scratch);

    /// The column of the largest element, the lowest on a tie; 0 where all are NaN.
    int64_t (*argmax)(const float *x, int64_t columns);
    /// Adds columns `0..<columns`, numbered from `first`, to a heap of the `count` best so far (see selection.c).
    int64_t (*top_k_scan)(
        const float *x, int64_t columns, int64_t first, int64_t count, int64_t *heap, int64_t heap_count);
} kernel_table;

/// NULL where the instruction set is not built in.
const kernel_table *kernels_portable(void);
const kernel_table *kernels_neon(void);
const kernel_table *kernels_avx2(void);
const kernel_table *kernels_avx512(void);
/// For processors with AVX-512 and the extension named: BF16 products of pairs, integer products of quads (VNNI).
const reduced_kernels *kernels_avx512_bf16(void);
const reduced_kernels *kernels_avx512_vnni(void);
/// Integer products of quads for processors with AVX-512 or AVX2 alone, and with AVX-VNNI.
const reduced_kernels *kernels_avx512_int8(void);
const reduced_kernels *kernels_avx2_int8(void);
const reduced_kernels *kernels_avx_vnni(void);
