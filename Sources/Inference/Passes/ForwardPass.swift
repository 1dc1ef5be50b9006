internal import Models
public import TensorCore

/// Runs a decoder over whole token rows and returns the logits of every position, in order to compare models rather
/// than to generate text.
public final class ForwardPass: Sendable {
    /// The tokens of one pass, and the rows of logits that are on the device at once.
    private static let chunkTokenCount = 64

    /// `V`, the length of a row of logits.
    public let vocabularySize: Int
    private let runner: DecoderRunner

    /// Loads a model onto a backend. Blocks.
    /// - Parameter contextLength: the longest row that `logits(for:)` will be given.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, contextLength: Int, options: EngineOptions = EngineOptions()
    ) throws {
        var options = options
        options.contextLength = contextLength
        options.cacheTokenCount = contextLength
        options.passTokenCount = ForwardPass.chunkTokenCount
        options.sequenceCount = 1
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: ForwardPass.chunkTokenCount)
        vocabularySize = runner.model.description.vocabularySize
    }

    /// The logits of every position of one row, `[T, V]`. Blocks.
    ///
    /// - Parameters:
    ///   - tokens: `[T]` ids; position `t` is the token's position for the model.
    ///   - mask: `[T]`; a token whose mask is false is seen by no other and its logits are zero. `nil`: all true.
    /// - Throws: `InferenceError` for ids outside the vocabulary or too many of them; `BackendError`.
    public func logits(for tokens: [Int], mask: [Bool]? = nil) throws -> [Float] {
        precondition(mask == nil || mask?.count == tokens.count, "mask and tokens differ in length")
        guard tokens.count <= runner.limits.contextLength else {
            throw InferenceError.contextTooLong(requested: tokens.count, maximum: runner.limits.contextLength)
        }
        let kept = tokens.indices.filter { mask?[$0] ?? true }
        if let id = kept.map({ tokens[$0] }).first(where: { !(0..<vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
        }
        var result = [Float](repeating: 0, count: tokens.count * vocabularySize)
        var start = 0
        while start < kept.count {
            let end = min(start + runner.limits.tokenCount, kept.count)
            var batch = runner.singleBatch(
                kept[start..<end].map { Int32(tokens[$0]) }, positions: kept[start..<end].map(Int32.init), from: start)
            batch.logitRows = (0..<Int32(end - start)).map { $0 }
            let values = try runner.backend.readFloats(try runner.run(batch))
            for (row, position) in kept[start..<end].enumerated() {
                result.replaceSubrange(
                    position * vocabularySize..<(position + 1) * vocabularySize,
                    with: values[row * vocabularySize..<(row + 1) * vocabularySize])
            }
            start = end
        }
        return result
    }
}
