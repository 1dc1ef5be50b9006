// Sums of products of narrow numbers, lane by lane into 32-bit sums. DOT_VARIANT says how they are made; a program
// is built with an instruction only after its self-test (Kernels/probe) passed.
//
//   dot_i8(sums, a, b)    sums + Σ of four products of a lane's unsigned bytes `a` and signed bytes `b`
//   dot_bf16(sums, a, b)  sums + Σ of two products of a lane's BF16 numbers; subnormal ones may count as zero
#define DOT_PORTABLE 0 // plain OpenCL C: slower than products in FP32; serves to check the kernels on any device
#define DOT_AVX512 1   // AVX512_VNNI and AVX512_BF16 as inline assembly, which PoCL's compiler takes
#define DOT_AVX2 2     // the same of AVX2, for bytes alone

#define DOT_INLINE inline __attribute__((always_inline))

#if DOT_VARIANT == DOT_AVX512
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

#elif DOT_VARIANT == DOT_AVX2
// The sums are part of the assembly, so that the compiler keeps their order, and with it as few numbers as there are
// registers.

// sums + the two products of a 16-bit lane's unsigned bytes `a` and signed bytes `b`, which must fit 16 bits.
DOT_INLINE uint16 add_products_of_bytes(const uint16 sums, const uint16 a, const uint16 b)
{
    uint8 low = sums.lo, high = sums.hi, product;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(low), "=&x"(product) : "x"(a.lo), "x"(b.lo));
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(high), "=&x"(product) : "x"(a.hi), "x"(b.hi));
    return (uint16)(low, high);
}

// dot_i8 where two products fit 16 bits.
DOT_INLINE int16 dot_small_i8(const int16 sums, const uint16 a, const uint16 b)
{
    const uint8 ones = (uint8)(0x00010001u);
    uint8 low = as_uint8(sums.lo), high = as_uint8(sums.hi), product;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
            : "+x"(low), "=&x"(product) : "x"(a.lo), "x"(b.lo), "x"(ones));
    __asm__("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
            : "+x"(high), "=&x"(product) : "x"(a.hi), "x"(b.hi), "x"(ones));
    return as_int16((uint16)(low, high));
}

// Sums of two products of a lane's signed numbers of 16 bits.
DOT_INLINE int16 multiply_pairs(const uint16 a, const uint16 b)
{
    uint8 low, high;
    __asm__("vpmaddwd %2, %1, %0" : "=x"(low) : "x"(a.lo), "x"(b.lo));
    __asm__("vpmaddwd %2, %1, %0" : "=x"(high) : "x"(a.hi), "x"(b.hi));
    return as_int16((uint16)(low, high));
}

// The bytes `a` with the signs of the bytes `b` applied, 0 where those are 0.
DOT_INLINE uint16 apply_signs(const uint16 a, const uint16 b)
{
    uint8 low, high;
    __asm__("vpsignb %2, %1, %0" : "=x"(low) : "x"(a.lo), "x"(b.lo));
    __asm__("vpsignb %2, %1, %0" : "=x"(high) : "x"(a.hi), "x"(b.hi));
    return (uint16)(low, high);
}

// The bytes of even or of odd number, with their signs, as numbers of 16 bits.
DOT_INLINE uint8 even_bytes(const uint8 bytes) { return as_uint8(as_short16(bytes) << (short)8 >> (short)8); }
DOT_INLINE uint8 odd_bytes(const uint8 bytes) { return as_uint8(as_short16(bytes) >> (short)8); }

DOT_INLINE int16 dot_i8(const int16 sums, const uint16 a, const uint16 b)
{
    const uint16 even = (uint16)(even_bytes(b.lo), even_bytes(b.hi)), odd = (uint16)(odd_bytes(b.lo), odd_bytes(b.hi));
    return sums + multiply_pairs(a & 0x00ff00ffu, even) + multiply_pairs(a >> 8 & 0x00ff00ffu, odd);
}

#else
// Products of the bytes at bit `shift` of each word.
#define DOT_BYTES(shift) as_int16((a >> (shift)) & 255u) * (as_int16(b << (24 - (shift))) >> 24)
DOT_INLINE int16 dot_i8(const int16 sums, const uint16 a, const uint16 b)
{
    return sums + DOT_BYTES(0) + DOT_BYTES(8) + DOT_BYTES(16) + DOT_BYTES(24);
}
#endif

#if DOT_VARIANT != DOT_AVX512
DOT_INLINE float16 dot_bf16(const float16 sums, const uint16 a, const uint16 b)
{
    return fma(as_float16(a << 16), as_float16(b << 16),
               fma(as_float16(a & 0xffff0000u), as_float16(b & 0xffff0000u), sums));
}
#endif
