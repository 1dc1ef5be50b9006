internal import ModelIO
internal import Models
public import TensorCore
internal import Tokenization

/// A target text of an encoder-decoder.
public struct Translation: Sendable, Hashable {
    /// Without the tokens that begin and end it.
    public var tokens: [Int]
    public var text: String
    /// The sum of log-probabilities over the length to the power of the length penalty; `nil` where one beam was searched.
    public var score: Double?
}

/// Writes texts after reading others: translations, summaries, whatever an encoder-decoder was trained for (T5, BART,
/// mBART, Marian, Pegasus, M2M-100, NLLB). Several texts are written at once.
public struct Translator: TextTask {
    private let name: String
    private let tokenizer: Tokenizer
    private let search: TargetSearch
    private let truncates: Bool
    private let languages: LanguageTokens
    /// Tokens of the longest source.
    private let maximumLength: Int

    /// Target texts written at once.
    private static let textCount = 64

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - from, to: languages as the tokenizer names them (`en`, `eng_Latn`, `en_XX`), for models of several.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, search: SearchOptions = SearchOptions(),
        from: String? = nil, to: String? = nil, options: TaskOptions = TaskOptions()
    ) throws {
        try package.requireEncoderDecoder(for: "translate")
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        let description = try package.describeEncoderDecoder()
        languages = try LanguageTokens(package, from: from, to: to, names: .init(from: "--from", to: "--to"))
        var search = search
        search.forcedFirstToken = search.forcedFirstToken ?? languages.forcedFirstToken
        if let forced = search.forcedFirstToken, !(0..<description.vocabularySize).contains(forced) {
            throw InferenceError.tokenOutOfRange(id: forced, vocabularySize: description.vocabularySize)
        }
        var maximum = options.engine.contextLength ?? description.target.maxContextLength
        for bound in [description.maxTokenCount, tokenizer.configuration.maximumLengthInTokens].compactMap({ $0 })
        where bound > 0 { maximum = min(maximum, bound) }
        maximumLength = maximum
        name = package.name
        self.tokenizer = tokenizer
        truncates = options.truncates
        self.search = try TargetSearch(
            package, on: backend, search: search, sourceTokenCount: max(maximum, 512), textCount: Translator.textCount,
            options: options.engine)
    }

    /// The target texts of each source, best first.
    /// - Throws: `InferenceError`, `BackendError`.
    public func run(_ texts: [String]) throws -> [[Translation]] {
        let sources = try texts.map(source)
        let order = sources.indices.sorted { sources[$0].count > sources[$1].count }
        var results = [[Translation]](repeating: [], count: texts.count)
        var start = 0
        while start < order.count {
            var end = start
            var tokenCount = 0
            while end < order.count, end - start < search.sourceCount {
                tokenCount += sources[order[end]].count
                if tokenCount > search.sourceTokenCount { break }
                end += 1
            }
            let group = order[start..<end]
            for (index, found) in zip(group, try search.run(group.map { sources[$0] })) {
                results[index] = try found.map(translation)
            }
            start = end
        }
        return results
    }

    private func source(_ text: String) throws -> [Int] {
        let ids: [Int]
        let count: Int
        if languages.framesSource {
            let plain = try tokenizer.encode(text, addSpecialTokens: false)
            let room = max(maximumLength - languages.frameCount, 0)
            ids = languages.framed(Array(plain.prefix(room)))
            count = plain.count + languages.frameCount
        } else {
            let (encoding, full) = try tokenizer.encode(text, truncation: Truncation(maximumLength: maximumLength))
            (ids, count) = (encoding.ids, full)
        }
        guard truncates || count <= maximumLength else {
            throw InferenceError.textTooLong(start: String(text.prefix(40)), tokenCount: count, maximum: maximumLength)
        }
        guard !ids.isEmpty else { throw InferenceError.emptyText }
        let size = search.vocabularySize
        if let id = ids.first(where: { !(0..<size).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: size)
        }
        return ids
    }

    private func translation(_ found: BeamSearch.Finished) throws -> Translation {
        let tokens = search.ownTokens(of: found)
        return Translation(tokens: tokens, text: try tokenizer.decode(tokens), score: found.score)
    }
}

extension ModelPackage {
    /// - Throws: `InferenceError.wrongTask` for a model of another kind.
    fileprivate func requireEncoderDecoder(for command: String) throws {
        let architecture = configuration.architectures.first ?? configuration.modelType
        switch kind {
        case .encoderDecoder: return
        case .decoder:
            _ = try describe()
            throw InferenceError.wrongTask(
                path: name, architecture: architecture, does: "continues texts", command: command, fitting: "generate")
        case .encoder:
            let task = try describeEncoder().task
            throw InferenceError.wrongTask(
                path: name, architecture: architecture, does: task.summary, command: command, fitting: task.command)
        case .vision:
            let task = try visionPlan().description.task
            throw InferenceError.wrongTask(
                path: name, architecture: architecture, does: task.summary, command: command, fitting: task.command)
        }
    }
}
