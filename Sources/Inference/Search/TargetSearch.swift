internal import Dispatch
internal import Models
internal import TensorCore

/// Searches the target texts of an encoder-decoder for sources of tokens.
struct TargetSearch: Sendable {
    private let decoder: TargetDecoder
    private let rules: SearchRules
    private let startToken: Int

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - sourceTokenCount: tokens of all sources that are read together.
    ///   - textCount: target texts written together, beams counted; one source's are always together.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    init(
        _ package: ModelPackage, on backend: any Backend, search: SearchOptions, ignoresEndOfSequence: Bool = false,
        sourceTokenCount: Int, textCount: Int, options: EngineOptions
    ) throws {
        let description = try package.describeEncoderDecoder()
        startToken = try package.targetStartToken()
        var rules = try SearchRules(
            search, package.generation, endTokens: ignoresEndOfSequence ? [] : package.endOfSequenceTokens,
            vocabularySize: description.vocabularySize, limit: description.maxTokenCount)
        if ignoresEndOfSequence { rules.forcedLastTokens = [] }
        self.rules = rules
        decoder = try TargetDecoder(
            package, on: backend, sourceTokenCount: sourceTokenCount,
            textCount: max(textCount / rules.beamCount, 1) * rules.beamCount, tokenCount: rules.maximumLength,
            options: options)
    }

    var vocabularySize: Int { decoder.description.vocabularySize }
    var sourceTokenCount: Int { decoder.sourceTokenCount }
    /// Sources that are read together.
    var sourceCount: Int { decoder.textCount / rules.beamCount }

    /// A text's tokens without those that begin and end it.
    func ownTokens(of found: BeamSearch.Finished) -> [Int] {
        Array(found.tokens.dropFirst().prefix { !rules.endTokens.contains($0) })
    }

    /// The best target texts of some sources, which are searched together. Blocks.
    /// - Precondition: at most `sourceCount` sources of `sourceTokenCount` tokens together.
    /// - Throws: `InferenceError.nonFiniteLogits`, `BackendError`.
    func run(_ sources: [[Int]]) throws -> [[BeamSearch.Finished]] {
        var searches = sources.map { BeamSearch(prompt: [startToken], rules: rules, source: $0) }
        var run = try decoder.begin(sources)
        let width = decoder.description.vocabularySize
        while true {
            let places = searches.indices.flatMap { index in searches[index].running.map { (index, $0) } }
            guard !places.isEmpty else { return searches.map { Array($0.finished.prefix(rules.resultCount)) } }
            let texts = places.map { TargetDecoder.Text(source: $0.0, tokens: $0.1.tokens, rows: $0.1.rows) }
            let rows = try decoder.step(texts, &run)
            try TargetSearch.advance(&searches, logits: run.logits, width: width, rows: rows)
        }
    }

    /// Gives each search that goes on the logits of its beams, on all cores.
    private static func advance(
        _ searches: inout [BeamSearch], logits: [Float], width: Int, rows: [Int32]
    ) throws {
        let open = searches.indices.filter { !searches[$0].isOver }
        var start = 0
        let parts = open.map { index in
            defer { start += searches[index].running.count }
            return (search: index, rows: start..<start + searches[index].running.count)
        }
        var isFinite = [Bool](repeating: true, count: searches.count)
        searches.withUnsafeMutableBufferPointer { searches in
            isFinite.withUnsafeMutableBufferPointer { isFinite in
                // SAFETY: each iteration uses the elements of its own search only.
                nonisolated(unsafe) let (searches, isFinite) = (searches, isFinite)
                DispatchQueue.concurrentPerform(iterations: parts.count) { part in
                    let (index, own) = parts[part]
                    let slices = own.map { logits[$0 * width..<($0 + 1) * width] }
                    isFinite[index] = slices.allSatisfy { $0.withUnsafeBufferPointer(LogSoftmax.isFinite) }
                    if isFinite[index] { searches[index].advance(slices, rows: Array(rows[own])) }
                }
            }
        }
        if let index = isFinite.firstIndex(of: false) {
            throw InferenceError.nonFiniteLogits(step: searches[index].running[0].tokens.count - 1)
        }
    }
}
