/// How attention is split over work-items. The kernels are described in Kernels/attention.
public struct AttentionTuning: Sendable, Hashable {
    public enum Variant: String, Sendable, Hashable, CaseIterable {
        /// One work-item a work-group, float16 registers, no barriers: CPU devices.
        case registers
        /// Work-groups that share local memory: GPUs.
        case groups
    }

    public var variant: Variant
    /// Batches in which no sequence has more queries than this take the kernels that split the context.
    public var maxDecodeQueries = 4
    /// The fewest tokens of a split, and the most splits of a context.
    public var minSplitTokens = 128
    public var maxSplits = 64
    /// The most bytes that the splits' partial results may take.
    public var maxScratchByteCount = 64 << 20
    /// `registers`: query heads that share one pass over keys and values when decoding.
    public var decodeHeads = 8
    /// `registers`: the most rows (queries times heads, a multiple of 8) of a prefill tile.
    public var prefillRows = 128
    /// `registers`: rows of a prefill tile's products: 8, by 32 positions, or 4, by 16, where 16 registers hold sums.
    public var tileRows = 8
    /// `groups`: work-items of a decoding group, a power of two.
    public var decodeGroupSize = 64
    /// Local memory that a work-group may use.
    public var localMemoryByteCount = 32768

    public init(variant: Variant) { self.variant = variant }

    /// Rows of a prefill tile of the `registers` variant, so that its local memory (attention_prefill_cpu.cl) fits.
    func registerRows(headSize: Int) -> Int {
        let padded = ceilDivide(headSize, 32) * 32
        let positions = registerPositions(headSize: headSize)
        var rows = prefillRows
        while rows > 8 {
            let floats = rows * (padded + 17) + positions * (headSize + padded + 8)
            if floats * MemoryLayout<Float>.size <= localMemoryByteCount / 8 * 7 { break }
            rows -= 8
        }
        return rows
    }

    /// Positions of a prefill tile of the `registers` variant.
    func registerPositions(headSize: Int) -> Int { headSize <= 128 ? 64 : 32 }

    /// Positions of a prefill tile of the `groups` variant; 32 KiB of local memory hold it at any head size.
    func groupPositions(headSize: Int) -> Int { headSize <= 128 ? 32 : 8 }
}
