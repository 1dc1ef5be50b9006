// Number formats and codes that every program shares. Included in front of each program.
//
// Conventions of all kernels: a tensor argument is a pointer followed by the ulong index of its first element
// (`x`, `x_offset`); strides count elements from row to row; an optional tensor is a null pointer.
//
// Macro of every program, from the tuning table: ROW_IS_WORK_ITEM, 1 where a row is one work-item's (CPU devices), 0
// where it is one work-group's (GPUs). Only the variants of the device at hand are compiled.

// Activations, as `Activation.kernelCode` in Swift numbers them.
#define ACTIVATION_NONE 0u
#define ACTIVATION_GELU_TANH 1u
#define ACTIVATION_GELU_ERF 2u
#define ACTIVATION_SILU 3u
#define ACTIVATION_RELU 4u
#define ACTIVATION_LEAKY_RELU 5u
#define ACTIVATION_RELU6 6u
#define ACTIVATION_TANH 7u
#define ACTIVATION_SIGMOID 8u
#define ACTIVATION_QUICK_GELU 9u
#define ACTIVATION_HARD_SIGMOID 10u
#define ACTIVATION_HARD_SWISH 11u

// Rotary layouts, as `RopeLayout.kernelCode` numbers them.
#define ROPE_HALF_SPLIT 0u
#define ROPE_INTERLEAVED 1u

// bfloat16 is the upper half of a binary32, kept as ushort.
inline float bf16_to_float(ushort bits) { return as_float((uint)bits << 16); }
inline float16 bf16_to_float16(ushort16 bits) { return as_float16(convert_uint16(bits) << (uint16)(16)); }

// Rounds to nearest, ties to even; a NaN stays one.
inline ushort float_to_bf16(float value) {
    const uint bits = as_uint(value);
    if (isnan(value)) return (ushort)((bits >> 16) | 0x40u);
    return (ushort)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Element `index` of memory in each format as float. `half` as a storage type is core OpenCL C 1.2.
inline float load_f32(__global const float *p, ulong index) { return p[index]; }
inline float load_f16(__global const half *p, ulong index) { return vload_half(index, p); }
inline float load_bf16(__global const ushort *p, ulong index) { return bf16_to_float(p[index]); }
inline float load_i8(__global const char *p, ulong index) { return (float)p[index]; }

// Elements `index ..< index + 16`.
inline float16 load16_f32(__global const float *p, ulong index) { return vload16(0, p + index); }
inline float16 load16_f16(__global const half *p, ulong index) { return vload_half16(0, p + index); }
inline float16 load16_bf16(__global const ushort *p, ulong index) { return bf16_to_float16(vload16(0, p + index)); }
inline float16 load16_i8(__global const char *p, ulong index) { return convert_float16(vload16(0, p + index)); }

// Rows of quants -127 to 127 of one scale, the largest magnitude over 127. Rows too small for a normal scale are all
// zero; one with a NaN or an infinity has the scale NaN and quants of 0.
inline float larger_magnitude(float largest, float x) {
    // A NaN stays, whichever operand it is.
    return isnan(largest) || fabs(x) <= largest ? largest : fabs(x);
}
inline float quant_scale(float largest) {
    return largest < 0x1p-118f ? 0.0f : isfinite(largest) ? largest / 127.0f : NAN;
}
inline float quant_inverse(float scale) { return scale > 0.0f ? 1.0f / scale : 0.0f; }
inline char to_quant(float x, float inverse) {
    return inverse > 0.0f ? convert_char_sat(rint(x * inverse)) : (char)0;
}

inline void store_f32(__global float *p, ulong index, float value) { p[index] = value; }
inline void store_f16(__global half *p, ulong index, float value) { vstore_half_rte(value, index, p); }
inline void store_bf16(__global ushort *p, ulong index, float value) { p[index] = float_to_bf16(value); }
