// out[i] = sums[i] + Σ_h a[i].half(h) · b[i].half(h) over two BF16 numbers packed in a word, by dot_bf16 of
// common/dot.cl in the variant DOT_VARIANT. sums, out: [64] float; a, b: [64] int. Geometry: global [4], local [1].
__kernel void probe_dot_bf16(
    __global const float *sums, const ulong sums_offset, __global const int *a, const ulong a_offset,
    __global const int *b, const ulong b_offset, __global float *out, const ulong out_offset)
{
    const size_t i = get_global_id(0);
    const float16 found = dot_bf16(
        vload16(i, sums + sums_offset), as_uint16(vload16(i, a + a_offset)), as_uint16(vload16(i, b + b_offset)));
    vstore16(found, i, out + out_offset);
}
