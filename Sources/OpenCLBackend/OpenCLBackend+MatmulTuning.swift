/// How matrix products are split over work-items. The kernels are described in Kernels/matmul.
public struct MatmulTuning: Sendable, Hashable {
    public enum Variant: String, Sendable, Hashable, CaseIterable {
        /// One work-item a work-group, float16 registers, no barriers: CPU devices.
        case registers
        /// Work-groups that share local memory: GPUs.
        case groups
    }

    public var variant: Variant
    /// The most tokens of the kernels that stream the weight once; more tokens take the tiled kernel.
    public var maxVectorTokens = 8
    /// `registers`: the least work-items a compute unit gets, so that one that was held up does not hold up all, and the
    /// bytes of weight that are enough for one, so that the last to finish is soon done.
    public var itemsPerUnit = 4
    public var itemByteCount = 64 << 10
    /// `registers`: 16-feature steps of one token's row product with sums of their own.
    public var vectorSteps = 1
    /// `registers`: weight rows (a multiple of 32), features (a multiple of 16) and tokens (a multiple of 8) that a
    /// work-item works on from local memory.
    public var panelColumns = 96
    public var panelInputs = 256
    public var panelTokens = 256
    /// `groups`: output columns of a group, and work-items (a power of two) that share a column.
    public var rowsColumns = 4
    public var rowsLanes = 32

    public init(variant: Variant) { self.variant = variant }

    /// Local memory of the panel kernel.
    var panelByteCount: Int { panelColumns * panelInputs * MemoryLayout<Float>.size }
    var partialByteCount: Int { panelColumns * panelTokens * MemoryLayout<Float>.size }

    /// The same with panels that leave a part of `localMemoryByteCount` free.
    func fitting(localMemoryByteCount: Int) -> MatmulTuning {
        var fitting = self
        while fitting.panelByteCount + fitting.partialByteCount > localMemoryByteCount / 8 * 7 {
            if fitting.panelColumns > 32 {
                fitting.panelColumns -= 32
            } else if fitting.panelInputs > 32 {
                fitting.panelInputs /= 2
                fitting.panelTokens /= 2
            } else {
                break
            }
        }
        return fitting
    }
}
