// Weights in blocks as unsigned 8-bit levels and the scales that belong to them, for products of integers:
//     w = scale * (level - offset)   or   w = scale * level + minimum
// with a scale (and minimum) for each group of 16 or 32 elements. Layouts: ggml-quants.c of ggml. Included by
// kernels_avx512_vnni.c, after simd.h.
#pragma once

/// Elements of a vector of levels.
enum { LEVELS = 64 };
/// Most groups of a span.
enum { MAX_GROUPS = 16 };

/// Elements that share a scale.
INLINE int group_of(const int format) {
    return format == CPUK_Q2_K || format == CPUK_Q3_K || format == CPUK_Q6_K ? 16 : 32;
}

/// Elements that are unpacked together: a block of 256, or the LEVELS of two blocks of 32.
INLINE int span_of(const int format) {
    switch (format) {
    case CPUK_Q2_K: case CPUK_Q3_K: case CPUK_Q4_K: case CPUK_Q5_K: case CPUK_Q6_K: case CPUK_IQ4_XS: return 256;
    default: return LEVELS;
    }
}

INLINE int64_t span_bytes(const int format) {
    switch (format) {
    case CPUK_I8: return 64;
    case CPUK_Q8_0: return 68;
    case CPUK_Q4_0: case CPUK_IQ4_NL: return 36;
    case CPUK_Q4_1: return 40;
    case CPUK_Q5_0: return 44;
    case CPUK_Q5_1: return 48;
    case CPUK_Q2_K: return 84;
    case CPUK_Q3_K: return 110;
    case CPUK_IQ4_XS: return 136;
    case CPUK_Q4_K: return 144;
    case CPUK_Q5_K: return 176;
    default: return 210;
    }
}

INLINE bool has_minimum(const int format) {
    return format == CPUK_Q4_1 || format == CPUK_Q5_1 || format == CPUK_Q2_K || format == CPUK_Q4_K
        || format == CPUK_Q5_K;
}

/// What the levels have too much.
/// Whether minima are applied once for a span, by sums of activations in the order of its groups.
INLINE bool has_span_minima(const int format) { return has_minimum(format) && span_of(format) == 256; }

INLINE int offset_of(const int format) {
    switch (format) {
    case CPUK_Q4_0: return 8;
    case CPUK_Q5_0: return 16;
    case CPUK_Q3_K: return 4;
    case CPUK_Q6_K: return 32;
    case CPUK_I8: case CPUK_Q8_0: case CPUK_IQ4_NL: case CPUK_IQ4_XS: return 128;
    default: return 0;
    }
}

INLINE uint16_t read_u16(const uint8_t *p) { uint16_t x; memcpy(&x, p, sizeof x); return x; }
INLINE uint32_t read_u32(const uint8_t *p) { uint32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE uint64_t read_u64(const uint8_t *p) { uint64_t x; memcpy(&x, p, sizeof x); return x; }
INLINE __m128i read_16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
INLINE __m256i read_32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE __m512i both(__m256i low, __m256i high) { return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1); }

// ---- Levels

// Bytes shifted right, eight of them by as many bits as a lane of `shifts` says; what comes in from their neighbours is
// masked.
INLINE __m512i shifted(__m512i bytes, __m512i shifts, const int mask) {
    return _mm512_and_si512(_mm512_srlv_epi64(bytes, shifts), _mm512_set1_epi8((char)mask));
}

// Of two blocks: low halves of the first's 16 bytes, then their high halves; then the second's.
INLINE __m512i nibbles(const uint8_t *first, const uint8_t *second) {
    const __m512i bytes = _mm512_castsi256_si512(
        _mm256_inserti128_si256(_mm256_castsi128_si256(read_16(first)), read_16(second), 1));
    const __m512i twice = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3), bytes);
    return shifted(twice, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4), 15);
}

// The table of IQ4_NL and IQ4_XS, with 128 added.
INLINE __m512i from_table(__m512i levels) {
    const __m128i table = _mm_setr_epi8(
        1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166, (char)181, (char)197, (char)217,
        (char)241);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), levels);
}

INLINE __m512i with_fifth_bits(__m512i levels, const uint8_t *first, const uint8_t *second) {
    const __mmask64 bits = read_u32(first) | (uint64_t)read_u32(second) << 32;
    return _mm512_or_si512(levels, _mm512_maskz_set1_epi8(bits, 16));
}

