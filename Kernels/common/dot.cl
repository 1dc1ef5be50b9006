// Sums of products of narrow numbers, lane by lane into 32-bit sums. DOT_VARIANT says by which instruction; a program is
// built with one only after its self-test (Kernels/probe) passed.
//
//   dot_i8(sums, a, b)    sums + Σ of four products of a lane's unsigned bytes `a` and signed bytes `b`
//   dot_bf16(sums, a, b)  sums + Σ of two products of a lane's BF16 numbers; subnormal ones count as zero
#define DOT_X86 1 // AVX512_VNNI and AVX512_BF16 as inline assembly, which PoCL's compiler takes
#define DOT_PACKED 2 // cl_khr_integer_dot_product; no dot_bf16

#if DOT_VARIANT == DOT_X86
inline __attribute__((always_inline)) int16 dot_i8(int16 sums, const uint16 a, const uint16 b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
    return sums;
}

inline __attribute__((always_inline)) float16 dot_bf16(float16 sums, const uint16 a, const uint16 b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
    return sums;
}

#elif DOT_VARIANT == DOT_PACKED
#pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable
#define DOT_LANE(i) dot_4x8packed_us_int(a.s##i, b.s##i)

inline __attribute__((always_inline)) int16 dot_i8(const int16 sums, const uint16 a, const uint16 b)
{
    return sums
        + (int16)(DOT_LANE(0), DOT_LANE(1), DOT_LANE(2), DOT_LANE(3), DOT_LANE(4), DOT_LANE(5), DOT_LANE(6),
                  DOT_LANE(7), DOT_LANE(8), DOT_LANE(9), DOT_LANE(a), DOT_LANE(b), DOT_LANE(c), DOT_LANE(d),
                  DOT_LANE(e), DOT_LANE(f));
}
#endif
