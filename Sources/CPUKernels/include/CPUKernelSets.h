// Which kernel sets are built in, and which of them this machine can run.
#pragma once
#include <stdbool.h>

/// Instruction sets, from the most general to the most special.
typedef enum {
    CPUK_GENERIC = 0,
    CPUK_NEON = 1,
    CPUK_AVX2 = 2,
    CPUK_AVX512 = 3,
} cpuk_isa;

/// The best instruction set of this machine.
cpuk_isa cpuk_best_isa(void);
/// Whether kernels for `isa` are built in and this machine can run them.
bool cpuk_supports(cpuk_isa isa);
/// Processors this process may run on.
int cpuk_available_processors(void);

/// The products that a kernel set is for.
typedef enum {
    /// All ops, with FP32 activations. Such a set has the name of its instruction set.
    CPUK_SET_OF_FLOATS,
    /// Products of activations rounded to BF16, in pairs, into FP32 sums.
    CPUK_SET_OF_BF16,
    /// Products of activations quantised to int8, in quads, into 32-bit sums.
    CPUK_SET_OF_INT8,
} cpuk_set_kind;

/// A set of kernels that are compiled for the same instructions.
typedef struct {
    /// Such as "avx2_int8".
    const char *name;
    cpuk_set_kind kind;
    /// The instruction set that the kernels need at least.
    cpuk_isa isa;
    /// Whether the set is built in and this machine can run it.
    bool runs;
    /// Only for who names it: a set for tests.
    bool only_by_name;
} cpuk_kernel_set;
/// All sets in the order of preference, `cpuk_kernel_set_count` of them.
cpuk_kernel_set cpuk_kernel_set_at(int index);
int cpuk_kernel_set_count(void);
/// The first set of each kind that has `isa` and that this machine can run, but for those only by name. Returns their
/// number, at most CPUK_MAX_SETS.
enum { CPUK_MAX_SETS = 3 };
int cpuk_default_sets(cpuk_isa isa, int sets[CPUK_MAX_SETS]);
