// What products read where each row has the weight of the expert it chose. In front of matmul/matmul_common.cl, which
// has the same macros for one weight.
//
//   e = ids[r];  y[r, n] = scale * sum_k x[r / repeats, k] * w[e][n, k]
//
// Legend: R rows (`tokens`), E experts, P output columns of an expert. The weight is [E * P, K] or, gated,
// [2 * E * P, K]: the gates of all experts, then their values. There is neither bias nor residual. Further arguments:
//   choices  GEMV: [R] expert ids; GEMM and its quantised activations: what group_rows writes, [R] rows in the order of
//            their experts, then [E + 1] where an expert's begin
//   repeats  rows that share a row of x
//   experts  E
#define PRODUCT_NAME(op) MATMUL_NAME(op##_experts)
#define EXPERT_PARAMETERS                                                                                              \
    , __global const uint *choices, const ulong choices_offset, const uint repeats, const uint experts
#define EXPERT_COUNT experts

// GEMV: the second dimension is the row. Its expert, row of x, row of the output, and whether it must quantise the row.
#define GEMV_EXPERT min(choices[choices_offset + ITEM(1)], experts - 1)
#define GEMV_INPUT_ROW(t) ((uint)ITEM(1) / repeats)
#define GEMV_OUTPUT_ROW(t) ((uint)ITEM(1))
#define GEMV_QUANTISES 1

// GEMM: the second dimension is the expert. Its rows are some of the ordered ones, which count as tokens, a kernel's
// item_tokens at a time; their rows of x and of the output.
#define GEMM_EXPERT ((uint)get_group_id(1))
#define GEMM_TOKEN_BEGIN choices[choices_offset + tokens + GEMM_EXPERT]
#define GEMM_TOKEN_END choices[choices_offset + tokens + GEMM_EXPERT + 1]
#define GEMM_NEXT_TOKEN(t) ((t) + item_tokens)
#define GEMM_INPUT_ROW(t) (choices[choices_offset + min(t, tokens - 1)] / repeats)
#define GEMM_OUTPUT_ROW(t) choices[choices_offset + (t)]
