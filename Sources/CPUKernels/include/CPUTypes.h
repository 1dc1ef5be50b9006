// The types that all kernels' arguments are made of.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    CPUK_IDENTITY = 0,
    CPUK_GELU_TANH = 1,
    CPUK_GELU_ERF = 2,
    CPUK_SILU = 3,
    CPUK_RELU = 4,
    CPUK_LEAKY_RELU = 5,
    CPUK_RELU6 = 6,
    CPUK_TANH = 7,
    CPUK_SIGMOID = 8,
    CPUK_QUICK_GELU = 9,
    CPUK_HARD_SIGMOID = 10,
    CPUK_HARD_SWISH = 11,
} cpuk_activation;

typedef struct cpuk_context cpuk_context;

/// Rows of floats, `stride` elements apart.
typedef struct {
    float *data;
    int64_t stride;
} cpuk_rows;
