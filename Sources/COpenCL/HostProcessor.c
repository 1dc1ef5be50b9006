// What a CPU device that compiles for the processor of this program may use in inline assembly.
#include "COpenCL.h"

#if defined(__x86_64__)
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq");
}
bool ocl_host_has_avx512_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool ocl_host_has_avx512_bf16(void) { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#else
bool ocl_host_has_avx512_vnni(void) { return false; }
bool ocl_host_has_avx512_bf16(void) { return false; }
#endif
