// Embeds every file under Kernels/ with C23's #embed; the build follows edits to them. A new file needs its lines here
// (a test compares this list with the folder).
#pragma clang diagnostic ignored "-Wc23-extensions"

#include "KernelSources.h"

#define SOURCE(identifier, name) {name, identifier, sizeof identifier - 1}

static const char common_types[] = {
#embed "common/types.cl"
    , 0};
static const char common_math[] = {
#embed "common/math.cl"
    , 0};
static const char norm_rms_norm[] = {
#embed "norm/rms_norm.cl"
    , 0};
static const char norm_layer_norm[] = {
#embed "norm/layer_norm.cl"
    , 0};

static const kernel_source sources[] = {
    SOURCE(common_types, "common/types.cl"),
    SOURCE(common_math, "common/math.cl"),
    SOURCE(norm_rms_norm, "norm/rms_norm.cl"),
    SOURCE(norm_layer_norm, "norm/layer_norm.cl"),
};

size_t kernel_source_count(void) { return sizeof sources / sizeof sources[0]; }

kernel_source kernel_source_at(size_t index) { return sources[index]; }
