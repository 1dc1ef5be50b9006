#define _GNU_SOURCE
#include "cpu_features.h"
#include "../include/CPUKernels.h"

#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
cpu_features cpu_features_here(void) {
    cpu_features found = 0;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        found |= CPU_AVX2;
    if (found && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        found |= CPU_AVX512;
    if (__builtin_cpu_supports("avx512vnni")) found |= CPU_AVX512_VNNI;
    if (__builtin_cpu_supports("avx512bf16")) found |= CPU_AVX512_BF16;
    if (__builtin_cpu_supports("avxvnni")) found |= CPU_AVX_VNNI;
    return found;
}
#elif defined(__aarch64__)
cpu_features cpu_features_here(void) { return CPU_NEON; }
#else
cpu_features cpu_features_here(void) { return 0; }
#endif

int cpuk_available_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}
