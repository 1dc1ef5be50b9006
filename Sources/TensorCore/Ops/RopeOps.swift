/// Which elements of a head are rotated together.
public enum RopeLayout: String, Sendable, Hashable, CaseIterable {
    /// Element `i` with `i + rotarySize / 2` (GPT-NeoX and Hugging Face's Llama).
    case halfSplit
    /// Element `2 i` with `2 i + 1` (GPT-J and the original Llama).
    case interleaved
}

/// Rotary position embedding (Su et al., 2021) of the first `rotarySize` elements of each head.
///
/// Angles are not computed on the device: `table` holds, for each position `p` and pair `i`, the cosine and sine that the
/// model's configuration gives, rounded from float64: `table[p, 0, i]` the cosines, `table[p, 1, i]` the sines.
public struct RopeArguments: Sendable {
    /// `[P, 2, rotarySize / 2]` float32.
    public let table: Tensor
    /// `[T]` int32, each in `0..<P`.
    public let positions: Tensor
    /// Even, and at most the head's size.
    public let rotarySize: Int
    public let layout: RopeLayout

    public init(table: Tensor, positions: Tensor, rotarySize: Int, layout: RopeLayout) {
        self.table = table
        self.positions = positions
        self.rotarySize = rotarySize
        self.layout = layout
    }
}

public protocol RopeOps: AnyObject, Sendable {
    /// Rotates every head of `x` `[T, H * headSize]` float32 in place; rows may be strided.
    func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws
}
