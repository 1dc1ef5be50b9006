// The one table of number formats: how numbers lie in files and in the weights that kernels multiply with.
//
// Everything that knows a format's sizes takes them from here: Swift through TensorCore's `NumberFormat`, C through the
// enums and functions below, OpenCL C through the macros that each program is built with (docs/adding-a-format.md).
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// For `gguf` in the table: GGUF has no number for the format.
#define NUMBER_FORMAT_NOT_IN_GGUF (-1)

// Columns:
//   ID       the C name: NUMBER_FORMAT_<ID>
//   weight   the name of the format as one that weights are computed in; NULL: it is only read from files
//   name     what safetensors and GGUF files call it
//   gguf     `ggml_type`, the number in GGUF files
//   size     values of a block; 1: each value stands for itself
//   bytes    bytes of a block
//   group    values of a block that share a scale (the smallest such run); 0: no scale in the block
//   minima   1: w = scale * quant + minimum, the quants unsigned; 0: w = scale * (quant - offset)
//   offset   what is subtracted from the unsigned quant; 128: quants are signed bytes, as stored or from a table
//   scale    the format of a block's own scale; also the widest number in a block, which it is aligned for
//   at       the byte of the block where that scale lies
//   scales   how many lie there: 1, or 2 where the minima have a scale of their own behind it
//   largest  the largest magnitude of what the block's scale multiplies: quants times the groups' integer scales

/// Weights whose values stand one by one. I8 is one of integers in files; as a weight it has one scale a row, which
/// lies beside the matrix: w = scale[n] * q[n, k].
//    ID       weight      name        gguf  size  bytes  group  minima  offset     scale    at  scales  largest
#define NUMBER_FORMATS_OF_VALUES(X)                                                                                   \
    X(F32,     "float32",  "F32",        0,    1,     4,     0,      0,      0,      F32,    0,      0,       1)      \
    X(BF16,    "bfloat16", "BF16",      30,    1,     2,     0,      0,      0,     BF16,    0,      0,       1)      \
    X(F16,     "float16",  "F16",        1,    1,     2,     0,      0,      0,      F16,    0,      0,       1)      \
    X(I8,      "int8",     "I8",        24,    1,     1,     0,      0,    128,       I8,    0,      0,     127)

/// Weights in GGUF's blocks. Layouts: `dequantize_row_*` of ggml (ggml-quants.c).
//    ID       weight      name        gguf  size  bytes  group  minima  offset     scale    at  scales  largest
#define NUMBER_FORMATS_OF_BLOCKS(X)                                                                                   \
    X(Q8_0,    "q8_0",     "Q8_0",       8,   32,    34,    32,      0,    128,      F16,    0,      1,     127)      \
    X(Q4_0,    "q4_0",     "Q4_0",       2,   32,    18,    32,      0,      8,      F16,    0,      1,       8)      \
    X(Q4_1,    "q4_1",     "Q4_1",       3,   32,    20,    32,      1,      0,      F16,    0,      2,      15)      \
    X(Q5_0,    "q5_0",     "Q5_0",       6,   32,    22,    32,      0,     16,      F16,    0,      1,      16)      \
    X(Q5_1,    "q5_1",     "Q5_1",       7,   32,    24,    32,      1,      0,      F16,    0,      2,      31)      \
    X(Q2_K,    "q2_K",     "Q2_K",      10,  256,    84,    16,      1,      0,      F16,   80,      2,      45)      \
    X(Q3_K,    "q3_K",     "Q3_K",      11,  256,   110,    16,      0,      4,      F16,  108,      1,     128)      \
    X(Q4_K,    "q4_K",     "Q4_K",      12,  256,   144,    32,      1,      0,      F16,    0,      2,     945)      \
    X(Q5_K,    "q5_K",     "Q5_K",      13,  256,   176,    32,      1,      0,      F16,    0,      2,    1953)      \
    X(Q6_K,    "q6_K",     "Q6_K",      14,  256,   210,    16,      0,     32,      F16,  208,      1,    4096)      \
    X(IQ4_NL,  "iq4_NL",   "IQ4_NL",    20,   32,    18,    32,      0,    128,      F16,    0,      1,     127)      \
    X(IQ4_XS,  "iq4_XS",   "IQ4_XS",    23,  256,   136,    32,      0,    128,      F16,    0,      1,    4064)      \
    X(MXFP4,   "mxfp4",    "MXFP4",     39,   32,    17,    32,      0,     12,  F8_E8M0,    0,      1,      12)      \
    X(TQ2_0,   "tq2_0",    "TQ2_0",     35,  256,    66,   256,      0,      1,      F16,   64,      1,       2)      \
    X(TQ1_0,   "tq1_0",    "TQ1_0",     34,  256,    54,   256,      0,      1,      F16,   52,      1,       1)

