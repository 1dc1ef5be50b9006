package import TensorCore

/// One batch of attention over plain rows. The conformance tests compute all that are listed; the harness times those of
/// models.
package struct EncoderAttentionCase: Sendable, Hashable {
    /// Queries and keys of each sequence.
    package var sequences: [[Int]]
    package var headSize: Int
    package var headCount = 2
    package var isCausal = false
    /// `R` of a bias.
    package var reach: Int?
    /// Whether the bias hides the keys that are as far as it reaches, and beyond.
    package var hidesFar = false
    package var scale: Float?
    /// Buckets of distances for scores of queries and keys, and which of the two have some.
    package var relative: Relative?
    /// Elements between rows, and key rows that no sequence sees in front of each range.
    package var gap = 0
    package var hiddenRows = 0
    package var isShared = false
    /// What the harness reports it as; `nil`: it is not timed.
    package var timing: TimedCase?

    package struct Relative: Sendable, Hashable {
        package var bucketCount: Int
        package var reach: Int
        package var hasQueries = true
        package var hasKeys = true
    }

    package init(
        sequences: [[Int]], headSize: Int, headCount: Int = 2, isCausal: Bool = false, reach: Int? = nil,
        scale: Float? = nil, gap: Int = 0, hiddenRows: Int = 0, isShared: Bool = false, timing: TimedCase? = nil
    ) {
        self.sequences = sequences
        self.headSize = headSize
        self.headCount = headCount
        self.isCausal = isCausal
        self.reach = reach
        self.scale = scale
        self.gap = gap
        self.hiddenRows = hiddenRows
        self.isShared = isShared
        self.timing = timing
    }

    package var tokenCount: Int { sequences.reduce(0) { $0 + $1[0] } }
    package var columns: Int { headCount * headSize }
    /// At least as for a tile, whose local memory oclgrind does not have for wide heads.
    package var cost: Int { max(sequences.reduce(0) { $0 + $1[0] * $1[1] }, 128) * headCount * headSize * 2 }

    package var name: String {
        var words = ["encoder sequences=\(sequences) D=\(headSize) H=\(headCount)"]
        if isCausal { words.append("causal") }
        if let reach { words.append("\(hidesFar ? "window" : "reach")=\(reach)") }
        if let relative {
            let parts = [relative.hasQueries ? "queries" : nil, relative.hasKeys ? "keys" : nil].compactMap { $0 }
            words.append("buckets=\(relative.bucketCount) reach=\(relative.reach) of \(parts.joined(separator: ", "))")
        }
        if let scale { words.append("scale=\(scale)") }
        if gap > 0 { words.append("gap=\(gap)") }
        if hiddenRows > 0 { words.append("hidden=\(hiddenRows)") }
        if isShared { words.append("shared keys") }
        return words.joined(separator: " ")
    }

    /// Which key rows each sequence sees.
    package var keyRanges: [Range<Int>] {
        var end = 0
        return sequences.map { sizes in
            if isShared { return hiddenRows..<hiddenRows + sizes[1] }
            let start = end + hiddenRows
            end = start + sizes[1]
            return start..<end
        }
    }

    /// Around the tiles of queries (16, 96, 128) and of keys (32, 64), for heads of whole vectors and others.
    package static let sizes: [EncoderAttentionCase] = [1, 2, 15, 16, 17, 63, 64, 65, 95, 96, 97, 129].flatMap {
        count in
        [10, 16, 64, 80].map {
            EncoderAttentionCase(sequences: [[count, count]], headSize: $0, gap: count % 2 * 3)
        }
    }

    package static let headSizes: [EncoderAttentionCase] =
        [1, 2, 10, 16, 31, 32, 64, 80, 96, 100, 128, 192, 256].flatMap { size in
            [1, 3].map { EncoderAttentionCase(sequences: [[19, 19], [1, 1]], headSize: size, headCount: $0) }
        }

    package static let batches: [EncoderAttentionCase] =
        [
            [[3, 3], [1, 1], [40, 40], [17, 17]], [[0, 0], [5, 5], [0, 3], [70, 70]], [[7, 30], [1, 65], [30, 7]],
            Array(repeating: [9, 12], count: 33),
        ].flatMap { sequences in
            [10, 16, 64, 80].map {
                EncoderAttentionCase(sequences: sequences, headSize: $0, headCount: 3, gap: 1, hiddenRows: $0 % 3)
            }
        } + [shared]

    /// As beams that read one text.
    private static let shared = EncoderAttentionCase(
        sequences: Array(repeating: [4, 33], count: 4), headSize: 64, hiddenRows: 2, isShared: true)

    package static let causal: [EncoderAttentionCase] = [
        [[1, 1]], [[9, 9], [2, 5]], [[17, 17]], [[65, 65], [3, 9]], [[100, 100]], [[129, 200], [1, 70]],
    ].flatMap { sequences in
        [nil, 5].flatMap { (reach: Int?) in
            [16, 80].map {
                EncoderAttentionCase(sequences: sequences, headSize: $0, isCausal: true, reach: reach, hiddenRows: 1)
            }
        }
    }

    /// Reaches below a vector, below a tile, and beyond every distance.
    package static let biases: [EncoderAttentionCase] = [0, 1, 7, 16, 40, 128, 300].flatMap { reach in
        [[[1, 1]], [[9, 9], [3, 12]], [[33, 33], [5, 5]], [[97, 97]], [[20, 150], [129, 129]]].map {
            EncoderAttentionCase(sequences: $0, headSize: reach % 2 == 0 ? 16 : 10, reach: reach, scale: 1)
        }
    }

    /// Windows of a token, within a tile of keys, and of more than one; texts of which most keys are hidden.
    package static let windows: [EncoderAttentionCase] = [1, 2, 30, 64, 65, 100].flatMap { reach in
        [[[1, 1]], [[64, 64], [65, 65]], [[300, 300], [3, 3]], [[20, 280], [400, 400]]].map {
            var one = EncoderAttentionCase(sequences: $0, headSize: reach % 2 == 0 ? 16 : 10, reach: reach)
            one.hidesFar = true
            return one
        }
    }

    /// Scores by distance of queries, of keys and of both, with a bias and without.
    package static let relative: [EncoderAttentionCase] = [0, 3, 16, 70].flatMap { reach in
        [[[1, 1]], [[9, 9], [17, 17]], [[33, 33], [5, 5]], [[97, 97]], [[20, 150], [129, 129]]].flatMap { sequences in
            [(true, true), (true, false), (false, true)].map { hasQueries, hasKeys in
                var one = EncoderAttentionCase(
                    sequences: sequences, headSize: hasKeys ? 16 : 10, isCausal: reach == 3,
                    reach: hasQueries ? nil : 4, gap: reach % 2, hiddenRows: 1)
                one.relative = Relative(
                    bucketCount: min(2 * reach + 1, 12), reach: reach, hasQueries: hasQueries, hasKeys: hasKeys)
                return one
            }
        }
    }

    /// Of encoders of the sizes that the harness times, short enough for a double-precision reference.
    package static let modelLayers: [EncoderAttentionCase] = ModelShape.all.flatMap { timed($0, tokenCounts: [1, 64]) }

    /// One text of a model whose heads all have keys of their own, as encoders' do: every token sees every other one.
    package static func timed(_ shape: ModelShape, tokenCounts: [Int]) -> [EncoderAttentionCase] {
        guard shape.headCount == shape.keyValueHeadCount else { return [] }
        return tokenCounts.filter { $0 <= shape.maxContextLength }.map { count in
            EncoderAttentionCase(
                sequences: [[count, count]], headSize: shape.headSize, headCount: shape.headCount,
                timing: TimedCase(
                    model: shape.name, operand: "\(shape.headCount) heads of \(shape.headSize)"))
        }
    }

    /// Whether a device of these capabilities computes it; another one refuses it.
    package func isSupported(by capabilities: BackendCapabilities) -> Bool { headSize <= capabilities.maxHeadSize }
}
