// Orders the rows of a product by the experts they chose, so that each expert's weight is read once for all its rows.
//
//   ids     [rows] int32, each below `experts`
//   groups  [rows + experts + 1] uint: the rows, expert by expert; then for each expert where its rows begin, and their
//           number
static inline uint expert_of(__global const int *ids, const uint row, const uint experts) {
    const uint id = (uint)ids[row];
    return id < experts ? id : experts - 1;
}

#if ROW_IS_WORK_ITEM
// CPU devices. One work-item; no local memory. The rows of an expert are in order.
__kernel void group_rows(
    __global const int *ids, ulong ids_offset, __global uint *groups, ulong groups_offset, uint rows, uint experts) {
    ids += ids_offset;
    groups += groups_offset;
    __global uint *begins = groups + rows;
    for (uint e = 0; e <= experts; e++) begins[e] = 0;
    for (uint r = 0; r < rows; r++) begins[expert_of(ids, r, experts) + 1]++;
    for (uint e = 0; e < experts; e++) begins[e + 1] += begins[e];
    // An expert's place moves on with each of its rows, and is then where the next expert's begin.
    for (uint r = 0; r < rows; r++) groups[begins[expert_of(ids, r, experts)]++] = r;
    for (uint e = experts; e > 0; e--) begins[e] = begins[e - 1];
    begins[0] = 0;
}
#else
// GPUs. One work-group of any size. Local memory: `counts` and `places`, 4 * experts bytes each. The rows of an expert
// are in any order, which changes no result.
__kernel void group_rows(
    __global const int *ids, ulong ids_offset, __global uint *groups, ulong groups_offset, uint rows, uint experts,
    __local uint *counts, __local uint *places) {
    const uint item = get_local_id(0), items = get_local_size(0);
    ids += ids_offset;
    groups += groups_offset;
    for (uint e = item; e < experts; e += items) counts[e] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint r = item; r < rows; r += items) atomic_inc(&counts[expert_of(ids, r, experts)]);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        uint begin = 0;
        for (uint e = 0; e < experts; e++) {
            places[e] = begin;
            groups[rows + e] = begin;
            begin += counts[e];
        }
        groups[rows + experts] = begin;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint r = item; r < rows; r += items) groups[atomic_inc(&places[expert_of(ids, r, experts)])] = r;
}
#endif
