// indices[r] = the column of the largest element of row r, the lowest column on a tie. NaNs lose to every number; a
// row of NaNs gives column 0.
//
//   x        [rows, columns] f32, rows x_stride apart
//   indices  [rows] int32

#if ROW_IS_WORK_ITEM
// CPU devices. One work-item a row, groups of any size, no local memory.
__kernel void argmax_row_f32(
    __global const float *x, ulong x_offset, __global int *indices, ulong indices_offset, uint rows, uint columns,
    uint x_stride) {
    const uint row = get_global_id(0);
    if (row >= rows) return;
    x += x_offset + (ulong)row * x_stride;

    // The best so far in each lane; -1 where a lane has no column yet.
    float16 best16 = (float16)(-INFINITY);
    int16 column16 = (int16)(-1);
    int16 here16 = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint c = 0;
    for (; c + 16 <= columns; c += 16) {
        const float16 value = vload16(0, x + c);
        const int16 take = (value > best16) | ((column16 < 0) & (value == value));
        best16 = select(best16, value, take);
        column16 = select(column16, here16, take);
        here16 += 16;
    }
    float best_lanes[16];
    int column_lanes[16];
    vstore16(best16, 0, best_lanes);
    vstore16(column16, 0, column_lanes);
    float best = -INFINITY;
    int column = -1;
    for (int lane = 0; lane < 16; lane++) {
        if (column_lanes[lane] < 0) continue;
        const bool wins = best_lanes[lane] > best || (best_lanes[lane] == best && column_lanes[lane] < column);
        if (column < 0 || wins) {
            best = best_lanes[lane];
            column = column_lanes[lane];
        }
    }
    for (; c < columns; c++) {
        if (x[c] > best || (column < 0 && !isnan(x[c]))) {
            best = x[c];
            column = c;
        }
    }
    indices[indices_offset + row] = max(column, 0);
}

#else
// GPUs. One work-group a row, a power of two of work-items, 8 bytes of local memory each.
__kernel void argmax_group_f32(
    __global const float *x, ulong x_offset, __global int *indices, ulong indices_offset, uint rows, uint columns,
    uint x_stride, __local float *best_of, __local int *column_of) {
    const uint row = get_group_id(0);
    const uint item = get_local_id(0);
    x += x_offset + (ulong)row * x_stride;
    float best = -INFINITY;
    int column = -1;
    for (uint c = item; c < columns; c += get_local_size(0)) {
        if (x[c] > best || (column < 0 && !isnan(x[c]))) {
            best = x[c];
            column = c;
        }
    }
    best_of[item] = best;
    column_of[item] = column;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint width = get_local_size(0) / 2; width > 0; width /= 2) {
        if (item < width && column_of[item + width] >= 0) {
            const float other = best_of[item + width];
            const int other_column = column_of[item + width];
            const bool wins = other > best_of[item] || (other == best_of[item] && other_column < column_of[item]);
            if (column_of[item] < 0 || wins) {
                best_of[item] = other;
                column_of[item] = other_column;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0) indices[indices_offset + row] = max(column_of[0], 0);
}
#endif
