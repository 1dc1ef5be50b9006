internal import Foundation
internal import Models
public import TensorCore
internal import Tokenization

/// A question and the text to look for its answer in.
public struct Question: Sendable, Hashable {
    public var question: String
    public var context: String

    public init(_ question: String, context: String) {
        self.question = question
        self.context = context
    }
}

/// A part of a context that may answer a question.
public struct Answer: Sendable, Hashable {
    public var score: Double
    /// The Unicode scalars of the context; empty where the question has no answer.
    public var range: Range<Int>
    public var text: String
}

/// Finds answers in texts: each token has a score for beginning and one for ending an answer (SQuAD; Devlin et al.,
/// 2019). Contexts longer than the model takes are read in windows that overlap.
public struct QuestionAnswerer: TextTask {
    /// How answers are looked for.
    public struct Options: Sendable, Hashable {
        /// Answers given for each question.
        public var answerCount = 1
        /// Tokens of a window, with the question and the special tokens; `nil`: 384, or what the model takes.
        public var windowLength: Int?
        /// Tokens that a window repeats of the one before; `nil`: 128, or half a window.
        public var stride: Int?
        /// Tokens of the longest answer.
        public var maximumAnswerLength = 15
        /// Whether "no answer" is one of the answers.
        public var allowsNoAnswer = false

        public init() {}
    }

    private let encoder: TextEncoder
    private let search: Options
    private let windowLength: Int

