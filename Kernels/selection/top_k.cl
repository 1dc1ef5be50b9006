// The `count` largest elements of each row, largest first, the lower column first on a tie; NaNs come last.
//
//   x        [rows, columns] f32, rows x_stride apart
//   values   [rows, count] f32, rows values_stride apart
//   indices  [rows, count] int32, rows indices_stride apart
//   count    1 to TOP_K_MAX, at most columns
//
// Build macro: TOP_K_MAX.

// An integer that orders as the floats do: NaN lowest, both zeros equal.
static inline uint order_key(float value) {
    if (isnan(value)) return 0u;
    if (value == 0.0f) return 0x80000000u;
    const uint bits = as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

#if ROW_IS_WORK_ITEM
// Inserts column c into the sorted list of at most `count`. A later column never passes an equal key.
static inline void insert_sorted(uint *keys, int *columns, uint *filled, uint count, uint key, int column) {
    uint place = *filled < count ? (*filled)++ : count - 1;
    for (; place > 0 && keys[place - 1] < key; place--) {
        keys[place] = keys[place - 1];
        columns[place] = columns[place - 1];
    }
    keys[place] = key;
    columns[place] = column;
}

// CPU devices. One work-item a row, groups of any size, no local memory. Keeps the best so far sorted; a vector of
// sixteen is looked at closely only where one of it is larger than the least of them.
CHAINED_KERNEL
void top_k_row_f32(
    ITEM_PARAMETER __global const float *x, ulong x_offset, __global float *values, ulong values_offset,
    __global int *indices, ulong indices_offset, uint rows, uint columns, uint count, uint x_stride, uint values_stride,
    uint indices_stride) {
    const uint row = ITEM(0);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;
    values += values_offset + (ulong)row * values_stride;
    indices += indices_offset + (ulong)row * indices_stride;

    uint keys[TOP_K_MAX];
    int best[TOP_K_MAX];
    uint filled = 0;
    uint c = 0;
    for (; c < count; c++) insert_sorted(keys, best, &filled, count, order_key(x[c]), c);
    float least = x[best[count - 1]];
    for (; c < columns; c += 16) {
        const uint end = min(columns, c + 16);
        if (c + 16 <= columns && !isnan(least) && !any(vload16(0, x + c) > (float16)(least))) continue;
        for (uint e = c; e < end; e++) {
            const uint key = order_key(x[e]);
            if (key > keys[count - 1]) insert_sorted(keys, best, &filled, count, key, e);
        }
        least = x[best[count - 1]];
    }
    for (uint i = 0; i < count; i++) {
        values[i] = x[best[i]];
        indices[i] = best[i];
    }
}

#else
// GPUs. One work-group a row. Finds the key of the count-th largest by radix selection, a byte a pass, then, among the
// elements equal to it, the column of the last one wanted in the same way; collects exactly `count` elements and ranks
// them. Local memory: 4 * (256 + 4 + 2 * TOP_K_MAX) bytes.
#define RADIX 256

// One pass: counts the byte at `shift` of the numbers that match `prefix` above it.
#define RADIX_COUNT(NUMBER, MATCHES)                                                                                   \
    for (uint i = item; i < RADIX; i += size) histogram[i] = 0;                                                        \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    for (uint c = item; c < columns; c += size) {                                                                      \
        const uint key = order_key(x[c]);                                                                              \
        const uint number = NUMBER;                                                                                    \
        const bool in_prefix = shift == 24 || (number >> (shift + 8)) == (prefix >> (shift + 8));                      \
        if ((MATCHES) && in_prefix) atomic_inc(&histogram[(number >> shift) & 255u]);                                  \
    }                                                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    if (item == 0) {                                                                                                   \
        uint digit = 255;                                                                                              \
        while (histogram[digit] < wanted) wanted -= histogram[digit--];                                                \
        shared[0] = prefix | (digit << shift);                                                                         \
        shared[1] = wanted;                                                                                            \
    }                                                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    prefix = shared[0];                                                                                                \
    wanted = shared[1];                                                                                                \
    barrier(CLK_LOCAL_MEM_FENCE);

__kernel void top_k_group_f32(
    __global const float *x, ulong x_offset, __global float *values, ulong values_offset, __global int *indices,
    ulong indices_offset, uint rows, uint columns, uint count, uint x_stride, uint values_stride,
    uint indices_stride) {
    __local uint histogram[RADIX];
    __local uint shared[4];
    __local uint keys[TOP_K_MAX];
    __local int best[TOP_K_MAX];
    const uint row = get_group_id(0);
    const uint item = get_local_id(0);
    const uint size = get_local_size(0);
    x += x_offset + (ulong)row * x_stride;
    values += values_offset + (ulong)row * values_stride;
    indices += indices_offset + (ulong)row * indices_stride;

    uint prefix = 0;
    uint wanted = count;
    for (int shift = 24; shift >= 0; shift -= 8) {
        RADIX_COUNT(key, true)
    }
    const uint threshold = prefix;
    // `wanted` of the elements equal to the threshold are wanted, lowest columns first: largest complements first.
    prefix = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        RADIX_COUNT(~c, key == threshold)
    }
    const uint last_column = ~prefix;

    if (item == 0) shared[2] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint c = item; c < columns; c += size) {
        const uint key = order_key(x[c]);
        if (key > threshold || (key == threshold && c <= last_column)) {
            const uint place = atomic_inc(&shared[2]);
            keys[place] = key;
            best[place] = c;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = item; i < count; i += size) {
        uint rank = 0;
        for (uint j = 0; j < count; j++) {
            rank += keys[j] > keys[i] || (keys[j] == keys[i] && best[j] < best[i]) ? 1 : 0;
        }
        values[rank] = x[best[i]];
        indices[rank] = best[i];
    }
}
#endif
