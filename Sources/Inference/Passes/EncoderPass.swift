internal import ModelIO
public import Models
public import TensorCore

/// One text for an encoder, as ids.
public struct EncoderInput: Sendable {
    /// `[T]` ids; token `t` stands at place `t`.
    public var tokens: [Int]
    /// `[T]`; a token whose mask is false is seen by no other. `nil`: all true.
    public var mask: [Bool]?
    /// `[T]` segments (`token_type_ids`); `nil`: all 0.
    public var segments: [Int]?
    /// Tokens at the end that see all others, while none sees them.
    public var unseenCount: Int

    public init(tokens: [Int], mask: [Bool]? = nil, segments: [Int]? = nil, unseenCount: Int = 0) {
        self.tokens = tokens
        self.mask = mask
        self.segments = segments
        self.unseenCount = unseenCount
    }

    /// The places that others see.
    var visible: [Int] { tokens.indices.dropLast(unseenCount).filter { mask?[$0] ?? true } }

    /// The places that see others without being seen.
    var unseen: [Int] { Array(tokens.indices.suffix(unseenCount)) }
}

/// A named result for some texts, on the host.
public struct EncoderResult: Sendable {
    /// As Hugging Face names it, such as `last_hidden_state`.
    public let name: String
    /// Whether there is a row for each token, or one for each text.
    public let rows: EncoderOutput.Rows
    /// The numbers of a row.
    public let width: Int
    /// Whether each row is one number rather than a vector of one.
    public let isScalar: Bool
    /// For each text, its rows one behind the other. Rows of hidden tokens are zero.
    public var values: [[Float]]
}

/// Runs an encoder over texts. Texts share passes as far as the pass's tokens allow.
public final class EncoderPass: Sendable {
    public let description: EncoderDescription
    private let backend: any Backend
    private let model: any EncoderModel
    private let uploader: EncoderBatchUploader
    private let limits: PassLimits

    /// What the outputs of a pass may take. (Passes of more tokens than `EngineOptions.passTokenCount` are slower: on CPUs
    /// their activations leave the caches.)
    private static let outputByteCount = 64 << 20
    private static let passSequenceCount = 256

    /// Loads a model onto a backend. Blocks.
    /// - Parameter longest: tokens of the longest text that it will be given.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, longest: Int, options: EngineOptions = EngineOptions()
    ) throws {
        let plan = try package.encoderPlan()
        description = plan.description
        let affordable = EncoderPass.outputByteCount / (MemoryLayout<Float>.size * description.outputSize)
        // A text whose first token is hidden takes no more rows than it has tokens.
        let longest = max(min(longest, description.positionCount), 1)
        let tokenCount = max(longest, min(options.passTokenCount, affordable))
        limits = PassLimits(
            tokenCount: tokenCount, logitRowCount: min(EncoderPass.passSequenceCount, tokenCount),
            contextLength: longest)
        self.backend = backend
        try backend.reserve(
            description.limits(tokenCount: limits.tokenCount, sequenceCount: limits.logitRowCount))
        var target = LoadTarget(
            backend: backend, limits: limits, format: options.weightFormat,
            precision: options.precision.forEncoder)
        target.leastRoundedWeightCount = MatmulPrecision.leastEncoderWeightsWorthRounding
        model = try plan.load(package.checkpoint, to: target)
        uploader = try EncoderBatchUploader(
            backend: backend, tokenCount: limits.tokenCount, sequenceCount: limits.logitRowCount)
    }

    /// The model's outputs for texts, in their order. Blocks.
    /// - Throws: `InferenceError` for ids or segments out of range, or a text that is too long or all hidden;
    ///   `BackendError`.
    public func run(_ inputs: [EncoderInput]) throws -> [EncoderResult] {
        for (row, input) in inputs.enumerated() { try check(input, row: row) }
        var results: [EncoderResult] = []
        var start = 0
        while start < inputs.count {
            var batch = HostEncoderBatch()
            var end = start
            while end < inputs.count, batch.sequenceCount < limits.logitRowCount {
                let input = inputs[end]
                let (visible, unseen) = (input.visible, input.unseen)
                // At most one row more than there are tokens.
                guard
                    batch.tokenCount + visible.count + unseen.count + 1 <= limits.tokenCount || batch.sequenceCount == 0
                else {
                    break
                }
                batch.append(
                    visible: visible, unseen: unseen, tokens: input.tokens,
                    positions: description.positions(of: input.tokens),
                    segments: segments(of: input), needsFirst: description.readsFirstToken)
                end += 1
            }
            let values = try run(batch, of: inputs[start..<end])
            if results.isEmpty {
                results = values
            } else {
                for index in results.indices { results[index].values += values[index].values }
            }
            start = end
        }
        return results
    }

    /// The given segments, where the model knows any.
    private func segments(of input: EncoderInput) -> [Int] {
        let given = description.segmentCount > 0 ? input.segments : nil
        return given ?? [Int](repeating: 0, count: input.tokens.count)
    }

    private func check(_ input: EncoderInput, row: Int) throws {
        let count = input.tokens.count
        precondition(input.mask.map { $0.count == count } ?? true, "mask and tokens differ in length")
        precondition(
            input.unseenCount == 0 || !description.seesWindow, "tokens that none sees need attention to all others")
        precondition(input.segments.map { $0.count == count } ?? true, "segments and tokens differ in length")
        let visible = input.visible
        guard !visible.isEmpty else { throw InferenceError.nothingVisible(row: row) }
        if description.seesWindow, let first = visible.first, let last = visible.last {
            let isFirstMissing = description.readsFirstToken && first != 0
            guard last - first + 1 == visible.count, !isFirstMissing else {
                throw InferenceError.hiddenInside(row: row)
            }
        }
        // The first token may be computed though it is hidden.
        let used = [0] + visible + input.unseen
        if let id = used.map({ input.tokens[$0] }).first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
        let positions = description.positions(of: input.tokens)
        guard count <= limits.contextLength, used.allSatisfy({ positions[$0] < description.positionCount }) else {
            throw InferenceError.rowTooLong(row: row, tokenCount: count, maximum: description.maxTokenCount)
        }
        if description.segmentCount > 0, let segments = input.segments,
            let id = used.map({ segments[$0] }).first(where: { !(0..<description.segmentCount).contains($0) })
        {
            throw InferenceError.segmentOutOfRange(id: id, segmentCount: description.segmentCount)
        }
    }

    /// One pass.
    private func run(_ batch: HostEncoderBatch, of inputs: ArraySlice<EncoderInput>) throws -> [EncoderResult] {
        let outputs = try model.forward(try uploader.upload(batch))
        return try outputs.map { output in
            let values = try backend.readFloats(output.values)
            let width = output.values.columns
            let texts = inputs.enumerated().map { index, input in
                switch output.rows {
                case .sequences, .targets: return Array(values[index * width..<(index + 1) * width])
                case .tokens:
                    var text = [Float](repeating: 0, count: input.tokens.count * width)
                    for (row, place) in zip(batch.keyRanges[index].lowerBound..., input.visible + input.unseen) {
                        text.replaceSubrange(
                            place * width..<(place + 1) * width, with: values[row * width..<(row + 1) * width])
                    }
                    return text
                }
            }
            return EncoderResult(
                name: output.name, rows: output.rows, width: width, isScalar: output.isScalar, values: texts)
        }
    }
}