    /// Loads a model. Blocks.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, search: Options = Options(),
        options: TaskOptions = TaskOptions()
    ) throws {
        encoder = try TextEncoder(
            package, on: backend, tasks: [.questionAnswering], command: "answer", options: options)
        self.search = search
        if let asked = search.windowLength, asked > encoder.maximumLength {
            throw InferenceError.invalidParameter(
                name: "--max-length", value: "\(asked)", expected: "at most the \(encoder.maximumLength) of the model")
        }
        windowLength = search.windowLength ?? min(encoder.maximumLength, 384)
    }

    /// The best answers of each question, best first. Answers that are equal but for case share one entry, and their
    /// scores add up.
    public func run(_ questions: [Question]) throws -> [[Answer]] {
        var windows: [(question: Int, tokens: TokenizedText)] = []
        for (index, question) in questions.enumerated() {
            windows += try self.windows(of: question).map { (index, $0) }
        }
        var found = [[Candidate]](repeating: [], count: windows.count)
        var noAnswer = [Double](repeating: 1, count: windows.count)
        try encoder.run(windows.map { encoder.input($0.tokens.ids, typeIDs: $0.tokens.typeIDs) }) {
            let starts = $1["start_logits"]?.values ?? []
            let ends = $1["end_logits"]?.values ?? []
            (found[$0], noAnswer[$0]) = candidates(in: windows[$0].tokens, starts, ends)
        }
        return questions.indices.map { question in
            let own = windows.indices.filter { windows[$0].question == question }
            return answers(
                to: questions[question], own.flatMap { found[$0] }, noAnswer: own.map { noAnswer[$0] }.min() ?? 0)
        }
    }

    private func windows(of question: Question) throws -> [TokenizedText] {
        let truncation = Truncation(maximumLength: windowLength, strategy: .onlySecond)
        let stride = search.stride ?? min(windowLength / 2, 128)
        // Each window must bring something new of the context.
        let free = windowLength - (try encoder.tokenCount(of: TextPair(question.question, pair: "")))
        if free > 0, stride >= free,
            try encoder.tokenCount(of: TextPair(question.question, pair: question.context)) > windowLength
        {
            throw InferenceError.invalidParameter(
                name: "--doc-stride", value: "\(stride)",
                expected:
                    "less than the \(free) tokens that a window of --max-length \(windowLength) has for the context")
        }
        let windows: [TokenizedText]
        do {
            windows = try encoder.windows(
                of: TextPair(question.question, pair: question.context), truncation: truncation, stride: stride)
        } catch TokenizationError.noRoomForText(let count, let maximum) {
            throw InferenceError.questionTooLong(tokenCount: count, maximum: maximum)
        }
        let room = windows.first?.sequenceIDs.reduce(0) { $0 + ($1 == 1 ? 1 : 0) } ?? 0
        guard room > 0 else { throw InferenceError.emptyText }
        return windows
    }

    // MARK: Spans

    private struct Candidate {
        var score: Double
        var range: Range<Int>
    }

    /// The best spans of a window and the score of its having none.
    private func candidates(
        in tokens: TokenizedText, _ startLogits: [Float], _ endLogits: [Float]
    ) -> ([Candidate], noAnswer: Double) {
        let classifier = encoder.tokenizer.id(for: .classifier)
        // Models without an answer point at the classifier token.
        let isPossible = tokens.ids.indices.map { tokens.sequenceIDs[$0] == 1 || tokens.ids[$0] == classifier }
        var starts = QuestionAnswerer.normalized(startLogits, isPossible)
        var ends = QuestionAnswerer.normalized(endLogits, isPossible)
        let noAnswer = starts[0] * ends[0]
        starts[0] = 0
        ends[0] = 0
        // Answers that begin and end at the same words fall together, so more are looked at than asked for.
        var best = BestSpans(capacity: search.answerCount * 2 + 10)
        for start in starts.indices where isPossible[start] {
            for end in start..<min(start + search.maximumAnswerLength, ends.count) where isPossible[end] {
                best.insert(score: starts[start] * ends[end], start: start, end: end)
            }
        }
        return (best.spans.map { Candidate(score: $0.score, range: range(of: $0, in: tokens)) }, noAnswer)
    }

    /// Probabilities over the tokens that are possible.
    private static func normalized(_ logits: [Float], _ isPossible: [Bool]) -> [Double] {
        Probabilities.softmax(zip(logits, isPossible).map { $1 ? $0 : -10_000 })
    }

    /// The scalars of the words that a span begins and ends in.
    private func range(of span: BestSpans.Span, in tokens: TokenizedText) -> Range<Int> {
        func word(_ token: Int) -> Range<Int> {
            guard let id = tokens.wordIDs[token], tokens.sequenceIDs[token] == 1 else { return tokens.offsets[token] }
            func isSame(_ index: Int) -> Bool { tokens.sequenceIDs[index] == 1 && tokens.wordIDs[index] == id }
            var (first, last) = (token, token)
            while first > 0, isSame(first - 1) { first -= 1 }
            while last + 1 < tokens.count, isSame(last + 1) { last += 1 }
            return tokens.offsets[first].lowerBound..<tokens.offsets[last].upperBound
        }
        let (first, last) = (word(span.start), word(span.end))
        return first.lowerBound..<max(first.lowerBound, last.upperBound)
    }

    private func answers(to question: Question, _ candidates: [Candidate], noAnswer: Double) -> [Answer] {
        let scalars = Array(question.context.unicodeScalars)
        var places: [String: Int] = [:]
        var answers: [Answer] = []
        for candidate in candidates {
            let range = candidate.range.clamped(to: 0..<scalars.count)
            let text = String(String.UnicodeScalarView(scalars[range]))
            let key = text.lowercased()
            if let place = places[key] {
                answers[place].score += candidate.score
            } else {
                places[key] = answers.count
                answers.append(Answer(score: candidate.score, range: range, text: text))
            }
        }
        if search.allowsNoAnswer { answers.append(Answer(score: noAnswer, range: 0..<0, text: "")) }
        return answers.map(\.score).greatestIndices(search.answerCount).map { answers[$0] }
    }
}

/// The best of many spans, best first; of equal ones those that came first.
private struct BestSpans {
    struct Span {
        var score: Double
        var start: Int
        var end: Int
    }

    let capacity: Int
    private(set) var spans: [Span] = []

    init(capacity: Int) { self.capacity = capacity }

    mutating func insert(score: Double, start: Int, end: Int) {
        if spans.count == capacity, let last = spans.last, score <= last.score { return }
        let place = spans.firstIndex { $0.score < score } ?? spans.count
        spans.insert(Span(score: score, start: start, end: end), at: place)
        if spans.count > capacity { spans.removeLast() }
    }
}
