/// The tensor types of GGUF files by their number, `ggml_type`. Numbers that are missing were given up.
enum GGUFTensorTypes {
    static let types: [UInt32: StoredType] = [
        0: .float32, 1: .float16, 2: .q4_0, 3: .q4_1, 6: .q5_0, 7: .q5_1, 8: .q8_0, 9: .q8_1, 10: .q2_K, 11: .q3_K,
        12: .q4_K, 13: .q5_K, 14: .q6_K, 15: .q8_K, 16: .iq2_XXS, 17: .iq2_XS, 18: .iq3_XXS, 19: .iq1_S, 20: .iq4_NL,
        21: .iq3_S, 22: .iq2_S, 23: .iq4_XS, 24: .int8, 25: .int16, 26: .int32, 27: .int64, 28: .float64, 29: .iq1_M,
        30: .bfloat16, 34: .tq1_0, 35: .tq2_0, 39: .mxfp4,
    ]

    /// The number of each type.
    static let numbers: [StoredType: UInt32] = Dictionary(
        uniqueKeysWithValues: types.map { ($0.value, $0.key) })
}
