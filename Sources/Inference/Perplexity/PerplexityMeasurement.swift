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

    /// Which tokens are computed together, and which of them count.
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
        try measure(tokens, maximumWindowCount: maximumWindowCount, onLogits: nil, progress: progress)
    }

    /// As above, and writes the probabilities to a file that other models can be compared with. An incomplete file is
    /// removed.
    /// - Throws: also `LoadError.unwritable`.
    public func measure(
        _ tokens: [Int], maximumWindowCount: Int? = nil, writingBase path: String,
        progress: (_ window: Int, _ count: Int, PerplexityEstimate) throws -> Void = { _, _, _ in }
    ) throws -> PerplexityEstimate {
        let available = try plan.windowCount(tokenCount: tokens.count)
        let count = min(available, maximumWindowCount ?? available)
        let context = plan.windowTokenCount
        let length = LogitBase.rowLength(vocabularySize: vocabularySize)
        let head = LogitBase.head(
            windowTokenCount: context, vocabularySize: vocabularySize, windowCount: count,
            tokens: tokens.prefix(count * context))
        let byteCount = head.count + 2 * count * LogitBase.rowCount(windowTokenCount: context) * length
        var estimate = PerplexityEstimate()
        try AtomicFile.write(to: path, byteCount: byteCount) { output in
            try head.withUnsafeBytes { try output.write($0) }
            var rows: [UInt16] = []
            let write: LogitReader = { [vocabularySize] logits, targets in
                rows = [UInt16](repeating: 0, count: targets.count * length)
                rows.withUnsafeMutableBufferPointer { rows in
                    logits.withUnsafeBufferPointer { logits in
                        for row in 0..<targets.count {
                            LogitBase.encode(
                                UnsafeBufferPointer(
                                    rebasing: logits[row * vocabularySize..<(row + 1) * vocabularySize]),
                                to: UnsafeMutableBufferPointer(rebasing: rows[row * length..<(row + 1) * length]))
                        }
                    }
                }
                try rows.withUnsafeBytes { try output.write($0) }
            }
            estimate = try measure(tokens, maximumWindowCount: count, onLogits: write, progress: progress)
        }
        return estimate
    }

    /// The same for the text that a file of another model's probabilities holds, compared with it.
    /// - Parameter progress: also takes the comparison so far.
    /// - Throws: also `PerplexityError.otherBase` where the file is of other windows or another vocabulary.
    public func compare(
        with base: LogitBaseFile, maximumWindowCount: Int? = nil,
        progress: (_ window: Int, _ count: Int, DivergenceEstimate) throws -> Void = { _, _, _ in }
    ) throws -> DivergenceEstimate {
        guard base.vocabularySize == vocabularySize, base.windowTokenCount == plan.windowTokenCount,
            plan.replacesFirstToken
        else {
            throw PerplexityError.otherBase(
                vocabularySize: base.vocabularySize, contextLength: base.windowTokenCount,
                expected: vocabularySize, plan.windowTokenCount)
        }
        var estimate = DivergenceEstimate()
        let count = min(base.windowCount, maximumWindowCount ?? base.windowCount)
        let compare: LogitReader = { logits, targets in
            estimate.add(logits, targets: targets, base: base, firstPlace: estimate.tokenCount)
        }
        // Use the windows of the file, however few they are.
        _ = try measure(try base.tokens(), windowCount: count, onLogits: compare) { window, count, _ in
            try progress(window, count, estimate)
        }
        return estimate
    }

    /// Takes the logits of predicted places, `[R, V]`, and their right tokens.
    private typealias LogitReader = (_ logits: [Float], _ targets: ArraySlice<Int>) throws -> Void

    private func measure(
        _ tokens: [Int], maximumWindowCount: Int?, onLogits: LogitReader?,
        progress: (_ window: Int, _ count: Int, PerplexityEstimate) throws -> Void
    ) throws -> PerplexityEstimate {
        let available = try plan.windowCount(tokenCount: tokens.count)
        return try measure(
            tokens, windowCount: min(available, maximumWindowCount ?? available), onLogits: onLogits,
            progress: progress)
    }

    private func measure(
        _ tokens: [Int], windowCount count: Int, onLogits: LogitReader?,
        progress: (_ window: Int, _ count: Int, PerplexityEstimate) throws -> Void
    ) throws -> PerplexityEstimate {
        if let id = tokens.first(where: { !(0..<vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
        }
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
            for (place, value) in zip(plan.scored, try score(inputs, targets, onLogits)) {
                guard value.isFinite else { throw PerplexityError.nonFiniteLogits(position: start + place) }
                estimate.add(logProbability: value)
            }
            try progress(window + 1, count, estimate)
        }
        return estimate
    }

    /// Logarithms of the probabilities of the targets at `plan.scored`, each given all inputs before it.
    private func score(_ inputs: [Int], _ targets: [Int], _ onLogits: LogitReader?) throws -> [Double] {
        var position = 0
        // A token's logits predict the token behind it; the last token of a window predicts nothing.
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
            let logits = try runner.backend.readFloats(rows)
            let predicted = targets[range.lowerBound + 1..<range.upperBound + 1]
            result += LogSoftmax.logProbabilities(logits, of: predicted, vocabularySize: vocabularySize)
            try onLogits?(logits, predicted)
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
