#define _GNU_SOURCE
#include "cpu_features.h"
#include "../include/CPUKernels.h"

#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdatomic.h>
#include <sys/syscall.h>

// Whether the processor has tiles with products of BF16, and the system saves them.
static bool has_amx(void) {
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, OSXSAVE = 1 << 27, TILE_STATE = 3 << 17 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return false;
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & TILE_STATE) == TILE_STATE;
}

// Linux gives each process the room for tiles only when it asks (Documentation/arch/x86/xstate.rst). What is asked
// for holds for all threads.
static bool may_use_amx(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    static _Atomic int known;
    int state = atomic_load(&known);
    if (state == 0) {
        state = has_amx() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 ? 1 : 2;
        atomic_store(&known, state);
    }
    return state == 1;
}

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
    if (may_use_amx()) found |= CPU_AMX_BF16;
    return found;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

cpu_features cpu_features_here(void) {
    enum { HAS_DOT_PRODUCTS = 1 << 20 };  // HWCAP_ASIMDDP (Documentation/arch/arm64/elf_hwcaps.rst)
    return getauxval(AT_HWCAP) & HAS_DOT_PRODUCTS ? CPU_NEON | CPU_NEON_DOT : CPU_NEON;
}
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
