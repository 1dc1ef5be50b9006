// What every driver of matrix products needs: rows of the weight, and the epilogue.
#include "matmul.h"

part_rows rows_from(const cpuk_weight *weight, int64_t n, int64_t count) {
    for (int64_t index = 0; index < weight->part_count; index++) {
        const cpuk_weight_part *part = &weight->parts[index];
        if (n < part->rows)
            return (part_rows){
                .rows = (const char *)part->data + n * weight->row_bytes,
                .scales = part->scales ? part->scales + n : NULL, .count = at_most(count, part->rows - n)};
        n -= part->rows;
    }
    return (part_rows){.rows = NULL};
}

const char *packed_block(const cpuk_weight *weight, const weight_packing *packing, int64_t n) {
    return (const char *)weight->packed + n / PACKED_ROWS * packing->block_bytes(weight->format, weight->columns);
}

/// Rows of the residual and the output that are fetched before they are used: each lies in a page of its own, which
/// processors do not foresee.
enum { ROWS_AHEAD = 6 };

static inline void prefetch_target(const cpuk_matmul_args *args, int64_t row, int64_t n0, int64_t count) {
    const float *to = args->output.data + row * args->output.stride + n0;
    for (int64_t n = 0; n < count; n += LINE_FLOATS) __builtin_prefetch(to + n, 1, 3);
    if (!args->residual.data) return;
    const float *from = args->residual.data + row * args->residual.stride + n0;
    for (int64_t n = 0; n < count; n += LINE_FLOATS) __builtin_prefetch(from + n, 0, 3);
}

void apply_epilogues(
    const product *product, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy) {
    const cpuk_matmul_args *args = product->args;
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t row = t0 + t;
        // Behind the last of these rows mostly come the next ones.
        if (row + ROWS_AHEAD < args->tokens) prefetch_target(args, row + ROWS_AHEAD, n0, count);
        const float *residual = args->residual.data ? args->residual.data + row * args->residual.stride + n0 : NULL;
        product->context->rows->apply_epilogue(
            &product->epilogue, n0, count, y + t * ldy, up + t * ldy, residual,
            args->output.data + row * args->output.stride + n0);
    }
}
