// The text of every kernel file under Kernels/, embedded in the binary.
#pragma once

#include <stddef.h>

typedef struct {
    /// The file's path below Kernels/, such as "norm/rms_norm.cl".
    const char *name;
    /// `length` bytes, followed by a zero.
    const char *text;
    size_t length;
} kernel_source;

/// The number of sources; `kernel_source_at` takes 0 to this, exclusive.
size_t kernel_source_count(void);
kernel_source kernel_source_at(size_t index);
