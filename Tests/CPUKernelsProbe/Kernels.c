#include "CPUKernelsProbe.h"

#include "kernels/kernel_set.h"
#include "targets/registry.h"

#include <stdlib.h>
#include <string.h>

// More than the least that any kernel takes.
enum { MANY_TOKENS = 600 };

static const gemm_kernel *gemm_of(int set, int format, int64_t tokens) {
    const kernel_set *kernels = kernels_of_set(set);
    for (int i = 0; i < kernels->matmul_count; i++) {
        const matmul_kernel *matmul = &kernels->matmuls[i];
        if (matmul->packing) continue;
        if (matmul->gemm && (format < 0 || matmul->supports((cpuk_format)format, tokens))) return matmul->gemm;
    }
    return NULL;
}

static const gemv_kernel *gemv_of(int set, int format, int64_t tokens) {
    const kernel_set *kernels = kernels_of_set(set);
    for (int i = 0; i < kernels->matmul_count; i++) {
        const matmul_kernel *matmul = &kernels->matmuls[i];
        if (matmul->gemv && !matmul->packing && matmul->supports((cpuk_format)format, tokens)) return matmul->gemv;
    }
    return NULL;
}

// The set's kernel for packed weights.
static const matmul_kernel *packed_kernel_of(int set, int format, int64_t tokens) {
    const kernel_set *kernels = kernels_of_set(set);
    for (int i = 0; i < kernels->matmul_count; i++) {
        const matmul_kernel *matmul = &kernels->matmuls[i];
        if (matmul->packing && !matmul->by_token && matmul->supports((cpuk_format)format, tokens)) return matmul;
    }
    return NULL;
}

bool probe_takes_packed(int set, int format, int64_t tokens) { return packed_kernel_of(set, format, tokens) != NULL; }
bool probe_takes_gemm(int set, int format, int64_t tokens) { return gemm_of(set, format, tokens) != NULL; }
bool probe_takes_gemv(int set, int format, int64_t tokens) { return gemv_of(set, format, tokens) != NULL; }

void probe_dequantise(int set, int format, const void *row, int64_t columns, float *values) {
    kernels_of_set(set)->rows->embed((cpuk_format)format, row, 1, columns, false, values);
}

probe_gemm_kernel probe_gemm_kernel_of(int set) {
    const gemm_kernel *kernel = gemm_of(set, -1, 0);
    return (probe_gemm_kernel){
        .panel_tokens = kernel->panel_tokens, .kc = kernel->kc, .packed_b_bytes = kernel->packed_b_bytes,
        .packs_a = kernel->pack_a != NULL, .transposes = kernel->transpose != NULL};
}

static weight_rows rows_of(const probe_rows *rows) {
    weight_rows result = {
        .format = (cpuk_format)rows->format, .columns = rows->columns, .row_bytes = rows->row_bytes,
        .count = rows->count};
    for (int64_t r = 0; r < rows->count; r++) {
        result.rows[r] = (const char *)rows->rows + r * rows->row_bytes;
        if (rows->scales) result.scales[r] = rows->scales[r];
    }
    return result;
}

void probe_pack_b(int set, const probe_rows *rows, int64_t begin, int64_t depth, void *packed) {
    const weight_rows gathered = rows_of(rows);
    gemm_of(set, -1, 0)->pack_b(&gathered, begin, depth, packed);
}

int64_t probe_packed_a_bytes(int set, int64_t columns) { return gemm_of(set, -1, 0)->packed_a_bytes(columns); }

void probe_pack_a(int set, int format, const float *x, int64_t tokens, int64_t columns, void *packed) {
    gemm_of(set, -1, 0)->pack_a((cpuk_format)format, x, columns, tokens, columns, 0, columns, packed);
}

