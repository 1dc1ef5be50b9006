// The interface of matrix products: kernels for few tokens (GEMV) and for many (GEMM), as drivers see them.
//
//     Y [T, N] = X [T, K] * transpose(W [N, K])
//
// In the words of BLAS, A is X with its M = T tokens, and B is the transpose of W with its N rows of W as columns.
// Drivers (ops/gemv.c, ops/gemm.c) split the work over threads and know nothing of vectors or of how a panel is packed.
#pragma once
#include "../include/CPUKernels.h"

enum {
    /// The most tokens that a GEMV kernel takes at once.
    MAX_GEMV_TOKENS = 8,
    /// MC: tokens whose products with one panel of B wait in scratch for the epilogue.
    MC = 512,
    /// NC: rows of a weight in a packed panel of B.
    NC = 64,
    /// Rows whose products `gemm_kernel.transpose` takes together; panels of B are whole multiples of them.
    TRANSPOSED_ROWS = 16,
    /// Rows of a block of a packed weight.
    PACKED_ROWS = 16,
    /// Floats of a line of the caches.
    LINE_FLOATS = 64 / sizeof(float),
};

/// Up to NC rows of a weight, wherever their parts lie.
typedef struct {
    cpuk_format format;
    int64_t columns, row_bytes;
    int64_t count;
    /// The address of each row; for a packed weight, of each block of PACKED_ROWS.
    const char *rows[NC];
    /// The scale of each row, only for CPUK_I8.
    float scales[NC];
} weight_rows;

/// Activations as a kernel reads them: floats where they lie, or the output of its `pack_a`.
typedef struct {
    const char *data;
    /// Bytes from one panel to the next. A panel holds MR tokens; for GEMV it holds one.
    int64_t stride;
    int64_t columns;
} packed_a;

/// Weights that will be read soon, to be prefetched while others are multiplied.
typedef struct {
    const char *from;
    int64_t bytes;
} read_ahead;

/// A way to pack weights once, while a model loads, for kernels that read the packed weight alone.
typedef struct {
    /// Bytes of a block of PACKED_ROWS rows, a multiple of 64; 0: not a format that is packed.
    int64_t (*block_bytes)(cpuk_format format, int64_t columns);
    /// Packs up to PACKED_ROWS rows, padded with rows of zeros. `scales`: of each row, only for CPUK_I8.
    void (*pack_block)(
        cpuk_format format, const char *const rows[PACKED_ROWS], const float *scales, int64_t count, int64_t columns,
        void *block);
} weight_packing;

/// Products of few tokens: each row of the weight is read once, where it lies, for all of them.
typedef struct {
    /// Most tokens at once with the least loads a product.
    int64_t tokens;
    /// Quantises a token's activations; `packed_a_bytes` is the room they take. NULL: floats are read where they lie.
    int64_t (*packed_a_bytes)(int64_t columns);
    void (*pack_a)(cpuk_format format, const float *x, int64_t columns, void *packed);
    /// `y[t * ldy + r] = x[t] . row r` for `count` rows of one part, up to MAX_GEMV_TOKENS tokens. Of a packed weight
    /// `rows` are its blocks; the others follow.
    void (*multiply)(
        cpuk_format format, const void *rows, int64_t row_bytes, const float *scales, int64_t count, const packed_a *x,
        int64_t tokens, float *y, int64_t ldy);
} gemv_kernel;

/// Products of many tokens: NC rows of the weight are packed to a panel of B, once for all tokens, and a micro-kernel
/// multiplies tiles of it with panels of A (Goto and van de Geijn, 2008).
typedef struct {
    /// Tokens of a panel of A: MR where `pack_a` packs them, else 1.
    int64_t panel_tokens;
    /// KC: columns of a panel of B at most, a multiple of every block's. Wider weights take several panels.
    int64_t kc;
    /// Bytes of a panel of B.
    int64_t packed_b_bytes;
    /// Tokens whose products with a panel of B take as long as packing it.
    int64_t packing_tokens;
    /// For up to so many panels of A only TRANSPOSED_ROWS rows of B are packed at a time, which then stay in the
    /// first-level cache, and the rows after them are prefetched meanwhile.
    int64_t few_panels;

    /// Bytes of a panel of A. NULL: A is not packed.
    int64_t (*packed_a_bytes)(int64_t columns);
    /// Packs columns `begin..<end` (`begin` a multiple of 64) of up to MR tokens. Tokens past them are zero.
    void (*pack_a)(
        cpuk_format format, const float *x, int64_t ldx, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
        void *packed);
    /// Packs columns `begin..<begin + depth` of the rows.
    void (*pack_b)(const weight_rows *rows, int64_t begin, int64_t depth, void *packed);
    /// Products of the rows with `count` panels of A over those columns; adds to what is there where `begin` is not 0.
    /// `products[(p * NC + r) * MR + t]` is that of row r and token t of panel p; where A is not packed,
    /// `products[t * NC + r]`.
    void (*multiply)(
        const weight_rows *rows, const void *packed_b, const packed_a *x, int64_t count, int64_t begin, int64_t depth,
        read_ahead ahead, float *products);
    /// `y[t * NC + r] = products[r * MR + t]` for the tokens of a panel. NULL: they lie so already.
    void (*transpose)(const float *products, int64_t rows, float *y);

    /// What a thread must do before its first and after its last call of the above for one product, such as setting up
    /// tile registers. NULL: nothing.
    void (*begin_thread)(void);
    void (*end_thread)(void);
} gemm_kernel;

/// The epilogue for columns `n0..<n0 + count` of an output row.
typedef struct {
    const float *bias;
    const float *gate_bias;
    cpuk_activation activation;
    bool gated;
} epilogue;

/// Where a result goes: rows `stride` apart.
typedef struct {
    float *data;
    int64_t stride;
    const float *residual;
    int64_t residual_stride;
    /// The residual is added before the activation, not behind it.
    bool adds_residual_first;
} product_target;

/// Products of tokens with a panel of outputs over all columns, and their epilogue.
typedef struct {
    /// The tokens' quantised rows, any number of them.
    const char *rows;
    int64_t row_bytes, tokens, columns;
    /// The panel's packed blocks of PACKED_ROWS outputs, and those that gate them; NULL: none do.
    const char *blocks, *gates;
    int64_t block_bytes, outputs;
    const epilogue *epilogue;
    /// The number of the panel's first output.
    int64_t first_output;
    product_target target;
} token_tile;

/// Products of any number of tokens, each quantised with one scale.
typedef struct {
    /// MR and NR.
    int64_t tile_tokens, panel_outputs;
    /// Bytes of a quantised row, a multiple of 64.
    int64_t (*row_bytes)(int64_t columns);
    void (*quantise_row)(const float *x, int64_t columns, void *row);
    /// 1 to NR outputs.
    void (*multiply)(const token_tile *tile);
} token_kernel;

/// One way to multiply. A context has an ordered list of them; the first that takes a product computes it.
typedef struct {
    /// Whether activations are rounded to BF16 or quantised to int8. Such kernels take only weights that allow it.
    bool rounds_activations;
    bool (*supports)(cpuk_format format, int64_t tokens);
    /// The packing of the weights that the kernel multiplies; NULL: they lie as in their file.
    const weight_packing *packing;
    /// One of these; the others are NULL.
    const gemv_kernel *gemv;
    const gemm_kernel *gemm;
    const token_kernel *by_token;
} matmul_kernel;
