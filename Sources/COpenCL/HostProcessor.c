// What a CPU device that compiles for the processor of this program finds there.
#include "COpenCL.h"

#if defined(__x86_64__)
bool ocl_host_has_avx2(void) { return __builtin_cpu_supports("avx2"); }
bool ocl_host_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq");
}
bool ocl_host_has_avx512_vnni(void) { return ocl_host_has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool ocl_host_has_avx512_bf16(void) { return ocl_host_has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#else
bool ocl_host_has_avx2(void) { return false; }
bool ocl_host_has_avx512(void) { return false; }
bool ocl_host_has_avx512_vnni(void) { return false; }
bool ocl_host_has_avx512_bf16(void) { return false; }
#endif
