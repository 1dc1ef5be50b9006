// Convolutions as matrix products of the pixels below the windows, which are read where they lie: a task finds the
// pixels below some windows once, and multiplies them with one panel of the weight after another.
#include "convolve.h"

#include <stdlib.h>
#include <string.h>

enum {
    MR = CONVOLUTION_MR,
    /// KC: columns of a panel that are multiplied at a time, so that they stay in the second-level cache.
    KC = 1536,
    /// Below so many channels the taps of a line, which lie side by side, are taken as one.
    FEW_CHANNELS = 32,
    /// Of a 3x3 weight of int8 that is multiplied by Winograd's tiles at most: 256 by 256 channels.
    MOST_NUMBERS_AS_FLOATS = 9 << 16,
};

// Where all columns are multiplied in one pass, since a pass takes taps of their own.
static bool has_lines(const cpuk_window *w, int64_t stride) {
    return w->channels < FEW_CHANNELS && w->kernel_width > 1 && w->dilation_x == 1 && stride == w->channels
        && tap_count(w) <= KC / w->channels;
}

/// Scratch of a thread.
typedef struct {
    /// A line of zeros, which stands for padding.
    float *zeros;
    const float **pixels;
    float *sums;
} direct_scratch;

static int64_t zeros_bytes(const cpuk_window *w) {
    const int64_t run = w->channels < FEW_CHANNELS ? w->channels * w->kernel_width : w->channels;
    return line_bytes(run * (int64_t)sizeof(float));
}

static int64_t direct_thread_bytes(const convolution_kernels *kernels, const cpuk_window *w) {
    return zeros_bytes(w) + window_table_bytes(w)
        + line_bytes(window_block(w) * kernels->panel_outputs * (int64_t)sizeof(float));
}

// ---- Products

/// Columns of a panel that are multiplied at a time: some taps, or a part of one.
typedef struct {
    int64_t tap, taps, channel, channels;
} panel_pass;

static panel_pass pass_at(const cpuk_window *w, int64_t tap, int64_t channel) {
    return (panel_pass){
        tap, at_most(at_least(1, KC / w->channels), tap_count(w) - tap), channel, at_most(KC, w->channels - channel)};
}

static const float *pass_weights(const convolution_job *job, int64_t panel, const panel_pass *pass) {
    const cpuk_convolution_args *args = job->args;
    const convolution_kernels *kernels = job->context->convolution;
    const int64_t channels = args->window->channels;
    return (const float *)args->packed + panel * kernels->panel_outputs * tap_count(args->window) * channels
        + (pass->tap * channels + pass->channel) * panel_width(kernels, args->outputs, panel);
}

/// What a task multiplies: windows in groups, with the pixels below them.
typedef struct {
    const convolution_job *job;
    convolution_task part;
    direct_scratch scratch;
    int64_t count;
    window_group groups[WINDOW_BLOCK / MR];
} direct_windows;

// A tile of a pass, without its windows.
static convolution_tile pass_tile(const convolution_job *job, int64_t panel, const panel_pass *pass) {
    const int64_t panel_outputs = job->context->convolution->panel_outputs, first_output = panel * panel_outputs;
    return (convolution_tile){
        .offset = pass->channel, .panel = pass_weights(job, panel, pass),
        .outputs = at_most(panel_outputs, job->args->outputs - first_output), .epilogue = &job->epilogue,
        .first_output = first_output};
}

// A tile of pass `pass` over group `g`.
static void multiply_group(
    const direct_windows *windows, convolution_tile *tile, const panel_pass *pass, int64_t g) {
    const convolution_job *job = windows->job;
    const convolution_kernels *kernels = job->context->convolution;
    const cpuk_window *w = job->args->window;
    const window_group *group = &windows->groups[g];
    const bool is_first = pass->tap == 0 && pass->channel == 0;
    const bool is_last = pass->tap + pass->taps == tap_count(w) && pass->channel + pass->channels == w->channels;
    const bool has_all = is_first && is_last;
    float *sums = windows->scratch.sums + g * MR * kernels->panel_outputs;
    tile->pixels = windows->scratch.pixels + (g * tap_count(w) + pass->tap) * MR;
    tile->taps = has_all ? group->taps : pass->taps;
    tile->depth = has_all ? group->depth : pass->channels;
    tile->rows = group->count;
    tile->before = is_first ? NULL : sums;
    tile->after = is_last ? NULL : sums;
    tile->target = target_of(job, group->first, tile->first_output);
    kernels->multiply(tile);
}

