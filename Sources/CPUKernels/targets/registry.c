#include "registry.h"

#include "../runtime/cpu_features.h"
#include "targets.h"

typedef struct {
    const char *name;
    cpuk_set_kind kind;
    cpuk_isa isa;
    cpu_features needs;
    const kernel_set *(*kernels)(void);
    /// Only for who names it: a set for tests.
    bool only_by_name;
} registry_entry;

// A new target is a line here. A context asks the sets of its kinds in this order: sets with rounded products before
// those of floats, and of two sets of one kind the earlier one.
static const registry_entry entries[] = {
    {"avx512_amx", CPUK_SET_OF_BF16, CPUK_AVX512, CPU_AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16 | CPU_AMX_BF16,
     kernels_avx512_amx, false},
    {"avx512_bf16", CPUK_SET_OF_BF16, CPUK_AVX512, CPU_AVX512 | CPU_AVX512_BF16, kernels_avx512_bf16, false},
    {"avx512_vnni", CPUK_SET_OF_INT8, CPUK_AVX512, CPU_AVX512 | CPU_AVX512_VNNI, kernels_avx512_vnni, false},
    {"avx512_int8", CPUK_SET_OF_INT8, CPUK_AVX512, CPU_AVX512, kernels_avx512_int8, false},
    {"avx512", CPUK_SET_OF_FLOATS, CPUK_AVX512, CPU_AVX512, kernels_avx512, false},
    {"avx_vnni", CPUK_SET_OF_INT8, CPUK_AVX2, CPU_AVX2 | CPU_AVX_VNNI, kernels_avx_vnni, false},
    {"avx2_int8", CPUK_SET_OF_INT8, CPUK_AVX2, CPU_AVX2, kernels_avx2_int8, false},
    {"avx2", CPUK_SET_OF_FLOATS, CPUK_AVX2, CPU_AVX2, kernels_avx2, false},
    {"amx_model", CPUK_SET_OF_BF16, CPUK_AVX512, CPU_AVX512 | CPU_AVX512_VNNI, kernels_amx_model, true},
    {"neon_dot", CPUK_SET_OF_INT8, CPUK_NEON, CPU_NEON | CPU_NEON_DOT, kernels_neon_dot, false},
    {"neon", CPUK_SET_OF_FLOATS, CPUK_NEON, CPU_NEON, kernels_neon, false},
    {"generic", CPUK_SET_OF_FLOATS, CPUK_GENERIC, 0, kernels_generic, false},
};
enum { SET_COUNT = sizeof entries / sizeof *entries };

const kernel_set *kernels_of_set(int index) {
    if (index < 0 || index >= SET_COUNT) return NULL;
    const cpu_features needs = entries[index].needs;
    return (cpu_features_here() & needs) == needs ? entries[index].kernels() : NULL;
}

int cpuk_kernel_set_count(void) { return SET_COUNT; }

cpuk_kernel_set cpuk_kernel_set_at(int index) {
    const registry_entry *entry = &entries[index];
    return (cpuk_kernel_set){
        .name = entry->name, .kind = entry->kind, .isa = entry->isa, .runs = kernels_of_set(index) != NULL,
        .only_by_name = entry->only_by_name};
}

int cpuk_default_sets(cpuk_isa isa, int sets[CPUK_MAX_SETS]) {
    int count = 0;
    bool has_kind[CPUK_MAX_SETS] = {false};
    for (int index = 0; index < SET_COUNT; index++) {
        if (entries[index].only_by_name) continue;
        if (entries[index].isa != isa || has_kind[entries[index].kind] || !kernels_of_set(index)) continue;
        has_kind[entries[index].kind] = true;
        sets[count++] = index;
    }
    return count;
}

bool cpuk_supports(cpuk_isa isa) {
    int sets[CPUK_MAX_SETS];
    return cpuk_default_sets(isa, sets) > 0;
}

cpuk_isa cpuk_best_isa(void) {
    for (int isa = CPUK_AVX512; isa > CPUK_GENERIC; isa--)
        if (cpuk_supports((cpuk_isa)isa)) return (cpuk_isa)isa;
    return CPUK_GENERIC;
}
