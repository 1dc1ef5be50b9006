internal import Models
public import TensorCore
internal import Tokenization

/// A token with a label, or a run of tokens that make one entity.
public struct TaggedSpan: Sendable, Hashable {
    /// The label as the model has it (`B-PER`) for a token, without its `B-` or `I-` for an entity.
    public var label: String
    public var score: Double
    /// The token's place among the text's tokens; `nil` for entities.
    public var index: Int?
    /// The token as the vocabulary spells it, or the text of an entity.
    public var word: String
    /// The Unicode scalars of the text.
    public var range: Range<Int>
}

/// Labels the tokens of texts, as for named entities.
public struct TokenTagger: TextTask {
    /// How tokens become entities, as in `transformers`.
    public enum Aggregation: String, Sendable, Hashable, CaseIterable {
        /// They do not.
        case none
        /// Neighbours of one label join, whatever words they belong to.
        case simple
        /// A word has the label of its first token.
        case first
        /// A word has the label that its tokens have on average.
        case average
        /// A word has the label of its surest token.
        case max
    }

    private let encoder: TextEncoder
    private let aggregation: Aggregation
    private let stride: Int?

    /// Loads a model. Blocks.
    /// - Parameter stride: where given, longer texts are read in windows that repeat so many tokens; of spans that overlap
    ///   the longest counts.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, aggregation: Aggregation = .simple, stride: Int? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        encoder = try TextEncoder(
            package, on: backend, tasks: [.tokenClassification], command: "tag", options: options)
        // Each window must bring something new.
        let room = encoder.maximumLength - (try encoder.tokenCount(of: TextPair("")))
        if let stride, stride >= room {
            throw InferenceError.invalidParameter(
                name: "--stride", value: "\(stride)", expected: "less than the \(room) tokens of a window")
        }
        self.aggregation = aggregation
        self.stride = stride
    }

    /// The labelled spans of each text, without those labelled `O`.
    public func run(_ texts: [String]) throws -> [[TaggedSpan]] {
        var windows: [(text: Int, tokens: TokenizedText)] = []
        for (index, text) in texts.enumerated() {
            let truncation = Truncation(maximumLength: encoder.maximumLength, strategy: .onlyFirst)
            windows += try encoder.windows(of: TextPair(text), truncation: truncation, stride: stride).map {
                (index, $0)
            }
        }
        var found = [[TaggedSpan]](repeating: [], count: windows.count)
        let scalars = texts.map { Array($0.unicodeScalars) }
        try encoder.run(windows.map { encoder.input($0.tokens.ids, typeIDs: $0.tokens.typeIDs) }) {
            let window = windows[$0]
            found[$0] = try spans(of: window.tokens, scalars[window.text], $1.first)
        }
        var results = [[TaggedSpan]](repeating: [], count: texts.count)
        var windowCounts = [Int](repeating: 0, count: texts.count)
        for (window, spans) in zip(windows, found) {
            results[window.text] += spans
            windowCounts[window.text] += 1
        }
        for index in results.indices where windowCounts[index] > 1 {
            results[index] = TokenTagger.longest(of: results[index])
        }
        return results
    }

    /// The labels of the model.
    public var labels: [String] { encoder.description.labels }

    /// For texts that are words already, with a space between, the label of each word's first token; `O` for words that
    /// have none or are cut off.
    public func labels(ofWords texts: [[String]]) throws -> [[String]] {
        let first = TokenTagger(encoder: encoder, aggregation: .none, stride: stride)
        return try zip(texts, first.run(texts.map { $0.joined(separator: " ") })).map { words, spans in
            var start = 0
            var next = spans[...]
            return words.map { word in
                let place = start
                start += word.unicodeScalars.count + 1
                // Some tokenizers count the space before a word as its token's.
                while let span = next.first, span.range.upperBound <= place { next = next.dropFirst() }
                guard let span = next.first, span.range.lowerBound <= place, !word.isEmpty else { return "O" }
                return span.label
            }
        }
    }

    private init(encoder: TextEncoder, aggregation: Aggregation, stride: Int?) {
        self.encoder = encoder
        self.aggregation = aggregation
        self.stride = stride
    }

    // MARK: Tokens and words

    /// A token or a word, with the probability of each label.
    private struct Piece {
        var word: String
        var scores: [Double]
        var range: Range<Int>
        var index: Int
        var isSubword = false
    }

    private func spans(
        of tokens: TokenizedText, _ text: [Unicode.Scalar], _ logits: TextOutputs.Rows
    ) throws -> [TaggedSpan] {
        let tokenPieces = tokens.ids.indices.filter { !tokens.isSpecial($0) }.map { index in
            piece(index, of: tokens, text, Probabilities.softmax(logits[index]))
        }
        let spans: [TaggedSpan]
        switch aggregation {
        case .none, .simple:
            spans = tokenPieces.map { span(labelled: $0.scores, word: $0.word, range: $0.range, index: $0.index) }
        case .first, .average, .max:
            let words = tokenPieces.reduce(into: [[Piece]]()) { words, piece in
                if piece.isSubword, !words.isEmpty {
                    words[words.count - 1].append(piece)
                } else {
                    words.append([piece])
                }
            }
            spans = try words.map(span(ofWord:))
        }
        let grouped = aggregation == .none ? spans : try entities(spans)
        return grouped.filter { $0.label != "O" }
    }

    private func piece(
        _ index: Int, of tokens: TokenizedText, _ text: [Unicode.Scalar], _ scores: [Double]
    ) -> Piece {
        let tokenizer = encoder.tokenizer
        let range = tokens.offsets[index]
        let word = tokenizer.token(for: tokens.ids[index]) ?? ""
        var piece = Piece(word: word, scores: scores, range: range, index: index)
        if tokens.ids[index] == tokenizer.id(for: .unknown) {
            piece.word = string(text[range])
            return piece
        }
        if tokenizer.continuingSubwordPrefix?.isEmpty == false {
            piece.isSubword = word.unicodeScalars.count != range.count
        } else {
            // Where the vocabulary marks no words, a token without a space at its start goes on with one.
            let start = range.lowerBound
            let around = text[Swift.max(start - 1, 0)..<min(start + 1, text.count)]
            piece.isSubword = start > 0 && !around.contains(" ")
        }
        return piece
    }

    private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    private func span(labelled scores: [Double], word: String, range: Range<Int>, index: Int?) -> TaggedSpan {
        let best = scores.greatestIndex() ?? 0
        return TaggedSpan(
            label: encoder.description.labels[best], score: scores[best], index: index, word: word, range: range)
    }

    private func span(ofWord pieces: [Piece]) throws -> TaggedSpan {
        let scores: [Double]
        switch aggregation {
        case .average:
            scores = pieces[0].scores.indices.map { label in
                pieces.reduce(0) { $0 + $1.scores[label] } / Double(pieces.count)
            }
        case .max:
            let surest = pieces.map { $0.scores.max() ?? 0 }.greatestIndex() ?? 0
            scores = pieces[surest].scores
        case .none, .simple, .first: scores = pieces[0].scores
        }
        let range = pieces[0].range.lowerBound..<pieces[pieces.count - 1].range.upperBound
        return span(
            labelled: scores, word: try encoder.tokenizer.text(ofTokens: pieces.map(\.word)), range: range, index: nil)
    }

    // MARK: Entities

    /// Joins neighbours of one label, but where one begins anew (`B-`).
    private func entities(_ spans: [TaggedSpan]) throws -> [TaggedSpan] {
        let groups = spans.reduce(into: [[TaggedSpan]]()) { groups, span in
            let (begins, name) = TokenTagger.parts(of: span.label)
            if !begins, let last = groups.last?.last, TokenTagger.parts(of: last.label).name == name {
                groups[groups.count - 1].append(span)
            } else {
                groups.append([span])
            }
        }
        return try groups.map { group in
            TaggedSpan(
                label: TokenTagger.entityName(of: group[0].label),
                score: group.reduce(0) { $0 + $1.score } / Double(group.count), index: nil,
                word: try encoder.tokenizer.text(ofTokens: group.map(\.word)),
                range: group[0].range.lowerBound..<group[group.count - 1].range.upperBound)
        }
    }

    private static func parts(of label: String) -> (begins: Bool, name: Substring) {
        if label.hasPrefix("B-") { return (true, label.dropFirst(2)) }
        return (false, label.hasPrefix("I-") ? label.dropFirst(2) : label[...])
    }

    /// What stands behind the first hyphen.
    private static func entityName(of label: String) -> String {
        guard let hyphen = label.firstIndex(of: "-") else { return label }
        return String(label[label.index(after: hyphen)...])
    }

    /// Of spans of several windows that overlap, the longest one, of equal ones the surest.
    private static func longest(of spans: [TaggedSpan]) -> [TaggedSpan] {
        let order = spans.indices.sorted {
            (spans[$0].range.lowerBound, $0) < (spans[$1].range.lowerBound, $1)
        }
        return order.map { spans[$0] }.reduce(into: [TaggedSpan]()) { kept, span in
            guard let last = kept.last, last.range.contains(span.range.lowerBound) else { return kept.append(span) }
            if (span.range.count, span.score) > (last.range.count, last.score) { kept[kept.count - 1] = span }
        }
    }
}
