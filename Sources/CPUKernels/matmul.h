// What the drivers of matrix products share.
#pragma once
#include "context.h"

typedef struct {
    cpuk_context *context;
    const cpuk_matmul_args *args;
    epilogue epilogue;
    /// Output columns.
    int64_t outputs;
    /// The kernels for rounded activations, or NULL; and the records or strips they read.
    const reduced_kernels *reduced;
    activation_records x;
} matmul_job;

// Calls `body` for each piece of rows `n0..<n0 + count` that lies in one part.
#define FOR_EACH_PIECE(weight, n0, count, body)                                                                       \
    {                                                                                                                 \
        int64_t part_begin = 0;                                                                                       \
        for (int64_t part_index = 0; part_index < (weight)->part_count; part_index++) {                              \
            const cpuk_weight_part *part = &(weight)->parts[part_index];                                              \
            int64_t begin = at_least(n0, part_begin), end = at_most((n0) + (count), part_begin + part->rows);         \
            if (begin < end) {                                                                                        \
                int64_t in_part = begin - part_begin, piece = end - begin, offset = begin - (n0);                     \
                const char *rows = (const char *)part->data + in_part * (weight)->row_bytes;                          \
                const float *scales = part->scales ? part->scales + in_part : NULL;                                   \
                body                                                                                                  \
            }                                                                                                         \
            part_begin += part->rows;                                                                                 \
        }                                                                                                             \
    }

/// Tokens whose products of PANEL_ROWS rows wait in scratch for their end.
enum { PANEL_BLOCK_TOKENS = 512 };

/// Finishes `count` outputs from `n0` on of `tokens` rows from `t0` on, whose products lie in `y` (and `up`).
void finish_products(
    const matmul_job *job, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy);

/// The rows `n..<n + count` of a weight, wherever they lie.
panel_rows rows_of(const cpuk_weight *weight, int64_t n, int64_t count);

/// Bytes of scratch that a thread needs for products of many tokens.
int64_t panel_scratch_bytes(const cpuk_context *context);
int64_t strip_scratch_bytes(const reduced_kernels *kernels);
/// Bytes of scratch for the rounded activations of `tokens` rows of `columns`, or -1 where that is too much to ask for.
int64_t reduced_activation_bytes(const reduced_kernels *kernels, int64_t tokens, int64_t columns);

/// Rounds the activations of a product for `job->reduced`.
void round_activations(matmul_job *job, bool few);
/// Products of many tokens with FP32 activations, and with rounded ones.
void multiply_panels(const matmul_job *job);
void multiply_strips(const matmul_job *job);
