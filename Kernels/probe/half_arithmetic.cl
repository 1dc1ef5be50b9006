// out[i] = x[i] * x[i] + 0.5 for i < 32, and x[i] rounded to half for the others, all in half arithmetic.
// x, out: [64] float. Geometry: global [64]. Assumes cl_khr_fp16.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

__kernel void probe_half_arithmetic(
    __global const float *x, const ulong x_offset, __global float *out, const ulong out_offset)
{
    const size_t i = get_global_id(0);
    const half value = (half)x[x_offset + i];
    out[out_offset + i] = (float)(i < 32 ? value * value + (half)0.5f : value);
}
