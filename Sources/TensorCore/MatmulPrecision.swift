/// How exact a matrix product is, chosen for each weight when it is prepared.
///
/// Sums are FP32 in every case; what differs is the activations and, for FP32 weights, the weights. `high` and `medium`
/// mean for FP32 weights what `torch.set_float32_matmul_precision` means by them: a device that has nothing faster at that
/// precision computes more exactly.
public enum MatmulPrecision: String, Sendable, Hashable, CaseIterable {
    /// `highest` for FP32 weights; for 16-bit and quantised ones the fastest way that the device has instructions for:
    /// activations in BF16, or in 8-bit integers with a scale for each 16 or 32. Small weights keep FP32 ones.
    case automatic
    /// FP32 activations, whatever the weights' format.
    case highest
    /// FP32 weights and activations as sums of two BF16 each (or TF32); other formats as `medium`.
    case high
    /// FP32 weights and activations rounded to BF16; other formats as `automatic`, and small weights too.
    case medium

    /// Weights of fewer elements are multiplied so quickly that rounding gains nothing: left out, it is not done for them, so
    /// that small models say the same on every device.
    public static let leastElementsWorthRounding = 1 << 18

    /// Whether activations of a weight in `format` with `elementCount` elements may be rounded to fewer bits than FP32's.
    public func allowsReducedActivations(for format: WeightFormat, elementCount: Int) -> Bool {
        switch self {
        case .automatic: format != .float32 && elementCount >= Self.leastElementsWorthRounding
        case .highest: false
        case .high: format != .float32
        case .medium: true
        }
    }
}
