// Reserves the scratch memory for everything that a backend's ops may need.
#include "attention.h"
#include "matmul.h"

bool cpuk_reserve(cpuk_context *context, const cpuk_limits *limits) {
    scratch_sizes sizes = scratch_union(attention_scratch(limits), sgemm_scratch(context));
    for (int i = 0; i < context->matmul_count; i++)
        sizes = scratch_union(sizes, matmul_scratch(context->matmuls[i], limits));
    if (!scratch_reserve(&context->scratch, sizes, (int)thread_count(context))) return false;
    context->limits = *limits;
    return true;
}
