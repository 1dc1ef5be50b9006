internal import ModelIO
public import Models
public import TensorCore

/// A source text and a target text for an encoder-decoder, as ids.
public struct EncoderDecoderInput: Sendable {
    /// The text that the encoder reads.
    public var source: EncoderInput
    /// `[U]` ids, of which the first is the token that target texts begin with.
    public var target: [Int]

    public init(source: EncoderInput, target: [Int]) {
        self.source = source
        self.target = target
    }
}

/// Runs an encoder-decoder over pairs of texts, one pair a pass, in order to compare models rather than to write text.
public final class EncoderDecoderPass: Sendable {
    public let description: EncoderDecoderDescription
    private let backend: any Backend
    private let model: any EncoderDecoderModel
    private let limits: PassLimits
    private let sources: EncoderBatchUploader
    private let targets: EncoderBatchUploader

    /// Loads a model onto a backend. Blocks.
    /// - Parameter longestSource, longestTarget: tokens of the longest texts that it will be given.
    /// - Throws: `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, longestSource: Int, longestTarget: Int,
        options: EngineOptions = EngineOptions()
    ) throws {
        let plan = try package.encoderDecoderPlan()
        description = plan.description
        limits = PassLimits(
            tokenCount: max(longestSource, 1), logitRowCount: max(longestTarget, 1),
            contextLength: max(longestSource, longestTarget, 1))
        self.backend = backend
        try backend.reserve(description.limits(tokenCount: limits.contextLength, sequenceCount: 1))
        model = try plan.load(
            package.checkpoint,
            to: LoadTarget(
                backend: backend, limits: limits, format: options.weightFormat, precision: options.precision))
        sources = try EncoderBatchUploader(backend: backend, tokenCount: limits.tokenCount, sequenceCount: 1)
        targets = try EncoderBatchUploader(backend: backend, tokenCount: limits.logitRowCount, sequenceCount: 1)
    }

    /// The logits of every target token and the encoder's hidden states, those of hidden tokens zero. Blocks.
    /// - Throws: `InferenceError` for ids out of range, and for masks that hide all or leave a hole; `BackendError`.
    public func run(_ inputs: [EncoderDecoderInput]) throws -> [EncoderResult] {
        for (row, input) in inputs.enumerated() { try check(input, row: row) }
        var results: [EncoderResult] = []
        for input in inputs {
            let visible = input.source.visible
            let outputs = try model.forward(
                EncoderDecoderBatch(
                    source: sources.upload(batch(visible, of: input.source.tokens)),
                    target: targets.upload(batch(Array(input.target.indices), of: input.target))))
            for (index, output) in outputs.enumerated() {
                var values = try backend.readFloats(output.values)
                let width = output.values.columns
                if output.rows == .tokens, let first = visible.first {
                    let hidden = input.source.tokens.count - visible.count - first
                    values = [Float](repeating: 0, count: first * width) + values
                    values += [Float](repeating: 0, count: hidden * width)
                }
                if results.count <= index {
                    results.append(
                        EncoderResult(
                            name: output.name, rows: output.rows, width: width, isScalar: output.isScalar, values: []))
                }
                results[index].values.append(values)
            }
        }
        return results
    }

    private func batch(_ visible: [Int], of tokens: [Int]) -> HostEncoderBatch {
        var batch = HostEncoderBatch()
        batch.append(
            visible: visible, tokens: tokens, positions: description.rows(ofPositionsOf: tokens),
            segments: [Int](repeating: 0, count: tokens.count), needsFirst: false)
        return batch
    }

    private func check(_ input: EncoderDecoderInput, row: Int) throws {
        let (source, target) = (input.source, input.target)
        precondition(source.mask.map { $0.count == source.tokens.count } ?? true, "mask and tokens differ in length")
        let visible = source.visible
        guard let first = visible.first, let last = visible.last else { throw InferenceError.nothingVisible(row: row) }
        guard last - first + 1 == visible.count else { throw InferenceError.hiddenInside(row: row) }
        guard !target.isEmpty else { throw InferenceError.emptyTarget(row: row) }
        for (count, limit) in [(source.tokens.count, limits.tokenCount), (target.count, limits.logitRowCount)] {
            let maximum = min(limit, description.maxTokenCount ?? limit)
            guard count <= maximum else {
                throw InferenceError.rowTooLong(row: row, tokenCount: count, maximum: maximum)
            }
        }
        let ids = visible.map { source.tokens[$0] } + target
        if let id = ids.first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
    }
}
