// Rotation of heads, which storing keys in the cache does on the way.
#pragma once
#include "context.h"

/// The index of the first of `tokens` tokens whose position is outside the table, or -1.
int64_t bad_position(const cpuk_rope_args *rope, int64_t tokens);
/// Rotates a head of a token; `output` may be `x`.
void rotate(
    const cpuk_context *context, const cpuk_rope_args *rope, int64_t token, int64_t head_size, const float *x,
    float *output);