/// What files may hold beside: tensors that are no weights, and formats that are named but not computed (their last
/// columns are left at 0).
//    ID       weight      name        gguf  size  bytes  group  minima  offset     scale    at  scales  largest
#define NUMBER_FORMATS_OF_FILES(X)                                                                                    \
    X(F64,     NULL,       "F64",       28,    1,     8,     0,      0,      0,      F64,    0,      0,       0)      \
    X(I64,     NULL,       "I64",       27,    1,     8,     0,      0,      0,      I64,    0,      0,       0)      \
    X(I32,     NULL,       "I32",       26,    1,     4,     0,      0,      0,      I32,    0,      0,       0)      \
    X(I16,     NULL,       "I16",       25,    1,     2,     0,      0,      0,      I16,    0,      0,       0)      \
    X(U64,     NULL,       "U64",       -1,    1,     8,     0,      0,      0,      U64,    0,      0,       0)      \
    X(U32,     NULL,       "U32",       -1,    1,     4,     0,      0,      0,      U32,    0,      0,       0)      \
    X(U16,     NULL,       "U16",       -1,    1,     2,     0,      0,      0,      U16,    0,      0,       0)      \
    X(U8,      NULL,       "U8",        -1,    1,     1,     0,      0,      0,       U8,    0,      0,       0)      \
    X(BOOL,    NULL,       "BOOL",      -1,    1,     1,     0,      0,      0,     BOOL,    0,      0,       0)      \
    X(F8_E4M3, NULL,       "F8_E4M3",   -1,    1,     1,     0,      0,      0,  F8_E4M3,    0,      0,       0)      \
    X(F8_E5M2, NULL,       "F8_E5M2",   -1,    1,     1,     0,      0,      0,  F8_E5M2,    0,      0,       0)      \
    X(F8_E8M0, NULL,       "F8_E8M0",   -1,    1,     1,     0,      0,      0,  F8_E8M0,    0,      0,       0)      \
    X(C64,     NULL,       "C64",       -1,    1,     8,     0,      0,      0,      C64,    0,      0,       0)      \
    X(Q8_1,    NULL,       "Q8_1",       9,   32,    36,    32,      0,      0,      F16,    0,      0,       0)      \
    X(Q8_K,    NULL,       "Q8_K",      15,  256,   292,   256,      0,      0,      F32,    0,      0,       0)      \
    X(IQ2_XXS, NULL,       "IQ2_XXS",   16,  256,    66,    32,      0,      0,      F16,    0,      0,       0)      \
    X(IQ2_XS,  NULL,       "IQ2_XS",    17,  256,    74,    16,      0,      0,      F16,    0,      0,       0)      \
    X(IQ3_XXS, NULL,       "IQ3_XXS",   18,  256,    98,    32,      0,      0,      F16,    0,      0,       0)      \
    X(IQ1_S,   NULL,       "IQ1_S",     19,  256,    50,    32,      0,      0,      F16,    0,      0,       0)      \
    X(IQ3_S,   NULL,       "IQ3_S",     21,  256,   110,    32,      0,      0,      F16,    0,      0,       0)      \
    X(IQ2_S,   NULL,       "IQ2_S",     22,  256,    82,    16,      0,      0,      F16,    0,      0,       0)      \
    X(IQ1_M,   NULL,       "IQ1_M",     29,  256,    56,    16,      0,      0,      F16,    0,      0,       0)

