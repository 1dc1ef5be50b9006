#include "NumberFormats.h"

#include <stddef.h>

#define ROW(ID, weight, name, gguf, size, bytes, group, minima, offset, scale, at, scales, largest)                   \
    {#ID, name, weight, gguf, size, bytes, group, offset, minima, NUMBER_FORMAT_##scale, at, scales, largest},
static const number_format_row rows[] = {NUMBER_FORMATS(ROW)};

#define CHECK(ID, weight, name, gguf, size, bytes, group, minima, offset, scale, at, scales, largest)                 \
    _Static_assert(size > 0 && bytes > 0 && size % (group > 0 ? group : 1) == 0, #ID ": whole groups");               \
    _Static_assert((at) + (scales) * NUMBER_FORMAT_##scale##_BYTES <= (bytes), #ID ": scales inside the block");
NUMBER_FORMATS(CHECK)

const number_format_row *number_format_row_of(number_format format) {
    return &rows[format < NUMBER_FORMAT_COUNT ? format : NUMBER_FORMAT_F32];
}