// Two blocks of 32 elements.
INLINE __m512i block_levels_32(const int format, const uint8_t *first, const uint8_t *second) {
    switch (format) {
    case CPUK_Q8_0: return _mm512_xor_si512(both(read_32(first + 2), read_32(second + 2)), _mm512_set1_epi8((char)128));
    case CPUK_Q4_0: return nibbles(first + 2, second + 2);
    case CPUK_Q4_1: return nibbles(first + 4, second + 4);
    case CPUK_Q5_0: return with_fifth_bits(nibbles(first + 6, second + 6), first + 2, second + 2);
    case CPUK_Q5_1: return with_fifth_bits(nibbles(first + 8, second + 8), first + 4, second + 4);
    default: return from_table(nibbles(first + 2, second + 2));
    }
}

// Bits `shift` and above of 32 bytes as the first half, bits `shift + step` and above as the second.
INLINE __m512i two_shifts(const uint8_t *p, int shift, const int step, const int mask) {
    const int64_t a = shift, b = shift + step;
    return shifted(_mm512_broadcast_i64x4(read_32(p)), _mm512_setr_epi64(a, a, a, a, b, b, b, b), mask);
}

// (a & mask) | b
INLINE __m512i masked_or(__m512i a, const int mask, __m512i b) {
    enum { OR_OF_AND = 0xf8 };
    return _mm512_ternarylogic_epi32(b, a, _mm512_set1_epi8((char)mask), OR_OF_AND);
}

// Two high bits of each element lie in the bytes of four: what a shift brings to bits 4 and 5 belongs to one half.
INLINE __m512i levels_q6_k(const uint8_t *block, int c) {
    const __m512i low = _mm512_loadu_si512(block + c / 2 * 64);
    const __m512i high = _mm512_broadcast_i64x4(read_32(block + 128 + c / 2 * 32));
    if (c % 2 == 1) {
        const __m512i bits = shifted(high, _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2), 0x30);
        return masked_or(_mm512_srli_epi16(low, 4), 15, bits);
    }
    const __m512i left = _mm512_sllv_epi64(high, _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2));
    return masked_or(low, 15, _mm512_and_si512(left, _mm512_set1_epi8(0x30)));
}

// The `c`th LEVELS elements of a block of 256.
INLINE __m512i block_levels_256(const int format, const uint8_t *block, int c) {
    switch (format) {
    case CPUK_Q2_K: return two_shifts(block + 16 + c / 2 * 32, c % 2 * 4, 2, 3);
    case CPUK_Q3_K: {
        const __m512i low = two_shifts(block + 32 + c / 2 * 32, c % 2 * 4, 2, 3);
        return _mm512_or_si512(low, _mm512_slli_epi16(two_shifts(block, 2 * c, 1, 1), 2));
    }
    case CPUK_Q4_K: return two_shifts(block + 16 + c * 32, 0, 4, 15);
    case CPUK_Q5_K: {
        const __m512i low = two_shifts(block + 48 + c * 32, 0, 4, 15);
        return _mm512_or_si512(low, _mm512_slli_epi16(two_shifts(block + 16, 2 * c, 1, 1), 4));
    }
    case CPUK_IQ4_XS: return from_table(nibbles(block + 8 + c * 32, block + 24 + c * 32));
    default: return levels_q6_k(block, c);
    }
}

// The `c`th LEVELS elements of a span of which `rest` elements are there; the others are zero.
INLINE __m512i span_levels(const int format, const uint8_t *span, int c, int64_t rest) {
    if (span_of(format) == 256) return block_levels_256(format, span, c);
    if (format == CPUK_I8) {
        const __mmask64 mask = rest >= LEVELS ? ~0ull : (1ull << rest) - 1;
        return _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, span), _mm512_maskz_set1_epi8(mask, (char)128));
    }
    if (rest >= LEVELS) return block_levels_32(format, span, span + span_bytes(format) / 2);
    return _mm512_maskz_mov_epi64(15, block_levels_32(format, span, span));
}

// ---- Scales

typedef struct {
    /// Lane g: of the span's group g; lanes past the last group are unspecified.
    vf scales, minimums;
} span_scales;

INLINE vf from_bytes(uint64_t low, uint64_t high) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_set_epi64x((int64_t)high, (int64_t)low)));
}

INLINE float half_at(const uint8_t *p) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(read_u16(p)))); }

