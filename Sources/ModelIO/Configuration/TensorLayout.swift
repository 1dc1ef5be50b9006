public import TensorCore

/// The differences between a file's tensors and those of the hub's checkpoints, which come from GGUF's converter. They
/// follow from the kind of file: no key of a configuration can set them.
public struct TensorLayout: Sendable, Hashable {
    /// The order of the rows of query and key, for architectures that rotate halves; `nil`: the order of the model's
    /// own rotation.
    public var ropeLayout: RopeLayout?
    /// Whether norms' weights include the 1 that the model adds to them.
    public var includesNormOffset = false
    /// Whether query, key and value are stored as all queries, all keys, all values, where checkpoints store them head
    /// by head.
    public var separatesProjections = false
    /// Whether matrices are stored `[N, K]` where checkpoints have them `[K, N]`.
    public var isUntransposed = false
    /// The divisor of each rotated pair's frequency, `[rotarySize / 2]`, in place of a rule to compute it.
    public var ropeFactors: [Double]?

    public init() {}

    /// The layout of the hub's checkpoints.
    public static let huggingFace = TensorLayout()

    /// The layout of GGUF files, as far as it is the same for all architectures.
    public static let gguf: TensorLayout = {
        var layout = TensorLayout()
        layout.includesNormOffset = true
        layout.separatesProjections = true
        layout.isUntransposed = true
        return layout
    }()
}
