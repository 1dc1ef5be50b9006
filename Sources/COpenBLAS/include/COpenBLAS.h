// OpenBLAS, opened at run time so that a program also runs where it is not installed.
#pragma once
#include <stdbool.h>

/// Single-precision matrix product as CBLAS declares it; enumerations passed as int.
typedef void (*openblas_sgemm)(
    int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
    int ldb, float beta, float *c, int ldc);

typedef struct {
    openblas_sgemm sgemm;
    /// The kernels in use, such as "Cooperlake".
    char core_name[64];
    /// What OpenBLAS says of its version and build.
    char configuration[160];
    /// Why it cannot be used, one line; empty where it can.
    char reason[160];
} openblas_library;

/// Opens `libopenblas.so.0` and limits it to the calling thread. `core_type` names the kernels to take, unless the
/// environment's OPENBLAS_CORETYPE or an earlier load has decided; NULL leaves it to OpenBLAS. The library stays
/// loaded for the life of the process: it starts threads that cannot be unloaded. False where it is missing, lacks a
/// function, or fails a numerical check.
bool openblas_open(openblas_library *library, const char *core_type);
