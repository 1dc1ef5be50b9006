internal import ModelIO
internal import Models
internal import TensorCore

/// Writes target texts of an encoder-decoder token by token. Sources are encoded once; keys and values of earlier
/// tokens stay in a cache, which texts with the same beginning share.
final class TargetDecoder: Sendable {
    /// A target text so far.
    struct Text {
        /// The index of its source.
        let source: Int
        /// The tokens, with the one that texts begin with; the last one is not in the cache yet.
        let tokens: [Int]
        /// The cache rows of the tokens before the last.
        let rows: [Int32]
    }

    let description: EncoderDecoderDescription
    let sourceTokenCount: Int
    let textCount: Int
    let tokenCount: Int
    private let backend: any Backend
    private let model: any EncoderDecoderModel
    private let cache: TargetCache
    private let uploader: EncoderBatchUploader
    private let input: any DeviceBuffer
    private let inputCapacity: Int

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - sourceTokenCount: tokens of all sources that are encoded together.
    ///   - textCount: target texts written together.
    ///   - tokenCount: tokens of the longest target text.
    /// - Throws: `LoadError`, `BackendError`.
    init(
        _ package: ModelPackage, on backend: any Backend, sourceTokenCount: Int, textCount: Int, tokenCount: Int,
        options: EngineOptions
    ) throws {
        let plan = try package.encoderDecoderPlan()
        description = plan.description
        self.backend = backend
        self.sourceTokenCount = sourceTokenCount
        self.textCount = textCount
        self.tokenCount = tokenCount
        let limits = PassLimits(
            tokenCount: sourceTokenCount, logitRowCount: textCount, contextLength: max(sourceTokenCount, textCount))
        try backend.reserve(description.limits(tokenCount: limits.contextLength, sequenceCount: textCount))
        model = try plan.load(
            package.checkpoint,
            to: LoadTarget(
                backend: backend, limits: limits, format: options.weightFormat, precision: options.precision))
        let rowCount = textCount * tokenCount
        cache = try TargetCache(
            description, rowCount: rowCount, sourceTokenCount: sourceTokenCount, on: backend)
        uploader = try EncoderBatchUploader(
            backend: backend, tokenCount: sourceTokenCount, sequenceCount: textCount)
        inputCapacity = 8 * textCount + 2 + rowCount
        input = try backend.makeBuffer(byteCount: inputCapacity * MemoryLayout<Int32>.size)
    }

    /// A run over some sources. The next run reuses its memory.
    struct Run {
        fileprivate let sourceRanges: [Range<Int>]
        fileprivate var nextRow = 0
        /// Of the last step, `[B, V]` and room for more.
        private(set) var logits: [Float] = []

        /// Takes the logits of a step into memory that stays for the next one. Blocks.
        fileprivate mutating func read(_ tensor: Tensor, from backend: any Backend) throws {
            let count = tensor.shape.elementCount
            if logits.count < count { logits = [Float](repeating: 0, count: count) }
            try logits.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * MemoryLayout<Float>.size)])
                try backend.read(tensor, into: part)
            }
        }
    }

    /// Encodes sources.
    /// - Precondition: they have at most `sourceTokenCount` tokens together, each at least one.
    func begin(_ sources: [[Int]]) throws -> Run {
        var batch = HostEncoderBatch()
        for tokens in sources {
            batch.append(
                visible: Array(tokens.indices), tokens: tokens, positions: description.rows(ofPositionsOf: tokens),
                segments: [Int](repeating: 0, count: tokens.count), needsFirst: false)
        }
        try model.encode(uploader.upload(batch), into: cache)
        return Run(sourceRanges: batch.keyRanges)
    }

    /// Leaves the logits of each text's next token in `run`, and returns the cache's row of its last one.
    func step(_ texts: [Text], _ run: inout Run) throws -> [Int32] {
        let rows = run.nextRow..<run.nextRow + texts.count
        precondition(rows.upperBound <= cache.rowCount, "more target tokens than the cache was made for")
        run.nextRow = rows.upperBound
        var history: [Int32] = []
        var ranges: [Int32] = []
        for (text, row) in zip(texts, rows) {
            ranges.append(Int32(history.count))
            history += text.rows
            history.append(Int32(row))
            ranges.append(Int32(history.count))
        }
        // Texts of one source that stand together look at it as one sequence, whose keys are read once.
        var crossOffsets: [Int32] = []
        var crossRanges: [Int32] = []
        for (index, text) in texts.enumerated() where index == 0 || texts[index - 1].source != text.source {
            crossOffsets.append(Int32(index))
            let range = run.sourceRanges[text.source]
            crossRanges += [Int32(range.lowerBound), Int32(range.upperBound)]
        }
        let count = texts.count
        let groups = crossOffsets.count
        crossOffsets.append(Int32(count))
        let parts: [[Int32]] = [
            texts.map { Int32($0.tokens.last ?? 0) },
            texts.map { Int32(description.row(ofTarget: $0.tokens.last ?? 0, at: $0.tokens.count - 1)) },
            (0...count).map { Int32($0) }, ranges, crossOffsets, crossRanges, history,
        ]
        let words = parts.flatMap { $0 }
        precondition(words.count <= inputCapacity, "more input than was planned")
        try words.withUnsafeBytes { try backend.write($0, to: view(0, [words.count])) }
        var end = 0
        func next(_ shape: Shape) -> Tensor {
            defer { end += shape.elementCount }
            return view(end, shape)
        }
        let (tokenIDs, positions, offsets) = (next([count]), next([count]), next([count + 1]))
        let (own, sourceOffsets, cross) = (next([count, 2]), next([groups + 1]), next([groups, 2]))
        let longestSource = texts.map { run.sourceRanges[$0.source].count }.max() ?? 0
        let step = TargetStep(
            tokenIDs: tokenIDs, positions: positions, rows: rows, history: next([history.count]),
            attention: EncoderAttentionBatch(
                queryOffsets: offsets, keyRanges: own, tokenCount: count, maxQueryCount: 1,
                maxKeyCount: texts.map { $0.rows.count + 1 }.max() ?? 0),
            crossAttention: EncoderAttentionBatch(
                queryOffsets: sourceOffsets, keyRanges: cross, tokenCount: count,
                maxQueryCount: zip(crossOffsets.dropFirst(), crossOffsets).map { Int($0 - $1) }.max() ?? 0,
                maxKeyCount: longestSource))
        try run.read(model.decode(step, cache), from: backend)
        return rows.map { Int32($0) }
    }

    private func view(_ offset: Int, _ shape: Shape) -> Tensor {
        Tensor(buffer: input, byteOffset: offset * MemoryLayout<Int32>.size, dtype: .int32, shape: shape)
    }
}
