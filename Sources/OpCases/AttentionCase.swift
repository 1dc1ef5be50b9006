package import TensorCore

/// One batch of attention over the paged cache. The conformance tests compute all that are listed; the harness times those
/// of models.
package struct AttentionCase: Sendable, Hashable {
    package enum Scores: String, Sendable, Hashable { case usual, large, allEqual, allVeryNegative }

    /// Query tokens and context of each sequence.
    package var sequences: [[Int]]
    package var headSize: Int
    package var keyHeads = 1
    /// Query heads of a key head.
    package var group = 1
    package var dtype = DType.float32
    package var blockSize = 16
    package var window: Int?
    package var softCap: Float?
    package var scores = Scores.usual
    /// Elements between rows.
    package var gap = 0
    /// What the harness reports it as; `nil`: it is not timed.
    package var timing: TimedCase?

    package init(
        sequences: [[Int]], headSize: Int, keyHeads: Int = 1, group: Int = 1, dtype: DType = .float32,
        blockSize: Int = 16, window: Int? = nil, softCap: Float? = nil, scores: Scores = .usual, gap: Int = 0,
        timing: TimedCase? = nil
    ) {
        self.sequences = sequences
        self.headSize = headSize
        self.keyHeads = keyHeads
        self.group = group
        self.dtype = dtype
        self.blockSize = blockSize
        self.window = window
        self.softCap = softCap
        self.scores = scores
        self.gap = gap
        self.timing = timing
    }

    package var headCount: Int { keyHeads * group }
    /// Elements of a row of queries.
    package var columns: Int { headCount * headSize }
    package var tokenCount: Int { sequences.reduce(0) { $0 + $1[0] } }
    package var contextLength: Int { sequences.map { $0[1] }.max() ?? 0 }
    /// Multiply-adds, were nothing masked.
    package var cost: Int { sequences.reduce(0) { $0 + $1[0] * $1[1] } * headCount * headSize * 2 }

    package var name: String {
        var words = [
            "\(dtype.rawValue) sequences=\(sequences) D=\(headSize) KH=\(keyHeads) G=\(group) L=\(blockSize)"
        ]
        if let window { words.append("window=\(window)") }
        if let softCap { words.append("cap=\(softCap)") }
        if scores != .usual { words.append("scores=\(scores.rawValue)") }
        if gap > 0 { words.append("gap=\(gap)") }
        return words.joined(separator: " ")
    }

    /// Whether a device of these capabilities computes it; another one refuses it.
    package func isSupported(by capabilities: BackendCapabilities) -> Bool { headSize <= capabilities.maxHeadSize }

    /// Attention of one sequence of a model: one token at each context; each prompt alone and, where it is long, at the end
    /// of each context.
    package static func timed(
        _ shape: ModelShape, cacheTypes: [DType], tokenCounts: [Int], contextLengths: [Int]
    ) -> [AttentionCase] {
        let limit = shape.maxContextLength
        var sizes = contextLengths.filter { $0 <= limit }.map { [1, $0] }
        for tokens in tokenCounts where tokens > 1 && tokens <= limit {
            sizes.append([tokens, tokens])
            sizes += contextLengths.filter { $0 > tokens && $0 <= limit && tokens >= 512 }.map { [tokens, $0] }
        }
        let operand =
            "\(shape.headCount)/\(shape.keyValueHeadCount) heads of \(shape.headSize)"
            + (shape.softCaps == nil ? "" : " capped")
        return cacheTypes.flatMap { dtype in
            sizes.map { size in
                AttentionCase(
                    sequences: [size], headSize: shape.headSize, keyHeads: shape.keyValueHeadCount,
                    group: shape.headCount / shape.keyValueHeadCount, dtype: dtype,
                    softCap: shape.softCaps.map { Float($0.scores) },
                    // Scores must be large for a cap to show.
                    scores: shape.softCaps == nil ? .usual : .large,
                    timing: TimedCase(model: shape.name, operand: operand))
            }
        }
    }
}
