// As integer_dot.cl, by NVIDIA's dp4a instruction written as inline PTX.
// a, b, out: [64] int. Geometry: global [64]. Assumes an NVIDIA device of compute capability 6.1.
__kernel void probe_inline_ptx(
    __global const int *a, const ulong a_offset, __global const int *b, const ulong b_offset, __global int *out,
    const ulong out_offset)
{
    const size_t i = get_global_id(0);
    int sum;
    asm volatile("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a[a_offset + i]), "r"(b[b_offset + i]), "r"(0));
    out[out_offset + i] = sum;
}