#define NUMBER_FORMATS(X)                                                                                             \
    NUMBER_FORMATS_OF_VALUES(X)                                                                                       \
    NUMBER_FORMATS_OF_BLOCKS(X)                                                                                       \
    NUMBER_FORMATS_OF_FILES(X)

/// Numbers count from 0 in the order of the table: values, then blocks, then the rest. They are no part of any file.
typedef enum {
#define NUMBER_FORMAT_ENUM(ID, ...) NUMBER_FORMAT_##ID,
    NUMBER_FORMATS(NUMBER_FORMAT_ENUM)
#undef NUMBER_FORMAT_ENUM
    NUMBER_FORMAT_COUNT
} number_format;

/// Sizes as constants: NUMBER_FORMAT_Q4_K_SIZE values in NUMBER_FORMAT_Q4_K_BYTES bytes.
enum {
#define NUMBER_FORMAT_SIZES(ID, weight, name, gguf, size, bytes, ...)                                                 \
    NUMBER_FORMAT_##ID##_SIZE = size, NUMBER_FORMAT_##ID##_BYTES = bytes,
    NUMBER_FORMATS(NUMBER_FORMAT_SIZES)
#undef NUMBER_FORMAT_SIZES
};

/// Columns as functions, which fold to a constant where the format is one; 0 for a number that is no format's.
#define NUMBER_FORMAT_FUNCTION(NAME, CASE)                                                                            \
    static inline __attribute__((always_inline, unused)) int number_format_##NAME(int format) {                       \
        switch (format) {                                                                                             \
            NUMBER_FORMATS(CASE)                                                                                      \
        default: return 0;                                                                                            \
        }                                                                                                             \
    }
#define NUMBER_FORMAT_SIZE_CASE(ID, weight, name, gguf, size, ...) case NUMBER_FORMAT_##ID: return size;
#define NUMBER_FORMAT_BYTES_CASE(ID, weight, name, gguf, size, bytes, ...) case NUMBER_FORMAT_##ID: return bytes;
#define NUMBER_FORMAT_GROUP_CASE(ID, weight, name, gguf, size, bytes, group, ...)                                     \
    case NUMBER_FORMAT_##ID: return group;
#define NUMBER_FORMAT_MINIMA_CASE(ID, weight, name, gguf, size, bytes, group, minima, ...)                            \
    case NUMBER_FORMAT_##ID: return minima;
#define NUMBER_FORMAT_OFFSET_CASE(ID, weight, name, gguf, size, bytes, group, minima, offset, ...)                    \
    case NUMBER_FORMAT_##ID: return offset;
NUMBER_FORMAT_FUNCTION(block_size, NUMBER_FORMAT_SIZE_CASE)
NUMBER_FORMAT_FUNCTION(block_bytes, NUMBER_FORMAT_BYTES_CASE)
NUMBER_FORMAT_FUNCTION(group_size, NUMBER_FORMAT_GROUP_CASE)
NUMBER_FORMAT_FUNCTION(has_minima, NUMBER_FORMAT_MINIMA_CASE)
NUMBER_FORMAT_FUNCTION(quant_offset, NUMBER_FORMAT_OFFSET_CASE)

/// A row of the table.
typedef struct {
    /// The C name, and what files say.
    const char *id, *name;
    /// NULL: no format of weights.
    const char *weight_name;
    /// NUMBER_FORMAT_NOT_IN_GGUF: none.
    int32_t gguf_type;
    int32_t block_size, block_bytes, group_size, quant_offset;
    bool has_minima;
    number_format scale_format;
    int32_t scale_at, scale_count, largest;
} number_format_row;

/// The format's row; that of F32 for a number that is no format's.
const number_format_row *number_format_row_of(number_format format);
