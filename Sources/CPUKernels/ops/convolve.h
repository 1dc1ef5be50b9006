// What the ways to compute a convolution share: directly (convolve.c), Winograd's (winograd.c), and in int8
// (convolve_int8.c).
#pragma once
#include "matmul.h"
#include "windows.h"

typedef struct {
    const cpuk_context *context;
    const cpuk_convolution_args *args;
    epilogue epilogue;
    /// Panels of the weight, and how many of them a task computes.
    int64_t panels, task_panels;
    /// Places of the grid (or Winograd's tiles of them), how many of them a task computes, and blocks of so many.
    int64_t places, block, blocks;
    /// Bytes of scratch of one thread.
    int64_t scratch_bytes;
} convolution_job;

/// Some places of the grid times some panels.
typedef struct {
    index_range places, panels;
} convolution_task;

static inline int64_t panel_count(const convolution_kernels *kernels, int64_t outputs) {
    return divide_up(outputs, kernels->panel_outputs);
}

/// Channels of a panel, padded to whole vectors.
static inline int64_t panel_width(const convolution_kernels *kernels, int64_t outputs, int64_t panel) {
    const int64_t rest = at_most(kernels->panel_outputs, outputs - panel * kernels->panel_outputs);
    return divide_up(rest, kernels->vector) * kernels->vector;
}

static inline int64_t padded_outputs(const convolution_kernels *kernels, int64_t outputs) {
    return divide_up(outputs, kernels->vector) * kernels->vector;
}

/// Cuts the work into tasks of at most `most` places. A task computes all panels, or some where there would be fewer
/// than `wanted` tasks. Places that fit one task stay together where threads can share the panels evenly, since each
/// part of them reads the weight; else threads get the same number of tasks, unless these had fewer than `least`
/// places.
static inline void cut_convolution(convolution_job *job, int64_t most, int64_t least, int64_t wanted) {
    const int64_t threads = thread_count(job->context);
    job->blocks = divide_up(job->places, most);
    const int64_t even = divide_up(job->blocks, threads) * threads;
    const bool is_one = job->blocks == 1 && job->panels % threads == 0;
    if (!is_one && job->places >= even * least) job->blocks = even;
    job->block = divide_up(job->places, job->blocks);
    // Where nobody waits for the larger part, whole tiles.
    if (threads == 1) job->block = at_most(most, divide_up(job->block, CONVOLUTION_MR) * CONVOLUTION_MR);
    job->blocks = divide_up(job->places, job->block);
    job->task_panels = job->panels;
    if (threads > 1 && job->blocks < wanted)
        job->task_panels = divide_up(job->panels, at_most(job->panels, divide_up(wanted, job->blocks)));
}

static inline int64_t convolution_task_count(const convolution_job *job) {
    return job->blocks * divide_up(job->panels, job->task_panels);
}

static inline convolution_task convolution_task_at(const convolution_job *job, int64_t task) {
    const int64_t block = task % job->blocks * job->block, panel = task / job->blocks * job->task_panels;
    return (convolution_task){
        {block, at_most(block + job->block, job->places)}, {panel, at_most(panel + job->task_panels, job->panels)}};
}

/// The scratch of a thread.
static inline char *convolution_scratch(const convolution_job *job, int worker) {
    return (char *)job->args->scratch + worker * job->scratch_bytes;
}

static inline int64_t line_bytes(int64_t bytes) { return divide_up(bytes, 64) * 64; }

// ---- The pixels below windows

enum {
    /// Windows of a task: as many as make full tiles of 14x14 pixels, and of larger maps of the usual sizes.
    WINDOW_BLOCK = 33 * CONVOLUTION_MR,
    /// Pointers to pixels of a task at most.
    WINDOW_TABLE = 1 << 14,
};

/// Pixels as a kernel reads them, `stride` bytes apart, and what stands for those of the padding.
typedef struct {
    const char *data, *padding;
    int64_t stride;
    /// The taps of a line of the kernel lie side by side in memory and are taken as one.
    bool has_lines;
} pixel_source;

/// Up to MR windows, which make a tile: of each `taps` runs of `depth` numbers.
typedef struct {
    int64_t first, count, taps, depth;
} window_group;

static inline int64_t tap_count(const cpuk_window *w) { return w->kernel_height * w->kernel_width; }
/// Windows of a task, and bytes of their table.
int64_t window_block(const cpuk_window *window);
int64_t window_table_bytes(const cpuk_window *window);
/// Finds the pixels below windows: groups of up to MR, whose number it returns, and for each a pointer for each tap of
/// each window.
int64_t find_windows(
    const cpuk_window *window, const pixel_source *source, index_range windows, window_group *groups,
    const float **pixels);

/// The target of a tile of `job`.
static inline product_target target_of(const convolution_job *job, int64_t row, int64_t output) {
    const cpuk_convolution_args *args = job->args;
    return (product_target){
        .data = args->output.data + row * args->output.stride + output, .stride = args->output.stride,
        .residual = args->residual.data ? args->residual.data + row * args->residual.stride + output : NULL,
        .residual_stride = args->residual.stride, .adds_residual_first = args->adds_residual_first};
}

/// Has `tiles` tiles prefetch the `bytes` at `next`, which are read after theirs, while they take `steps` steps each:
/// where the first tile begins, and how many bytes a step. NULL: nothing is read.
static inline read_ahead ahead_of(const void *next, int64_t bytes, int64_t tiles, int64_t steps) {
    return (read_ahead){next, next ? divide_up(bytes, tiles * steps) : 0};
}

/// The panel that a thread multiplies after `panel` of a task, if all threads go on as fast; negative: none.
static inline int64_t panel_after(
    const convolution_job *job, int64_t task, const convolution_task *part, int64_t panel) {
    if (panel + 1 < part->panels.end) return panel + 1;
    const int64_t next = task + thread_count(job->context);
    return next < convolution_task_count(job) ? convolution_task_at(job, next).panels.begin : -1;
}

// ---- The ways

/// A weight that is packed, a task a panel.
typedef struct {
    const cpuk_context *context;
    const cpuk_window *window;
    const cpuk_weight *weight;
    cpuk_convolution_form form;
    void *packed;
    /// Of each thread room for the rows of a panel; NULL: they are read where they lie.
    float *rows;
} convolution_packing;

/// The rows of the weight that a panel is made of, as floats `weight->columns` apart.
const float *convolution_rows(const convolution_packing *packing, int64_t first, int64_t count, int worker);

/// Winograd's form that is faster than computing the convolution directly; NONE: neither.
cpuk_convolution_form winograd_form(const cpuk_window *window, int64_t outputs);
/// Numbers of a tile and channel; 0: the form is none of Winograd's.
int64_t winograd_number_count(const convolution_kernels *kernels, cpuk_convolution_form form);
int64_t winograd_thread_bytes(
    const convolution_kernels *kernels, cpuk_convolution_form form, const cpuk_window *window);
/// Packs panel `panel` of a weight for Winograd's products; a task of a `convolution_packing`, as is the next.
void winograd_pack_task(void *packing, int64_t panel, int worker);
void winograd(convolution_job *job);

bool takes_convolution_int8(const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight);
int64_t convolution_int8_packed_bytes(const cpuk_context *context, const cpuk_window *window, int64_t outputs);
int64_t convolution_int8_scratch_bytes(const cpuk_context *context, const cpuk_window *window, int64_t outputs);
void convolution_int8_pack_task(void *packing, int64_t panel, int worker);
void convolve_int8(convolution_job *job);