// Scales and minima of Q4_K and Q5_K: 6 bits each, eight of each, behind the binary16 factors of both. Those of the
// last four groups have their upper two bits where the first four leave room.
INLINE span_scales scales_6_bit(const uint8_t *block) {
    const __m128i head = read_16(block);
    const __m128i low_bytes = _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i high_bytes = _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, 8, 9, 10, 11);
    const __m128i low = _mm_and_si128(
        _mm_srlv_epi32(_mm_shuffle_epi8(head, low_bytes), _mm_setr_epi32(0, 0, 0, 4)),
        _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
    const __m128i high = _mm_and_si128(
        _mm_srli_epi16(_mm_shuffle_epi8(head, high_bytes), 2), _mm_set1_epi8(0x30));
    const vf integers = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_or_si128(low, high)));
    const __m512i factor_lanes = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const vf all = integers * _mm512_permutexvar_ps(factor_lanes, _mm512_castps128_ps512(_mm_cvtph_ps(head)));
    return (span_scales){all, -_mm512_shuffle_f32x4(all, all, 0xee)};
}

INLINE span_scales scales_q3_k(const uint8_t *block) {
    const uint64_t low = read_u64(block + 96), bits = read_u32(block + 104), mask = 0x0f0f0f0f0f0f0f0full;
    const uint64_t first = ((bits & 0x03030303u) << 4) | ((bits >> 2 & 0x03030303u) << 36);
    const uint64_t second = ((bits >> 4 & 0x03030303u) << 4) | ((bits >> 6 & 0x03030303u) << 36);
    return (span_scales){
        .scales = (from_bytes((low & mask) | first, (low >> 4 & mask) | second) - 32.0f) * half_at(block + 108)};
}

INLINE span_scales scales_iq4_xs(const uint8_t *block) {
    const uint64_t low = _pdep_u64(read_u32(block + 4), 0x0f0f0f0f0f0f0f0full);
    const uint64_t high = _pdep_u64(read_u16(block + 2), 0x3030303030303030ull);
    return (span_scales){.scales = (from_bytes(low | high, 0) - 32.0f) * half_at(block)};
}

INLINE span_scales scales_of(const int format, const uint8_t *span, int64_t rest) {
    const uint8_t *second = span + span_bytes(format) / 2;
    switch (format) {
    case CPUK_I8: return (span_scales){.scales = splat(1)};
    case CPUK_Q4_1: case CPUK_Q5_1: {
        const uint32_t other = rest < LEVELS ? 0 : read_u32(second);
        const vf all = _mm512_castps128_ps512(_mm_cvtph_ps(_mm_set_epi32(0, 0, (int)other, (int)read_u32(span))));
        return (span_scales){_mm512_permute_ps(all, 0xd8), _mm512_permute_ps(all, 0x8d)};
    }
    case CPUK_Q2_K: {
        const uint64_t a = read_u64(span), b = read_u64(span + 8), mask = 0x0f0f0f0f0f0f0f0full;
        return (span_scales){
            from_bytes(a & mask, b & mask) * half_at(span + 80),
            from_bytes(a >> 4 & mask, b >> 4 & mask) * -half_at(span + 82)};
    }
    case CPUK_Q3_K: return scales_q3_k(span);
    case CPUK_Q4_K: case CPUK_Q5_K: return scales_6_bit(span);
    case CPUK_Q6_K:
        return (span_scales){
            .scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(read_16(span + 192))) * half_at(span + 208)};
    case CPUK_IQ4_XS: return scales_iq4_xs(span);
    default: {
        const uint32_t other = rest < LEVELS ? 0 : read_u16(second);
        const __m128i halves = _mm_cvtsi32_si128((int)(read_u16(span) | other << 16));
        return (span_scales){.scales = _mm512_castps128_ps512(_mm_cvtph_ps(halves))};
    }
    }
}

// Lane i: of the group that elements 4 i to 4 i + 3 of the `c`th LEVELS belong to.
INLINE vf lanes_of_groups(const int format, vf groups, int c) {
    const __m512i by_16 = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i by_32 = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    if (format == CPUK_I8) return groups;
    if (group_of(format) == 16) return _mm512_permutexvar_ps(_mm512_add_epi32(by_16, _mm512_set1_epi32(4 * c)), groups);
    return _mm512_permutexvar_ps(_mm512_add_epi32(by_32, _mm512_set1_epi32(2 * c)), groups);
}
