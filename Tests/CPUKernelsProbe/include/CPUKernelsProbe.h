// What the tests of CPUKernels call below its ops: packing, micro-kernels, dequantising, partition and threads.
//
// A set is the number of a kernel set that this machine runs, a format that of a row of the table of number formats.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Whether the set has a GEMM (else a GEMV) kernel that takes the format for so many tokens.
bool probe_takes_gemm(int set, int format, int64_t tokens);
bool probe_takes_gemv(int set, int format, int64_t tokens);
/// Whether it has a kernel for weights of the format that are packed in blocks of rows.
bool probe_takes_packed(int set, int format, int64_t tokens);

/// Values of one row through the set's `embed`. Only for sets of floats.
void probe_dequantise(int set, int format, const void *row, int64_t columns, float *values);

/// What a set's GEMM kernel says of itself.
typedef struct {
    int64_t panel_tokens, kc, packed_b_bytes;
    bool packs_a, transposes;
} probe_gemm_kernel;
probe_gemm_kernel probe_gemm_kernel_of(int set);

/// `count` (up to 64) rows of a weight, `row_bytes` apart.
typedef struct {
    int format;
    const void *rows;
    int64_t row_bytes, count, columns;
    const float *scales;
} probe_rows;

/// Packs columns `begin..<begin + depth` of the rows.
void probe_pack_b(int set, const probe_rows *rows, int64_t begin, int64_t depth, void *packed);
/// Bytes of a packed panel of A, and packs `tokens` (up to the kernel's) of `columns` each.
int64_t probe_packed_a_bytes(int set, int64_t columns);
void probe_pack_a(int set, int format, const float *x, int64_t tokens, int64_t columns, void *packed);

/// `y[t * 64 + r]` of the rows and `tokens` (up to 64), through the set's packing and micro-kernel.
void probe_gemm(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y);
/// The products of all tokens by the kernel that takes so many.
void probe_gemm_for_tokens(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y);
/// `y[t * count + r]` of the rows and `tokens` (up to 8), through the set's GEMV.
void probe_gemv(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y);

/// Bytes of a block of 16 rows as the set packs weights; 0: it does not pack this format.
int64_t probe_row_block_bytes(int set, int format, int64_t columns);
/// Packs the rows to blocks, the last one padded.
void probe_pack_row_blocks(int set, const probe_rows *rows, void *packed);
/// The product of packed rows, up to 64, with `tokens` (up to 64): `y[t * 64 + r]`.
void probe_packed_product(int set, const probe_rows *rows, const float *x, int64_t tokens, float *y);

/// How a product is cut: runs through all tasks and counts how often each (output, panel of A) is computed. Returns the
/// number of tasks.
int64_t probe_partition(
    int64_t outputs, int64_t panels, int64_t panel_tokens, int64_t packing_tokens, int64_t threads, int32_t *counts);
/// The sequence of a task by the search that attention uses.
int64_t probe_sequence(const int64_t *first_task, int64_t sequences, int64_t task);
/// Tasks that `count` rows of `bytes` are cut into, and whether their ranges follow on each other from 0 to `count`.
int64_t probe_row_tasks(int64_t threads, int64_t count, int64_t bytes, bool *is_whole);

/// Runs `jobs` jobs of `count` tasks; `runs[task]` counts how often each ran. False where a worker's number was not
/// below `threads`.
bool probe_pool(int threads, int jobs, int64_t count, int32_t *runs);

/// A product of `tokens` by `outputs` through a GEMM whose hooks count: calls of `begin_thread`, of `end_thread`, and
/// of kernel functions outside of the two. `y` is `[tokens, outputs]`.
typedef struct {
    int64_t begins, ends, outside;
} probe_hooks;
probe_hooks probe_hooks_of_product(
    int set, int threads, const float *weight, const float *x, int64_t tokens, int64_t outputs, int64_t columns,
    float *y);

/// Whether memory of those sizes is refused and leaves what was reserved before.
bool probe_refuses_scratch(int64_t bytes);
