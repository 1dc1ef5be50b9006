// Convolutions with activations quantised to 8 bits. A map that a convolution quantised is multiplied where it lies,
// one of floats is quantised first. Results that are wanted as quants wait in FP32 until their pixel has all channels,
// whose largest number is the pixel's scale: few pixels at a time, so that they wait in the first-level cache.
#include "convolve_int8.h"

#include <string.h>

enum {
    MR = CONVOLUTION_MR,
    /// Of fewer channels FP32 is as fast, unless patches are taken and a patch has so many numbers.
    LEAST_INT8_CHANNELS = 48,
    LEAST_PATCH = 128,
    /// Of more channels sums of a tap do not fit 32 bits.
    MOST_INT8_CHANNELS = 1 << 16,
    /// Places of a thread below which threads share out panels, since the weight would be read by each.
    FEW_PLACES = 64,
    /// Bytes of results that wait to be quantised; more where the weight is larger than SMALL_WEIGHT, so that it is
    /// read seldom.
    RESULT_BYTES = 32 << 10,
    SMALL_WEIGHT = 768 << 10,
};

bool takes_convolution_int8(const cpuk_context *context, const cpuk_window *window, const cpuk_weight *weight) {
    return context->convolution_int8 && weight->format == CPUK_I8 && weight->reduced
        && window->channels <= MOST_INT8_CHANNELS
        && (window->channels >= LEAST_INT8_CHANNELS
            || (takes_patches(window) && tap_count(window) * window->channels >= LEAST_PATCH));
}

/// The convolution as it is multiplied: of patches one of one pixel.
static cpuk_window multiplied_window(const cpuk_window *w) {
    if (!takes_patches(w)) return *w;
    cpuk_window patches = {
        .images = w->images, .image_height = w->grid_height, .image_width = w->grid_width,
        .grid_height = w->grid_height, .grid_width = w->grid_width, .kernel_height = 1, .kernel_width = 1,
        .stride_y = 1, .stride_x = 1, .dilation_y = 1, .dilation_x = 1, .channels = tap_count(w) * w->channels};
    return patches;
}

// ---- The weight

static int64_t panel_bytes(const cpuk_context *context, const cpuk_window *w, int64_t outputs) {
    return context->convolution_int8->panel_bytes(tap_count(w), w->channels, outputs);
}

// Where a panel begins.
static int64_t panel_offset(const cpuk_context *context, const cpuk_window *w, int64_t panel) {
    return panel * panel_bytes(context, w, context->convolution_int8->panel_outputs);
}

int64_t convolution_int8_packed_bytes(const cpuk_context *context, const cpuk_window *window, int64_t outputs) {
    const cpuk_window w = multiplied_window(window);
    const convolution_int8_kernels *kernels = context->convolution_int8;
    return scratch_product(divide_up(outputs, kernels->vector), panel_bytes(context, &w, kernels->vector));
}

void convolution_int8_pack_task(void *argument, int64_t panel, int worker) {
    (void)worker;
    enum { MOST_OUTPUTS = 64 };
    const convolution_packing *packing = argument;
    const convolution_int8_kernels *kernels = packing->context->convolution_int8;
    const cpuk_window w = multiplied_window(packing->window);
    const int8_t *rows[MOST_OUTPUTS];
    float scales[MOST_OUTPUTS];
    const int64_t first = panel * kernels->panel_outputs;
    const int64_t count = at_most(kernels->panel_outputs, packing->weight->rows - first);
    for (int64_t n = 0; n < count; n++) {
        const part_rows row = rows_from(packing->weight, first + n, 1);
        rows[n] = (const int8_t *)row.rows;
        scales[n] = *row.scales;
    }
    kernels->pack(
        rows, scales, count, tap_count(&w), w.channels,
        (char *)packing->packed + panel_offset(packing->context, &w, panel));
}

// ---- Scratch

int64_t cpuk_quantised_pixel_bytes(const cpuk_context *context, int64_t channels) {
    return context->convolution_int8 ? context->convolution_int8->pixel_bytes(channels) : 0;
}

static int64_t place_count(const cpuk_window *w) { return w->images * w->grid_height * w->grid_width; }

// Whether threads share out the panels of results that are to be quantised.
static bool shares_panels(const cpuk_context *context, const cpuk_window *w) {
    return thread_count(context) > 1 && place_count(w) <= thread_count(context) * FEW_PLACES;
}

// Places whose results wait together.
static int64_t waiting_places(const cpuk_window *w, int64_t outputs) {
    if (tap_count(w) * w->channels * outputs > SMALL_WEIGHT) return window_block(w);
    const int64_t places = RESULT_BYTES / (outputs * (int64_t)sizeof(float));
    return at_most(window_block(w), at_least(1, places / MR) * MR);
}

