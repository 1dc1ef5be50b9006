// Sums of products of narrow numbers, lane by lane into 32-bit sums. DOT_VARIANT says how they are made; a program
// is built with an instruction only after its self-test (Kernels/probe) passed.
//
//   dot_i8(sums, a, b)    sums + Σ of four products of a lane's unsigned bytes `a` and signed bytes `b`
//   dot_bf16(sums, a, b)  sums + Σ of two products of a lane's BF16 numbers; subnormal ones may count as zero
#define DOT_PORTABLE 0 // plain OpenCL C: slower than products in FP32; serves to check the kernels on any device
#define DOT_X86 1      // AVX512_VNNI and AVX512_BF16 as inline assembly, which PoCL's compiler takes

#define DOT_INLINE inline __attribute__((always_inline))

#if DOT_VARIANT == DOT_X86
DOT_INLINE int16 dot_i8(int16 sums, const uint16 a, const uint16 b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
    return sums;
}

DOT_INLINE float16 dot_bf16(float16 sums, const uint16 a, const uint16 b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
    return sums;
}

#else
// Products of the bytes at bit `shift` of each word.
#define DOT_BYTES(shift) as_int16((a >> (shift)) & 255u) * (as_int16(b << (24 - (shift))) >> 24)
DOT_INLINE int16 dot_i8(const int16 sums, const uint16 a, const uint16 b)
{
    return sums + DOT_BYTES(0) + DOT_BYTES(8) + DOT_BYTES(16) + DOT_BYTES(24);
}

DOT_INLINE float16 dot_bf16(const float16 sums, const uint16 a, const uint16 b)
{
    return fma(as_float16(a << 16), as_float16(b << 16),
               fma(as_float16(a & 0xffff0000u), as_float16(b & 0xffff0000u), sums));
}
#endif