// A pass of all windows over the columns of a panel; pass `after`, over panel `next`, follows. Negative: none.
static void multiply_pass(
    const direct_windows *windows, int64_t panel, const panel_pass *pass, int64_t next, const panel_pass *after) {
    const convolution_job *job = windows->job;
    const int64_t steps = pass->taps * pass->channels;
    const int64_t width = next < 0 ? 0 : panel_width(job->context->convolution, job->args->outputs, next);
    const int64_t bytes = after->taps * after->channels * width * (int64_t)sizeof(float);
    const read_ahead ahead =
        ahead_of(next < 0 ? NULL : pass_weights(job, next, after), bytes, windows->count, steps);
    convolution_tile tile = pass_tile(job, panel, pass);
    tile.ahead_bytes = ahead.bytes;
    // Pixels that were read for the first panel are in a cache; those below windows of more taps mostly are before.
    const bool is_first = panel == windows->part.panels.begin && tap_count(job->args->window) == 1;
    for (int64_t g = 0; g < windows->count; g++) {
        tile.ahead = ahead.from + g * steps * ahead.bytes;
        tile.next_pixels = is_first && g + 1 < windows->count ? windows->scratch.pixels + (g + 1) * MR : NULL;
        multiply_group(windows, &tile, pass, g);
    }
}

// All passes of all windows over a panel; `next` is the panel that follows.
static void multiply_panel(const direct_windows *windows, int64_t panel, int64_t next) {
    const cpuk_window *w = windows->job->args->window;
    panel_pass pass = pass_at(w, 0, 0);
    for (bool is_last = false; !is_last;) {
        const int64_t channel = pass.channel + pass.channels;
        const bool has_channels = channel < w->channels;
        const int64_t tap = has_channels ? pass.tap : pass.tap + pass.taps;
        is_last = tap == tap_count(w);
        const panel_pass after = is_last ? pass_at(w, 0, 0) : pass_at(w, tap, has_channels ? channel : 0);
        multiply_pass(windows, panel, &pass, is_last ? next : panel, &after);
        pass = after;
    }
}

static void direct_task(void *argument, int64_t task, int worker) {
    const convolution_job *job = argument;
    const cpuk_convolution_args *args = job->args;
    const cpuk_window *w = args->window;
    char *memory = convolution_scratch(job, worker);
    direct_windows windows = {.job = job, .part = convolution_task_at(job, task)};
    windows.scratch = (direct_scratch){
        .zeros = (float *)memory, .pixels = (const float **)(memory + zeros_bytes(w)),
        .sums = (float *)(memory + zeros_bytes(w) + window_table_bytes(w))};
    memset(windows.scratch.zeros, 0, (size_t)zeros_bytes(w));
    const pixel_source source = {
        .data = (const char *)args->x.data, .padding = (const char *)windows.scratch.zeros,
        .stride = args->x.stride * (int64_t)sizeof(float), .has_lines = has_lines(w, args->x.stride)};
    windows.count = find_windows(w, &source, windows.part.places, windows.groups, windows.scratch.pixels);
    for (int64_t panel = windows.part.panels.begin; panel < windows.part.panels.end; panel++)
        multiply_panel(&windows, panel, panel_after(job, task, &windows.part, panel));
}

static void direct(convolution_job *job) {
    const cpuk_window *w = job->args->window;
    job->places = w->images * w->grid_height * w->grid_width;
    job->scratch_bytes = direct_thread_bytes(job->context->convolution, w);
    cut_convolution(job, window_block(w), MR, 4 * thread_count(job->context));
    const int64_t work = job->places * job->args->outputs * tap_count(w) * w->channels / 16;
    run_tasks(job->context->pool, direct_task, job, convolution_task_count(job), work);
}

// ---- The weight

static bool are_floats_together(const cpuk_weight *weight) {
    return weight->format == CPUK_F32 && weight->part_count == 1
        && (uintptr_t)weight->parts[0].data % sizeof(float) == 0;
}

const float *convolution_rows(const convolution_packing *packing, int64_t first, int64_t count, int worker) {
    const cpuk_weight *weight = packing->weight;
    if (!packing->rows) return (const float *)weight->parts[0].data + first * weight->columns;
    float *rows = packing->rows + worker * packing->context->convolution->panel_outputs * weight->columns;
    for (int64_t n = 0; n < count; n++) {
        const part_rows row = rows_from(weight, first + n, 1);
        packing->context->rows->embed(
            weight->format, row.rows, row.scales ? *row.scales : 1, weight->columns, false,
            rows + n * weight->columns);
    }
    return rows;
}

static void pack_task(void *argument, int64_t panel, int worker) {
    const convolution_packing *packing = argument;
    const convolution_kernels *kernels = packing->context->convolution;
    const int64_t n = panel * kernels->panel_outputs, columns = packing->weight->columns;
    const int64_t count = at_most(kernels->panel_outputs, packing->weight->rows - n);
    kernels->pack(
        convolution_rows(packing, n, count, worker), columns, count, columns, (float *)packing->packed + n * columns);
}

// As floats, where the weight's numbers are plain ones and no kernel that rounds activations multiplies it faster.
static bool takes_floats(const cpuk_context *context, const cpuk_weight *weight) {
    // Of few channels, which int8 does not pay for.
    if (weight->format == CPUK_I8 && weight->reduced) return context->convolution_int8 != NULL;
    if (weight->format != CPUK_F32 && weight->format != CPUK_BF16 && weight->format != CPUK_F16) return false;
    if (!weight->reduced) return true;
    for (int i = 0; i < context->matmul_count; i++) {
        const matmul_kernel *kernel = context->matmuls[i];
        if (kernel->rounds_activations && kernel->supports(weight->format, MC)) return false;
    }
    return true;
}

