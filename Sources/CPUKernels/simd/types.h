// Types of vectors of `lanes` floats, on clang's vector extensions. A vector_<isa>.h declares those of its width.
#pragma once
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// vf, vi, vu: lanes of 32 bits. vh, vb: as many of 16 and of 8. Those with `_any` may lie at any address.
#define DECLARE_VECTORS(lanes)                                                                                        \
    typedef float vf __attribute__((vector_size(lanes * 4)));                                                         \
    typedef int32_t vi __attribute__((vector_size(lanes * 4)));                                                       \
    typedef uint32_t vu __attribute__((vector_size(lanes * 4)));                                                      \
    typedef uint16_t vh __attribute__((vector_size(lanes * 2)));                                                      \
    typedef int8_t vb __attribute__((vector_size(lanes)));                                                            \
    typedef float vf_any __attribute__((vector_size(lanes * 4), aligned(1), may_alias));                              \
    typedef uint16_t vh_any __attribute__((vector_size(lanes * 2), aligned(1), may_alias));                           \
    typedef int8_t vb_any __attribute__((vector_size(lanes), aligned(1), may_alias));                                 \
    typedef uint8_t vq_any __attribute__((vector_size(lanes), aligned(1), may_alias))

// Lists of f(lane).
#define LANES_4(f) f(0), f(1), f(2), f(3)
#define LANES_8(f) LANES_4(f), f(4), f(5), f(6), f(7)
#define LANES_16(f) LANES_8(f), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
