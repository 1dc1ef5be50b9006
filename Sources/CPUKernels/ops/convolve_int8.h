// What the parts of convolutions in int8 share: the products (convolve_int8.c) and their input (quantise_input.c).
#pragma once
#include "convolve.h"

enum {
    /// Windows over as many channels at most are taken as pixels of as many quants, so that no products are of padding.
    FEW_CHANNELS_INT8 = 4,
    /// Bytes that are copied for a line of such a patch, if they are enough.
    SHORT_LINE = 64,
};

static inline bool takes_patches(const cpuk_window *w) { return w->channels <= FEW_CHANNELS_INT8; }

static inline int64_t image_pixels(const cpuk_window *w) { return w->images * w->image_height * w->image_width; }

/// Bytes of scratch: a pixel of padding, quantised pixels of x, or images where patches are made of them, results of
/// few places, then what each thread has: pointers to pixels, patches, and results or an image in FP32.
typedef struct {
    int64_t padding, map, results, table, patches, thread;
    /// Of one image.
    int64_t image;
} int8_scratch;

typedef struct {
    const convolution_job *job;
    /// The window as it is multiplied.
    cpuk_window window;
    int8_scratch scratch;
    pixel_source source;
    /// Memory of the first thread.
    char *threads;
    int64_t tasks;
} int8_job;

static inline char *thread_table(const int8_job *call, int worker) {
    return call->threads + worker * call->scratch.thread;
}
static inline float *thread_floats(const int8_job *call, int worker) {
    return (float *)(void *)(thread_table(call, worker) + call->scratch.table + call->scratch.patches);
}

static inline int64_t quant_bytes(const int8_job *call) {
    return call->job->context->convolution_int8->quant_bytes;
}

static inline char *quantised_input(const int8_job *call) {
    return (char *)call->job->args->scratch + call->scratch.padding;
}

/// Quantises x.
void quantise_input(int8_job *call);
/// The patches of some places, which follow each other.
void copy_patches(const int8_job *call, index_range places, char *patches);