static int8_scratch scratch_of(const cpuk_context *context, const cpuk_window *window, int64_t outputs) {
    const convolution_int8_kernels *kernels = context->convolution_int8;
    const cpuk_window w = multiplied_window(window);
    const int64_t pixel_bytes = kernels->pixel_bytes(w.channels);
    const int64_t row = scratch_product(outputs, (int64_t)sizeof(float));
    int8_scratch scratch = {
        .padding = line_bytes(pixel_bytes), .map = line_bytes(scratch_product(image_pixels(window), pixel_bytes)),
        .results = shares_panels(context, &w) ? line_bytes(place_count(&w) * row) : 0, .table = window_table_bytes(&w)};
    int64_t floats = waiting_places(&w, outputs) * row;
    if (takes_patches(window)) {
        const int64_t numbers = window->image_height * window->image_width * window->channels;
        floats = at_least(floats, scratch_product(numbers, (int64_t)sizeof(float)));
        scratch.image = line_bytes(kernels->pixel_bytes(numbers) + SHORT_LINE);
        scratch.map = scratch_product(window->images, scratch.image);
        scratch.patches = line_bytes(window_block(&w) * pixel_bytes);
    }
    scratch.thread = scratch.table + scratch.patches + line_bytes(floats);
    return scratch;
}

int64_t convolution_int8_scratch_bytes(const cpuk_context *context, const cpuk_window *window, int64_t outputs) {
    const int8_scratch scratch = scratch_of(context, window, outputs);
    return scratch.padding + scratch.map + scratch.results + scratch_product(scratch.thread, thread_count(context));
}

// ---- Quantising results

// Quants of the results of places from `first` on.
static void quantise_results(const int8_job *call, const float *results, int64_t first, int64_t count) {
    const cpuk_convolution_args *args = call->job->args;
    const convolution_int8_kernels *kernels = call->job->context->convolution_int8;
    // A residual may be added behind the activation.
    const bool is_positive = args->activation == CPUK_RELU && (args->adds_residual_first || !args->residual.data);
    kernels->quantise(
        results, args->outputs, count, is_positive, args->outputs,
        (char *)args->quantised_output + first * kernels->pixel_bytes(args->outputs));
}

// ---- Products

/// Where results of the places from `first` on go.
typedef struct {
    cpuk_rows rows;
    int64_t first;
    /// They are in the first-level cache.
    bool is_kept;
} result_rows;

static convolution_int8_tile tile_of(
    const int8_job *call, const window_group *group, const result_rows *to, int64_t first_output) {
    const convolution_job *job = call->job;
    const cpuk_convolution_args *args = job->args;
    const convolution_int8_kernels *kernels = job->context->convolution_int8;
    convolution_int8_tile tile = {
        .tile = {
            .taps = group->taps, .depth = group->depth, .rows = group->count, .epilogue = &job->epilogue,
            .outputs = at_most(kernels->panel_outputs, args->outputs - first_output), .first_output = first_output,
            .target = target_of(job, group->first, first_output)}};
    tile.tile.target.data = to->rows.data + (group->first - to->first) * to->rows.stride + first_output;
    tile.tile.target.stride = to->rows.stride;
    tile.is_kept = to->is_kept;
    if (!args->quantised_residual) return tile;
    tile.tile.target.residual = NULL;
    tile.residual_stride = kernels->pixel_bytes(args->outputs);
    tile.residual_at = (int64_t)sizeof(quantised_pixel) + first_output * kernels->quant_bytes;
    tile.residual = (const char *)args->quantised_residual + group->first * tile.residual_stride;
    return tile;
}

// The pixels below up to a block of windows.
static int64_t find_tiles(
    const int8_job *call, int worker, index_range windows, window_group *groups, const float **pixels) {
    if (!takes_patches(call->job->args->window))
        return find_windows(&call->window, &call->source, windows, groups, pixels);
    pixel_source source = call->source;
    char *patches = thread_table(call, worker) + call->scratch.table;
    copy_patches(call, windows, patches);
    source.data = patches;
    const int64_t count =
        find_windows(&call->window, &source, (index_range){0, windows.end - windows.begin}, groups, pixels);
    for (int64_t g = 0; g < count; g++) groups[g].first += windows.begin;
    return count;
}

