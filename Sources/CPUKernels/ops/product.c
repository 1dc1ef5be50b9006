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

/// Rows that are fetched before they are written: each lies in a page of its own, which processors do not foresee.
enum { ROWS_AHEAD = 6 };

static inline void prefetch_row(cpuk_rows rows, int64_t row, int64_t n0, int64_t count) {
    const float *from = rows.data + row * rows.stride + n0;
    for (int64_t n = 0; n < count; n += LINE_FLOATS) __builtin_prefetch(from + n, 1, 3);
}

void apply_epilogues(
    const product *product, int64_t n0, int64_t count, int64_t t0, int64_t tokens, const float *y, const float *up,
    int64_t ldy) {
    const cpuk_matmul_args *args = product->args;
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t row = t0 + t;
        if (t + ROWS_AHEAD < tokens) prefetch_row(args->output, row + ROWS_AHEAD, n0, count);
        const float *residual = args->residual.data ? args->residual.data + row * args->residual.stride + n0 : NULL;
        product->context->rows->apply_epilogue(
            &product->epilogue, n0, count, y + t * ldy, up + t * ldy, residual,
            args->output.data + row * args->output.stride + n0);
    }
}
