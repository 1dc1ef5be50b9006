// sums[i] = the sum of x over work-item i's subgroup; groups[i] = the subgroup's number.
// x, sums, groups: [64] int. Geometry: global [64], local [64]. Assumes cl_khr_subgroups or cl_intel_subgroups.
#if defined(cl_khr_subgroups)
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#endif

__kernel void probe_subgroup_sum(
    __global const int *x, const ulong x_offset, __global int *sums, const ulong sums_offset, __global int *groups,
    const ulong groups_offset)
{
    const size_t i = get_global_id(0);
    sums[sums_offset + i] = sub_group_reduce_add(x[x_offset + i]);
    groups[groups_offset + i] = (int)get_sub_group_id();
}
