public import TensorCore

/// How a file's tensors lie otherwise than in the hub's checkpoints, which GGUF's converter brings about. It comes with the
/// kind of file: no key of a configuration can say any of it.
public struct TensorLayout: Sendable, Hashable {
    /// How the rows of query and key are ordered, for architectures that rotate halves; `nil`: for the model's own rotation.
    public var ropeLayout: RopeLayout?
    /// Whether norms' weights hold the 1 that the model adds to them.
    public var includesNormOffset = false
    /// Whether query, key and value are stored all queries first, where checkpoints have them head by head.
    public var separatesProjections = false
    /// Whether matrices are stored `[N, K]` where checkpoints have them `[K, N]`.
    public var isUntransposed = false
    /// What the frequency of each rotated pair is divided by, `[rotarySize / 2]`, in place of a rule to compute it.
    public var ropeFactors: [Double]?

    public init() {}

    /// The hub's checkpoints.
    public static let huggingFace = TensorLayout()

    /// GGUF files, as far as it is the same for all architectures.
    public static let gguf: TensorLayout = {
        var layout = TensorLayout()
        layout.includesNormOffset = true
        layout.separatesProjections = true
        layout.isUntransposed = true
        return layout
    }()
}