// The products of up to a block of windows with some panels; panel `next` follows. Negative: none.
static void multiply_windows(
    const int8_job *call, int worker, index_range windows, index_range panels, int64_t next, const result_rows *to) {
    const convolution_job *job = call->job;
    const cpuk_window *w = &call->window;
    const char *packed = job->args->packed;
    const float **pixels = (const float **)(void *)thread_table(call, worker);
    window_group groups[WINDOW_BLOCK / MR];
    const int64_t count = find_tiles(call, worker, windows, groups, pixels);
    const convolution_int8_kernels *kernels = job->context->convolution_int8;
    const int64_t nr = kernels->panel_outputs, steps = tap_count(w) * divide_up(w->channels, kernels->step);
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        const int64_t after = panel + 1 < panels.end ? panel + 1 : next;
        const int64_t outputs = at_most(nr, job->args->outputs - after * nr);
        const read_ahead ahead = ahead_of(
            after < 0 ? NULL : packed + panel_offset(job->context, w, after),
            after < 0 ? 0 : panel_bytes(job->context, w, outputs), count, steps);
        for (int64_t g = 0; g < count; g++) {
            convolution_int8_tile tile = tile_of(call, &groups[g], to, panel * nr);
            tile.tile.pixels = pixels + g * tap_count(w) * MR;
            tile.tile.panel = (const float *)(const void *)(packed + panel_offset(job->context, w, panel));
            tile.tile.ahead = ahead.from + g * steps * ahead.bytes;
            tile.tile.ahead_bytes = ahead.bytes;
            kernels->multiply(&tile);
        }
    }
}

// Results in FP32.
static void float_task(void *argument, int64_t task, int worker) {
    const int8_job *call = argument;
    const convolution_task part = convolution_task_at(call->job, task);
    const result_rows to = {.rows = call->job->args->output};
    multiply_windows(
        call, worker, part.places, part.panels, panel_after(call->job, task, &part, part.panels.end - 1), &to);
}

// Results that are quantised, of all channels.
static void quantised_task(void *argument, int64_t task, int worker) {
    const int8_job *call = argument;
    const convolution_job *job = call->job;
    const int64_t outputs = job->args->outputs;
    const index_range places = {task * job->block, at_most((task + 1) * job->block, job->places)};
    const index_range panels = {0, job->panels};
    const int64_t step = waiting_places(&call->window, outputs);
    for (int64_t first = places.begin; first < places.end; first += step) {
        const index_range windows = {first, at_most(first + step, places.end)};
        const result_rows to = {{thread_floats(call, worker), outputs}, first, true};
        multiply_windows(call, worker, windows, panels, 0, &to);
        quantise_results(call, to.rows.data, first, windows.end - first);
    }
}

static void quantise_few_task(void *argument, int64_t task, int worker) {
    (void)worker;
    const int8_job *call = argument;
    const index_range places = task_range(task, call->tasks, call->job->places);
    const cpuk_rows results = call->job->args->output;
    quantise_results(
        call, results.data + places.begin * results.stride, places.begin, places.end - places.begin);
}

// ---- The op

static void compute_floats(int8_job *call, convolution_job *job, int64_t work) {
    cut_convolution(job, window_block(&call->window), MR, 4 * thread_count(job->context));
    run_tasks(job->context->pool, float_task, call, convolution_task_count(job), work);
}

// Few places: all results first, then quants of them.
static void compute_few(int8_job *call, convolution_job *job, float *results, int64_t work) {
    cpuk_convolution_args args = *job->args;
    args.output = (cpuk_rows){results, args.outputs};
    job->args = &args;
    compute_floats(call, job, work);
    call->tasks = at_most(job->places, thread_count(job->context));
    run_tasks(job->context->pool, quantise_few_task, call, call->tasks, job->places * args.outputs * 5);
}

static void compute_quantised(int8_job *call, convolution_job *job, int64_t work) {
    const int64_t threads = thread_count(job->context), tasks = divide_up(job->places, window_block(&call->window));
    job->block = divide_up(divide_up(job->places, divide_up(tasks, threads) * threads), MR) * MR;
    run_tasks(job->context->pool, quantised_task, call, divide_up(job->places, job->block), work);
}

void convolve_int8(convolution_job *job) {
    const cpuk_context *context = job->context;
    const cpuk_convolution_args *args = job->args;
    int8_job call = {.job = job, .window = multiplied_window(args->window)};
    call.scratch = scratch_of(context, args->window, args->outputs);
    char *padding = args->scratch, *map = quantised_input(&call), *results = map + call.scratch.map;
    call.threads = results + call.scratch.results;
    call.source = (pixel_source){
        .data = args->quantised_x ? args->quantised_x : map, .padding = padding,
        .stride = context->convolution_int8->pixel_bytes(call.window.channels)};
    memset(padding, 0, (size_t)call.source.stride);
    if (!args->quantised_x) quantise_input(&call);
    job->panels = divide_up(args->outputs, context->convolution_int8->panel_outputs);
    job->places = place_count(&call.window);
    const int64_t work = job->places * args->outputs * tap_count(&call.window) * call.window.channels / 32;
    if (!args->quantised_output) compute_floats(&call, job, work);
    else if (shares_panels(context, &call.window)) compute_few(&call, job, (float *)(void *)results, work);
    else compute_quantised(&call, job, work);
}
