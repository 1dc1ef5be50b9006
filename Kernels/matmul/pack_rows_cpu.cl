// pack_rows_<format>: packs rows of a weight into blocks of 16 (row_blocks_cpu.cl), once, before its first product.
//
// Work-item i packs block first_block + i. Rows past the last one repeat it. Geometry: global [blocks], local [1].

#if !defined(WEIGHT_BLOCK_SIZE)
#define FILE_BLOCK_COLUMNS GROUP_COLUMNS
#define FILE_BLOCK_BYTES GROUP_COLUMNS
#else
#define FILE_BLOCK_COLUMNS WEIGHT_BLOCK_SIZE
#define FILE_BLOCK_BYTES WEIGHT_BLOCK_BYTES
#endif
#define FILE_BLOCK_GROUPS (FILE_BLOCK_COLUMNS / GROUP_COLUMNS)

QUANT_INLINE uint any_of(const uint4 words) { return words.x | words.y | words.z | words.w; }

#define STORE_WORD(vector, word) group[(vector) * BLOCK_ROWS + row] = (word)

// Stores one row's quants of a group, at word `row` of each vector.
QUANT_INLINE void store_quants(const uint8 quants, __global uint *group, const uint row)
{
    const uint4 low = quants.lo, high = quants.hi;
#if QUANT_BITS == 8
    STORE_WORD(0, low.x); STORE_WORD(1, low.y); STORE_WORD(2, low.z); STORE_WORD(3, low.w);
    STORE_WORD(4, high.x); STORE_WORD(5, high.y); STORE_WORD(6, high.z); STORE_WORD(7, high.w);
#elif QUANT_BITS < 4
    const uint4 pairs = (low & PAIRS) | (high & PAIRS) << 2;
    STORE_WORD(0, pairs.x | pairs.y << 4); STORE_WORD(1, pairs.z | pairs.w << 4);
#if QUANT_BITS == 3
    STORE_WORD(2, any_of((low >> 2 & BITS) << (uint4)(0, 1, 2, 3) | (high >> 2 & BITS) << (uint4)(4, 5, 6, 7)));
#endif
#else
    const uint4 nibbles = (low & NIBBLES) | (high & NIBBLES) << 4;
    STORE_WORD(0, nibbles.x); STORE_WORD(1, nibbles.y); STORE_WORD(2, nibbles.z); STORE_WORD(3, nibbles.w);
#if QUANT_BITS == 5
    STORE_WORD(4, any_of((low >> 4 & BITS) << (uint4)(0, 1, 2, 3) | (high >> 4 & BITS) << (uint4)(4, 5, 6, 7)));
#elif QUANT_BITS == 6
    const uint4 pairs = (low >> 4 & PAIRS) | (high >> 4 & PAIRS) << 2;
    STORE_WORD(4, pairs.x | pairs.y << 4); STORE_WORD(5, pairs.z | pairs.w << 4);
#endif
#endif
}

// Stores one row's scales of a block that the file has, of its groups and its factor.
QUANT_INLINE void store_scales(
    __global const uchar *from, __global uchar *scales, __global uchar *factors, const uint row)
{
#if HAS_FACTORS
    for (uint g = 0; g < (HAS_FACTORS_ALONE ? 0u : FILE_BLOCK_GROUPS); ++g) {
        const uchar2 both = integer_scales(from, g);
        scales[g * GROUP_SCALE_BYTES + row] = both.x;
        if (GROUP_SCALE_BYTES > BLOCK_ROWS)
            scales[g * GROUP_SCALE_BYTES + BLOCK_ROWS + row] = both.y;
    }
    __global uchar *halves = factors;
#else
    __global uchar *halves = scales;
#endif
#if defined(WEIGHT_MXFP4)
    scales[row] = *from;
#elif defined(WEIGHT_BLOCK_SIZE)
    vstore2(vload2(0, from + WEIGHT_SCALE_PLACE), row, halves);
    if (QUANT_MINIMA)
        vstore2(vload2(0, from + WEIGHT_SCALE_PLACE + 2), BLOCK_ROWS + row, halves);
#endif
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void MATMUL_NAME(pack_rows)(
    __global const weight_t *weight0, const ulong weight0_offset, __global const weight_t *weight1,
    const ulong weight1_offset, __global const weight_t *weight2, const ulong weight2_offset, const uint part_end0,
    const uint part_end1, const uint inputs, const uint weight_rows, const uint first_block, __global uchar *blocks,
    const ulong blocks_offset)
{
    const uint number = first_block + (uint)get_global_id(0);
    __global uchar *block = blocks + blocks_offset + (ulong)number * ROW_BLOCK_BYTES;
    for (uint r = 0; r < BLOCK_ROWS; ++r) {
        const uint row = min(number * BLOCK_ROWS + r, weight_rows - 1);
        __global const uchar *from = (__global const uchar *)(WEIGHT_ROW(row));
        __global uchar *group = block, *scales = block + BLOCK_SCALES, *factors = block + BLOCK_FACTORS;
        for (uint k = 0; k < inputs; k += FILE_BLOCK_COLUMNS) {
            for (uint g = 0; g < FILE_BLOCK_GROUPS; ++g)
                store_quants(stored_quants(from, g), (__global uint *)group + g * (GROUP_QUANT_BYTES / 4), r);
            store_scales(from, scales, factors, r);
            from += FILE_BLOCK_BYTES;
            group += FILE_BLOCK_GROUPS * GROUP_QUANT_BYTES;
            scales += FILE_BLOCK_GROUPS * GROUP_SCALE_BYTES;
            factors += FACTOR_BYTES;
        }
    }
}
