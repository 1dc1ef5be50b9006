public import TensorCore

/// The kind of file to write: one number format, or a mixture of several. Named as in llama.cpp.
public enum QuantizationType: String, Sendable, Hashable, CaseIterable {
    case f32, f16, bf16
    case q8_0, q4_0, q4_1, q5_0, q5_1
    case q2_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m, q6_k
    case iq4_nl, iq4_xs
    /// The experts of a mixture in MXFP4, everything else in Q8_0.
    case mxfp4_moe
    case tq1_0, tq2_0

    /// The format of most matrices.
    public var base: StoredType {
        switch self {
        case .f32: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q2_k: .q2_K
        case .q3_k_s, .q3_k_m, .q3_k_l: .q3_K
        case .q4_k_s, .q4_k_m: .q4_K
        case .q5_k_s, .q5_k_m: .q5_K
        case .q6_k: .q6_K
        case .iq4_nl: .iq4_NL
        case .iq4_xs: .iq4_XS
        case .mxfp4_moe: .mxfp4
        case .tq1_0: .tq1_0
        case .tq2_0: .tq2_0
        }
    }

    /// `general.file_type`, the number that ggml has for the mixture.
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q4_1: 3
        case .q8_0: 7
        case .q5_0: 8
        case .q5_1: 9
        case .q2_k: 10
        case .q3_k_s: 11
        case .q3_k_m: 12
        case .q3_k_l: 13
        case .q4_k_s: 14
        case .q4_k_m: 15
        case .q5_k_s: 16
        case .q5_k_m: 17
        case .q6_k: 18
        case .iq4_nl: 25
        case .iq4_xs: 30
        case .bf16: 32
        case .tq1_0: 36
        case .tq2_0: 37
        case .mxfp4_moe: 38
        }
    }

    /// Whether the format is one of blocks.
    var isBlocked: Bool { base.blockSize > 1 }
}