// Without an instruction for quads integers save half of the multiplications, and Winograd's large tiles three of four
// (measured: 1.5 times as fast on Zen 3). Its weight takes 16 bytes for each of int8: not where that is much.
static bool winograd_beats_int8(
    const cpuk_context *context, cpuk_convolution_form winograd, const cpuk_weight *weight) {
    return winograd == CPUK_CONVOLUTION_WINOGRAD_4 && context->convolution_int8->step < 4
        && weight->rows * weight->columns <= MOST_NUMBERS_AS_FLOATS;
}

static cpuk_convolution_form form_of(
    const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight) {
    if (weight->rows == 0 || weight->columns == 0) return CPUK_CONVOLUTION_NONE;
    const cpuk_convolution_form winograd = winograd_form(window, weight->rows);
    if (takes_convolution_int8(context, window, weight))
        return winograd_beats_int8(context, winograd, weight) ? winograd : CPUK_CONVOLUTION_INT8;
    if (!takes_floats(context, weight)) return CPUK_CONVOLUTION_NONE;
    return winograd ? winograd : CPUK_CONVOLUTION_DIRECT;
}

bool cpuk_pack_convolution(
    cpuk_context *context, const cpuk_window *window, cpuk_convolution_form form, const cpuk_weight *weight,
    void *packed) {
    const convolution_kernels *kernels = context->convolution;
    const int64_t weight_bytes = weight->rows * weight->columns;
    convolution_packing packing = {
        .context = context, .window = window, .weight = weight, .form = form, .packed = packed};
    if (form == CPUK_CONVOLUTION_INT8) {
        const int64_t panels = divide_up(weight->rows, context->convolution_int8->panel_outputs);
        run_tasks(context->pool, convolution_int8_pack_task, &packing, panels, weight_bytes);
        return true;
    }
    if (!are_floats_together(weight)) {
        const int64_t row_bytes = scratch_product(weight->columns, (int64_t)sizeof(float));
        const int64_t bytes = scratch_product(row_bytes, kernels->panel_outputs * thread_count(context));
        packing.rows = bytes < SCRATCH_TOO_MUCH ? malloc((size_t)bytes) : NULL;
        if (!packing.rows) return false;
    }
    run_tasks(
        context->pool, form == CPUK_CONVOLUTION_DIRECT ? pack_task : winograd_pack_task, &packing,
        panel_count(kernels, weight->rows), weight_bytes * (int64_t)sizeof(float));
    free(packing.rows);
    return true;
}

// ---- The op

cpuk_convolution_plan cpuk_plan_convolution(
    const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight, cpuk_convolution_form packed) {
    const convolution_kernels *kernels = context->convolution;
    cpuk_convolution_plan plan = {.form = packed ? packed : form_of(context, window, weight)};
    if (plan.form == CPUK_CONVOLUTION_NONE) return plan;
    if (plan.form == CPUK_CONVOLUTION_INT8) {
        plan.packed_bytes = convolution_int8_packed_bytes(context, window, weight->rows);
        plan.scratch_bytes = convolution_int8_scratch_bytes(context, window, weight->rows);
    } else {
        const int64_t of_winograd = winograd_number_count(kernels, plan.form);
        const int64_t numbers = of_winograd ? of_winograd : tap_count(window);
        const int64_t rows = scratch_product(padded_outputs(kernels, weight->rows), window->channels);
        plan.packed_bytes = scratch_product(rows, numbers * (int64_t)sizeof(float));
        plan.scratch_bytes = scratch_product(
            of_winograd ? winograd_thread_bytes(kernels, plan.form, window) : direct_thread_bytes(kernels, window),
            thread_count(context));
    }
    if (plan.packed_bytes >= SCRATCH_TOO_MUCH || plan.scratch_bytes >= SCRATCH_TOO_MUCH)
        plan = (cpuk_convolution_plan){.form = CPUK_CONVOLUTION_NONE};
    return plan;
}

void cpuk_convolve(cpuk_context *context, const cpuk_convolution_args *args) {
    const cpuk_window *w = args->window;
    if (args->outputs == 0 || w->images * w->grid_height * w->grid_width == 0) return;
    convolution_job job = {.context = context, .args = args};
    job.epilogue = (epilogue){.bias = args->bias, .activation = args->activation};
    job.panels = panel_count(context->convolution, args->outputs);
    switch (args->form) {
    case CPUK_CONVOLUTION_DIRECT: direct(&job); return;
    case CPUK_CONVOLUTION_WINOGRAD_2:
    case CPUK_CONVOLUTION_WINOGRAD_4: winograd(&job); return;
    case CPUK_CONVOLUTION_INT8: convolve_int8(&job); return;
    case CPUK_CONVOLUTION_NONE: return;
    }
}
