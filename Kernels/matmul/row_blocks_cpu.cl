// Weights packed for products of integers: blocks of 16 rows, whose quants lie quad by quad, so that lanes of a vector
// are rows. One load gives a quad of each row, one load and one conversion their scales, and no lanes are summed. The
// layout is that of Sources/CPUKernels/formats/row_blocks.h, which draws it:
//
//     quants, a group of 32 columns after the other: of 8 bits, of nibbles (columns k in the low, k + 16 in the high
//     ones), or of pairs of bits; the bits above a nibble or a pair behind them
//     scales, group after group
//     factors of 256 columns, of formats that have them
//     up to a whole line of 64 bytes
//
// Scales of int8 rows are not part of it: they are the epilogue's. Quants are unsigned bytes, four in a word:
//     w = scale * (quant - QUANT_OFFSET)   or   w = scale * quant + minimum
// with a scale (and minimum) for each QUANT_GROUP columns.
//
// Build macros (RowBlockLayout in Swift): QUANT_BITS, bits of a quant; GROUP_SCALE_BYTES, bytes of a group's scales in
// 16 rows; FACTOR_BYTES, those of the factors of 256 columns, which the scales of their groups are multiplied with.
#define BLOCK_ROWS 16u
#define GROUP_COLUMNS 32u

// A scale for more than 32 columns counts as one for each 32.
#if !defined(WEIGHT_INT8) && WEIGHT_GROUP_SIZE == 16
#define QUANT_GROUP 16
#else
#define QUANT_GROUP 32
#endif
#define GROUP_SCALES (GROUP_COLUMNS / QUANT_GROUP)
#define QUANT_MINIMA WEIGHT_HAS_MINIMA
#define QUANT_OFFSET WEIGHT_QUANT_OFFSET

#define HAS_FACTORS (FACTOR_BYTES > 0)
#define HAS_FACTORS_ALONE (HAS_FACTORS && GROUP_SCALE_BYTES == 0)
#define FACTOR_COLUMNS (HAS_FACTORS ? 256u : GROUP_COLUMNS)

#define GROUP_QUANT_BYTES (QUANT_BITS * GROUP_COLUMNS * BLOCK_ROWS / 8)

// Where things start in a block of rows of `inputs` columns, and its size.
#define BLOCK_SCALES (inputs / GROUP_COLUMNS * GROUP_QUANT_BYTES)
#define BLOCK_FACTORS (BLOCK_SCALES + inputs / GROUP_COLUMNS * GROUP_SCALE_BYTES)
#define ROW_BLOCK_BYTES ((BLOCK_FACTORS + inputs / FACTOR_COLUMNS * FACTOR_BYTES + 63) / 64 * 64)
// The block of rows `row` to `row` + 15.
#define ROW_BLOCK(row)                                                                                                 \
    ((__global const uchar *)(weight0 + weight0_offset) + (ulong)((row) / BLOCK_ROWS) * ROW_BLOCK_BYTES)

#define QUANT_INLINE inline __attribute__((always_inline))
