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
    /// `registers`: the fewest work-items of a compute unit, so that a delayed one does not delay all, and the bytes of
    /// weight that suffice for one, so that the last to finish ends soon.
    public var itemsPerUnit = 4
    public var itemByteCount = 64 << 10
    /// `registers`: as `itemByteCount`, of an expert's weight.
    public var expertItemByteCount = 512 << 10
    /// The fewest rows for each expert, on average, that are worth grouping.
    public var minRowsPerExpert = 2
    /// `registers`: the number of 16-feature steps of a row product that have sums of their own.
    public var vectorSteps = 1
    /// `registers`: the panel that a work-item keeps in local memory: in FP32, in pairs of BF16 numbers, in 8-bit
    /// quants with their scales.
    public var panel = PanelTuning(columns: 96, inputs: 256, tokens: 256, minInputs: 32, elementBits: 32)
    public var bfloat16Panel = PanelTuning(columns: 64, inputs: 1024, tokens: 512, minInputs: 64, elementBits: 16)
    public var int8Panel = PanelTuning(columns: 32, inputs: 2048, tokens: 512, minInputs: 256, elementBits: 12)
    /// `registers`: tokens of a tile of FP32 or BF16 panels: 8, by 32 columns, or 4, by 16, where 16 registers hold sums.
    public var panelTokens = 8
    /// `registers`: the fewest tokens for which quantising activations to BF16 is faster, and the most that stream
    /// quants.
    public var minBFloat16Tokens = 16
    public var maxInt8GEMVTokens = 4
    /// `registers`: rounds activations in plain OpenCL C, which is slow but checks these kernels on any device.
    public var usesPortableDots = false
    /// `groups`: output columns of a group, and work-items (a power of two) that share a column.
    public var rowsColumns = 4
    public var rowsLanes = 32

    public init(variant: Variant) { self.variant = variant }

    /// The same tuning with panels that leave a part of `localMemoryByteCount` free.
    func fitting(localMemoryByteCount: Int) -> MatmulTuning {
        var fitting = self
        fitting.panel.fit(localMemoryByteCount / 8 * 7)
        fitting.bfloat16Panel.fit(localMemoryByteCount / 8 * 7)
        fitting.int8Panel.fit(localMemoryByteCount / 8 * 7)
        return fitting
    }
}

/// The panel of weights that a work-item packs, and the tokens it multiplies with it.
public struct PanelTuning: Sendable, Hashable {
    /// Weight rows, a multiple of 32.
    public var columns: Int
    /// Features, a multiple of `minInputs`.
    public var inputs: Int
    /// Tokens, a multiple of 8.
    public var tokens: Int
    /// The panel has whole multiples of so many features, which are packed together.
    let minInputs: Int
    /// Bits of local memory for an element.
    let elementBits: Int

    var byteCount: Int { columns * inputs * elementBits / 8 }
    private var partialByteCount: Int { columns * tokens * MemoryLayout<Float>.size }

    /// Shrinks the panel until it and its sums take no more than `byteCount`.
    mutating func fit(_ limit: Int) {
        while byteCount + partialByteCount > limit {
            if columns > 32 {
                columns -= 32
            } else if inputs > minInputs {
                inputs /= 2
            } else if tokens > 32 {
                tokens /= 2
            } else {
                break
            }
        }
    }
}
