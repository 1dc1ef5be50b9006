// out[i] = Σ_b a[i].byte(b) · b[i].byte(b) over four signed bytes packed in a word.
// a, b, out: [64] int. Geometry: global [64]. Assumes cl_khr_integer_dot_product.
#pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable

__kernel void probe_integer_dot(
    __global const int *a, const ulong a_offset, __global const int *b, const ulong b_offset, __global int *out,
    const ulong out_offset)
{
    const size_t i = get_global_id(0);
    out[out_offset + i] = dot_4x8packed_ss_int(as_uint(a[a_offset + i]), as_uint(b[b_offset + i]));
}
