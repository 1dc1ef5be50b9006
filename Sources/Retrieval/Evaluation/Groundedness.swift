public import Inference
import Synchronization

/// Says how well a passage supports a statement.
public protocol SupportModel: Sendable {
    /// How the model was named.
    var name: String { get }

    /// From 0, not at all, to 1.
    func support(_ pairs: [(passage: String, statement: String)]) async throws -> [Double]
}

/// Which of an answer's sentences its sources support. (Honovich et al., 2022, "TRUE"; Laban et al., 2022, "SummaC")
///
/// A source is read in windows of a few sentences, since models of entailment were trained on short passages; the best window
/// counts.
public struct Groundedness: Sendable, Hashable {
    public struct Sentence: Sendable, Hashable {
        public var text: String
        /// Of the window that supports it best.
        public var support: Double
        /// The number of the source that supports it best; `nil` where there is no source.
        public var source: Int?
        public var isSupported: Bool
    }

    /// The sentences that state something, without the numbers that they cite.
    public var sentences: [Sentence]

    /// The share of the sentences that are supported; `nil` for an answer without any.
    public var share: Double? {
        sentences.isEmpty ? nil : Double(sentences.filter(\.isSupported).count) / Double(sentences.count)
    }

    /// Sentences of a source that are read together.
    private static let windowSentenceCount = 4
    /// Windows overlap by one sentence, so that what two say together is seen.
    private static let stride = 3
    /// Pairs that a model is asked about at once.
    private static let batchCount = 32

    /// - Parameters:
    ///   - sources: what the answer may stand on, with its numbers.
    ///   - threshold: the least support that counts.
    /// - Throws: what the model throws.
    public init(
        of answer: String, sources: [AnswerSource], by model: any SupportModel, threshold: Double = 0.5
    ) async throws {
        let statements = Groundedness.statements(answer)
        let windows = sources.flatMap { source in
            Groundedness.windows(source.text).map { (number: source.number, text: $0) }
        }
        sentences = []
        for statement in statements {
            var best = Sentence(text: statement, support: 0, source: nil, isSupported: false)
            var start = 0
            while start < windows.count {
                let batch = windows[start..<min(start + Groundedness.batchCount, windows.count)]
                let scores = try await model.support(batch.map { ($0.text, statement) })
                for (window, score) in zip(batch, scores) where best.source == nil || score > best.support {
                    (best.support, best.source) = (score, window.number)
                }
                start += Groundedness.batchCount
            }
            best.isSupported = best.source != nil && best.support >= threshold
            sentences.append(best)
        }
    }

    /// The sentences of an answer that hold words.
    static func statements(_ answer: String) -> [String] {
        var reader = CitationReader()
        var text = ""
        for piece in reader.read(answer) + reader.finish() {
            if case .text(let plain) = piece { text += plain }
        }
        return parts(text).map(spaced).filter { $0.contains(where: \.isLetter) }
    }

    /// Without the blanks that citations leave before full stops.
    private static func spaced(_ sentence: String) -> String {
        let words = sentence.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return [".", ",", ";", "!", "?", ":"].reduce(words) { $0.replacing(" " + $1, with: $1) }
    }

    static func windows(_ text: String) -> [String] {
        let sentences = parts(text)
        guard sentences.count > windowSentenceCount else {
            return sentences.isEmpty ? [] : [sentences.joined(separator: " ")]
        }
        return Swift.stride(from: 0, to: sentences.count - 1, by: stride).map { start in
            sentences[start..<min(start + windowSentenceCount, sentences.count)].joined(separator: " ")
        }
    }

    private static func parts(_ text: String) -> [String] {
        let bytes = Array(text.utf8)
        return SentenceSplitter.split(bytes, in: 0..<bytes.count).map { bytes[$0.range].trimmedText }
            .filter { !$0.isEmpty }
    }
}

/// A model of the engine's that says whether a passage supports a statement: one of natural language inference, by the
/// probability of its label of entailment, or a cross-encoder, by its relevance.
public final class ModelSupport: SupportModel {
    private enum Task {
        case entailment(Classifier, label: String)
        case relevance(Reranker)
    }

    public let name: String
    private let task: Task
    /// A model's passes run one after another.
    private let turn = Mutex(())

    /// - Throws: ``RetrievalError/noEntailment(path:labels:)`` for a classifier whose labels hold no entailment.
    public init(_ classifier: Classifier, name: String) throws {
        self.name = name
        guard let label = classifier.labels.first(where: ModelSupport.isEntailment) else {
            throw RetrievalError.noEntailment(path: name, labels: classifier.labels)
        }
        task = .entailment(classifier, label: label)
    }

    public init(_ reranker: Reranker, name: String) {
        self.name = name
        task = .relevance(reranker)
    }

    /// `entailment`, `ENTAILMENT` or `entail`, and not `not_entailment` or `non-entailment`.
    static func isEntailment(_ label: String) -> Bool {
        let label = label.lowercased().filter(\.isLetter)
        return label.hasPrefix("entail") || label == "supported" || label == "supports" || label == "consistent"
    }

    public func support(_ pairs: [(passage: String, statement: String)]) async throws -> [Double] {
        try turn.withLock { _ in
            switch task {
            case .entailment(let classifier, let label):
                try classifier.run(pairs.map { TextPair($0.passage, pair: $0.statement) }).map { scores in
                    scores.first { $0.label == label }?.score ?? 0
                }
            case .relevance(let reranker):
                try reranker.run(pairs.map { TextPair($0.statement, pair: $0.passage) })
            }
        }
    }
}
