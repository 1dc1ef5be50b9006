/// How exact a matrix product is, chosen for each weight when it is prepared.
///
/// Sums are FP32 in every case; what differs is the activations and, for FP32 weights, the weights. `high` and `medium`
/// mean for FP32 weights what `torch.set_float32_matmul_precision` means by them: a device that has nothing faster at that
/// precision computes more exactly.
public enum MatmulPrecision: String, Sendable, Hashable, CaseIterable {
    /// `highest` for FP32 weights; for 16-bit and quantised ones the fastest way that the device has instructions for:
    /// activations in BF16, or in 8-bit integers with a scale for each 16 or 32.
    case automatic
    /// `automatic`, but that 8-bit activations may have one scale a token (a row), as engines have that quantise
    /// dynamically. It is faster, and exact enough for encoders, which read a text once; what a decoder writes would be
    /// measurably less likely (docs/numerics.md).
    case automaticByToken
    /// FP32 activations, whatever the weights' format.
    case highest
    /// FP32 weights and activations as sums of two BF16 each (or TF32); other formats as `automatic`.
    case high
    /// FP32 weights and activations rounded to BF16; other formats as `automatic`.
    case medium

    /// Layers of fewer weights are multiplied so quickly that rounding gains nothing.
    public static let leastWeightsWorthRounding = 1 << 18

    /// The same of encoders, whose answers are numbers: a difference in the last digits leads no text elsewhere.
    public static let leastEncoderWeightsWorthRounding = 1 << 17

    /// What a layer of `weightCount` weights takes: `automatic` becomes `highest` for a small one, so that small models say
    /// the same on every device.
    public func forLayer(
        weightCount: Int, leastWeightCount: Int = MatmulPrecision.leastWeightsWorthRounding
    ) -> MatmulPrecision {
        isAutomatic && weightCount < leastWeightCount ? .highest : self
    }

    /// Whether nothing was asked for.
    private var isAutomatic: Bool { self == .automatic || self == .automaticByToken }

    /// What an encoder takes where this was asked for.
    public var forEncoder: MatmulPrecision { self == .automatic ? .automaticByToken : self }

    /// Whether activations of a weight in `format` may be rounded to fewer bits than FP32's.
    public func allowsReducedActivations(for format: WeightFormat) -> Bool {
        switch self {
        case .automatic, .automaticByToken, .high: format != .float32
        case .highest: false
        case .medium: true
        }
    }
}
