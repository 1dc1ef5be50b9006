internal import ModelIO
internal import Models
public import TensorCore
internal import Tokenization

/// Measures how well a model predicts a text, as llama.cpp's `llama-perplexity` does.
///
/// Legend: `V` vocabulary, `C` tokens of a window.
public final class PerplexityMeasurement {
    /// Bytes of logits that are on the device, and again on the host, at once.
    private static let logitByteCount = 1 << 27
    private static let maximumLogitRowCount = 512

    public let plan: PerplexityPlan
    private let package: ModelPackage
    private let runner: DecoderRunner
    private let vocabularySize: Int

    /// Loads a model onto a backend. Blocks.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`; `.contextTooLong` where a window is longer than what the
    ///   model was made for.
    public init(
        _ package: ModelPackage, on backend: any Backend, plan: PerplexityPlan, options: EngineOptions = EngineOptions()
    ) throws {
        self.plan = plan
        self.package = package
        vocabularySize = try package.describe().vocabularySize
        var options = options
        options.contextLength = plan.windowTokenCount
        options.cacheTokenCount = plan.windowTokenCount
        options.sequenceCount = 1
        let fitting = PerplexityMeasurement.logitByteCount / (vocabularySize * MemoryLayout<Float>.size)
        let rowCount = min(max(fitting, 1), PerplexityMeasurement.maximumLogitRowCount, max(plan.scored.count, 1))
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: rowCount)
    }

    /// The ids of a text, special tokens before it as the tokenizer adds them; control tokens in it are text.
    /// - Throws: `InferenceError.tokenizerMissing`, `TokenizationError`.
    public static func tokens(of text: String, for package: ModelPackage) throws -> [Int] {
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        return try tokenizer.encode(text, addSpecialTokens: true, parseSpecialTokens: false)
    }

    /// The perplexity of a text. Blocks.
    ///
    /// - Parameters:
    ///   - tokens: ids, the beginning-of-sequence token first where the model wants one.
    ///   - maximumWindowCount: stops after so many windows; `nil`: goes on to the end.
    ///   - progress: called after each window with its number from 1, how many there are, and the estimate so far.
    /// - Throws: `PerplexityError`, `InferenceError.tokenOutOfRange`, `BackendError`, or what `progress` throws.
    public func measure(
        _ tokens: [Int], maximumWindowCount: Int? = nil,
        progress: (_ window: Int, _ count: Int, PerplexityEstimate) throws -> Void = { _, _, _ in }
    ) throws -> PerplexityEstimate {
        if let id = tokens.first(where: { !(0..<vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
        }
        let available = try plan.windowCount(tokenCount: tokens.count)
        let count = min(available, maximumWindowCount ?? available)
        let generation = package.generation
        let leading = package.tokenizer?.leadingToken(
            beginning: generation.bosTokenID, ends: generation.eosTokenIDs)
        let beginning = plan.replacesFirstToken ? leading : nil
        var estimate = PerplexityEstimate()
        for window in 0..<count {
            let start = window * plan.step
            var inputs = Array(tokens[start..<start + plan.windowTokenCount])
            let targets = inputs
            if let beginning { inputs[0] = beginning }
            for (place, value) in zip(plan.scored, try score(inputs, targets)) {
                guard value.isFinite else { throw PerplexityError.nonFiniteLogits(position: start + place) }
                estimate.add(logProbability: value)
            }
            try progress(window + 1, count, estimate)
        }
        return estimate
    }

    /// Logarithms of the probabilities of the targets at `plan.scored`, each given all inputs before it.
    private func score(_ inputs: [Int], _ targets: [Int]) throws -> [Double] {
        var position = 0
        // What is predicted from a token lies one behind it, and nothing is predicted from the last one.
        let firstRow = plan.scored.lowerBound - 1
        while position < firstRow {
            let count = min(runner.limits.tokenCount, firstRow - position)
            _ = try runner.run(batch(inputs, position..<position + count, wantsLogits: false))
            position += count
        }
        var result: [Double] = []
        while position < plan.scored.upperBound - 1 {
            let limit = min(runner.limits.tokenCount, runner.limits.logitRowCount)
            let range = position..<min(position + limit, plan.scored.upperBound - 1)
            let rows = try runner.run(batch(inputs, range, wantsLogits: true))
            result += LogSoftmax.logProbabilities(
                try runner.backend.readFloats(rows), of: targets[range.lowerBound + 1..<range.upperBound + 1],
                vocabularySize: vocabularySize)
            position = range.upperBound
        }
        return result
    }

    private func batch(_ inputs: [Int], _ range: Range<Int>, wantsLogits: Bool) -> HostBatch {
        var batch = runner.singleBatch(
            inputs[range].map(Int32.init), positions: range.map(Int32.init), from: range.lowerBound)
        if wantsLogits { batch.logitRows = (0..<Int32(range.count)).map { $0 } }
        return batch
    }
}