static void run_gemm(
    const gemm_kernel *kernel, const weight_rows *weight, const float *x, int64_t tokens, float *y) {
    const weight_rows gathered = *weight;
    const int64_t columns = gathered.columns, mr = kernel->panel_tokens, panels = (tokens + mr - 1) / mr;
    packed_a a = {.data = (const char *)x, .stride = columns * (int64_t)sizeof(float), .columns = columns};
    char *packed = NULL;
    if (kernel->pack_a) {
        a.stride = kernel->packed_a_bytes(columns);
        packed = aligned_alloc(64, (size_t)((panels * a.stride + 63) / 64 * 64));
        for (int64_t p = 0; p < panels; p++) {
            const int64_t left = tokens - p * mr;
            kernel->pack_a(
                gathered.format, x + p * mr * columns, columns, left < mr ? left : mr, columns, 0, columns,
                packed + p * a.stride);
        }
        a.data = packed;
    }
    void *panel = aligned_alloc(64, (size_t)((kernel->packed_b_bytes + 63) / 64 * 64));
    float *products = malloc((size_t)(panels * mr * NC) * sizeof(float));
    if (kernel->begin_thread) kernel->begin_thread();
    for (int64_t k = 0; k < columns; k += kernel->kc) {
        const int64_t depth = columns - k < kernel->kc ? columns - k : kernel->kc;
        kernel->pack_b(&gathered, k, depth, panel);
        kernel->multiply(&gathered, panel, &a, panels, k, depth, (read_ahead){0}, products);
    }
    if (kernel->end_thread) kernel->end_thread();
    if (!kernel->transpose) memcpy(y, products, (size_t)(tokens * NC) * sizeof(float));
    for (int64_t p = 0; kernel->transpose && p < panels; p++) {
        float square[16 * NC];
        kernel->transpose(products + p * mr * NC, gathered.count, square);
        const int64_t left = tokens - p * mr;
        memcpy(y + p * mr * NC, square, (size_t)((left < mr ? left : mr) * NC) * sizeof(float));
    }
    free(products);
    free(panel);
    free(packed);
}

void probe_gemm(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y) {
    const weight_rows gathered = rows_of(rows);
    run_gemm(gemm_of(set, -1, 0), &gathered, x, tokens, y);
}

void probe_gemm_for_tokens(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y) {
    const weight_rows gathered = rows_of(rows);
    run_gemm(gemm_of(set, rows->format, tokens), &gathered, x, tokens, y);
}

static void run_gemv(
    const gemv_kernel *kernel, const probe_rows *rows, const float *x, int64_t tokens, float *y, int64_t ldy) {
    const int64_t columns = rows->columns;
    packed_a a = {.data = (const char *)x, .stride = columns * (int64_t)sizeof(float), .columns = columns};
    char *packed = NULL;
    if (kernel->pack_a) {
        a.stride = kernel->packed_a_bytes(columns);
        packed = aligned_alloc(64, (size_t)(tokens * a.stride));
        for (int64_t t = 0; t < tokens; t++)
            kernel->pack_a((cpuk_format)rows->format, x + t * columns, columns, packed + t * a.stride);
        a.data = packed;
    }
    kernel->multiply(
        (cpuk_format)rows->format, rows->rows, rows->row_bytes, rows->scales, rows->count, &a, tokens, y, ldy);
    free(packed);
}

void probe_gemv(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y) {
    run_gemv(gemv_of(set, rows->format, tokens), rows, x, tokens, y, rows->count);
}

int64_t probe_row_block_bytes(int set, int format, int64_t columns) {
    const matmul_kernel *kernel = packed_kernel_of(set, format, MANY_TOKENS);
    return kernel ? kernel->packing->block_bytes((cpuk_format)format, columns) : 0;
}

void probe_pack_row_blocks(int set, const probe_rows *rows, void *packed) {
    const weight_packing *packing = packed_kernel_of(set, rows->format, MANY_TOKENS)->packing;
    const weight_rows gathered = rows_of(rows);
    for (int64_t r = 0; r < rows->count; r += PACKED_ROWS) {
        const int64_t left = rows->count - r;
        packing->pack_block(
            gathered.format, gathered.rows + r, gathered.scales + r, left < PACKED_ROWS ? left : PACKED_ROWS,
            rows->columns, packed);
        packed = (char *)packed + packing->block_bytes(gathered.format, rows->columns);
    }
}

void probe_packed_product(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y) {
    const matmul_kernel *kernel = packed_kernel_of(set, rows->format, tokens);
    const int64_t bytes = probe_row_block_bytes(set, rows->format, rows->columns);
    const int64_t blocks = (rows->count + PACKED_ROWS - 1) / PACKED_ROWS;
    char *packed = aligned_alloc(64, (size_t)(blocks * bytes));
    probe_pack_row_blocks(set, rows, packed);
    if (kernel->gemv) {
        probe_rows of_blocks = *rows;
        of_blocks.rows = packed;
        run_gemv(kernel->gemv, &of_blocks, x, tokens, y, NC);
    } else {
        weight_rows gathered = {
            .format = (cpuk_format)rows->format, .columns = rows->columns, .count = rows->count};
        for (int64_t b = 0; b < blocks; b++) gathered.rows[b] = packed + b * bytes;
        run_gemm(kernel->gemm, &gathered, x, tokens, y);
    }
    free(packed);
}
