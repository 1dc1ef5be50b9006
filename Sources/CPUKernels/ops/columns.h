// Ops on few, long rows: their columns are cut into chunks.
#pragma once
#include "../runtime/partition.h"

enum { MAX_COLUMN_CHUNKS = 64, COLUMN_CHUNK = 8192 };

/// Columns of a chunk. Independent of the number of threads, so that results are too.
static inline int64_t column_chunk(int64_t columns) {
    return at_least(COLUMN_CHUNK, divide_up(divide_up(columns, MAX_COLUMN_CHUNKS), 64) * 64);
}
