#define _GNU_SOURCE
#include "COpenBLAS.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static void copy_text(char *to, size_t size, const char *from) { snprintf(to, size, "%s", from ? from : "unknown"); }

// Kernels of a library older than the processor have been wrong before: multiply once at sizes that leave
// remainders in every dimension and compare.
static bool multiplies_right(openblas_sgemm sgemm) {
    enum { M = 37, N = 45, K = 67 };
    static const float epsilon = 1e-4f;
    float *a = malloc(sizeof(float) * M * K), *b = malloc(sizeof(float) * N * K), *c = malloc(sizeof(float) * M * N);
    bool right = a && b && c;
    if (right) {
        for (int i = 0; i < M * K; i++) a[i] = (float)((i * 37) % 101) / 101.0f - 0.5f;
        for (int i = 0; i < N * K; i++) b[i] = (float)((i * 53) % 97) / 97.0f - 0.5f;
        for (int i = 0; i < M * N; i++) c[i] = NAN;
        sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, M, N, K, 1, a, K, b, K, 0, c, N);
        for (int m = 0; m < M; m++) {
            for (int n = 0; n < N; n++) {
                double sum = 0;
                for (int k = 0; k < K; k++) sum += (double)a[m * K + k] * (double)b[n * K + k];
                if (!(fabs((double)c[m * N + n] - sum) <= (double)epsilon)) right = false;
            }
        }
    }
    free(a);
    free(b);
    free(c);
    return right;
}

bool openblas_open(openblas_library *library, const char *core_type) {
    memset(library, 0, sizeof *library);
    if (core_type) setenv("OPENBLAS_CORETYPE", core_type, 0);
    // Its own threads would only compete with ours.
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        copy_text(library->reason, sizeof library->reason, dlerror());
        return false;
    }
    openblas_sgemm sgemm = (openblas_sgemm)dlsym(handle, "cblas_sgemm");
    void (*set_num_threads)(int) = (void (*)(int))dlsym(handle, "openblas_set_num_threads");
    char *(*core_name)(void) = (char *(*)(void))dlsym(handle, "openblas_get_corename");
    char *(*configuration)(void) = (char *(*)(void))dlsym(handle, "openblas_get_config");
    if (!sgemm || !set_num_threads || !core_name || !configuration) {
        copy_text(library->reason, sizeof library->reason, "libopenblas.so.0 lacks a function that is needed");
        return false;
    }
    set_num_threads(1);
    copy_text(library->core_name, sizeof library->core_name, core_name());
    copy_text(library->configuration, sizeof library->configuration, configuration());
    if (!multiplies_right(sgemm)) {
        snprintf(
            library->reason, sizeof library->reason, "its %s kernels multiply wrongly on this processor",
            library->core_name);
        return false;
    }
    library->sgemm = sgemm;
    return true;
}
