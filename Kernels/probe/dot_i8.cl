// out[i] = sums[i] + Σ_b a[i].byte(b) · b[i].byte(b) over four unsigned and four signed bytes packed in a word, by
// dot_i8 of common/dot.cl in the variant DOT_VARIANT. sums, a, b, out: [64] int. Geometry: global [4], local [1].
__kernel void probe_dot_i8(
    __global const int *sums, const ulong sums_offset, __global const int *a, const ulong a_offset,
    __global const int *b, const ulong b_offset, __global int *out, const ulong out_offset)
{
    const size_t i = get_global_id(0);
    const int16 found = dot_i8(
        vload16(i, sums + sums_offset), as_uint16(vload16(i, a + a_offset)), as_uint16(vload16(i, b + b_offset)));
    vstore16(found, i, out + out_offset);
}
