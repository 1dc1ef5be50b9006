/// The models that ship inside the binary (docs/bundled-model.md): the files of their Hugging Face folders, embedded as
/// they are; those of images under the names of their folders. The bytes lie in read-only memory, are page-aligned, and
/// live as long as the process, so that weights are read in place.
#pragma once

#include <stddef.h>

/// One embedded file.
typedef struct {
    /// The file's name in the folder, for example `config.json`.
    const char *_Nonnull name;
    /// The first byte, aligned to `bundled_model_alignment` bytes.
    const void *_Nonnull bytes;
    size_t byte_count;
} bundled_model_file;

enum { bundled_model_alignment = 4096 };

/// How many files are embedded.
size_t bundled_model_file_count(void);

/// File `index`, or NULL when there are not that many.
const bundled_model_file *_Nullable bundled_model_file_at(size_t index);

/// The file called `name`, or NULL.
const bundled_model_file *_Nullable bundled_model_find(const char *_Nonnull name);
