/// An answer and the sources that it names.
public struct CitedAnswer: Sendable, Hashable {
    public var text: String
    /// The sources that the answer names and that exist, in the order in which they are named first.
    public var citations: [AnswerSource]
    /// Numbers that the answer names and that no source has.
    public var unknownNumbers: [Int]
}

/// What arrives while an answer is written.
public enum AnswerUpdate: Sendable, Hashable {
    case text(String)
    /// Numbers in brackets as they were written, and the sources among them; empty: there are none of these numbers.
    case citation(spelling: String, sources: [AnswerSource])
    /// The last update.
    case finished(CitedAnswer)
}

/// Puts an answer together from the pieces that a generator brings, and checks what it cites.
public struct AnswerReader: Sendable {
    private let sources: [Int: AnswerSource]
    private var reasoning: ReasoningFilter
    private var citations = CitationReader()
    private var answer = CitedAnswer(text: "", citations: [], unknownNumbers: [])

    /// - Parameter startsInReasoning: whether the prompt has opened `<think>` already.
    public init(sources: [AnswerSource], startsInReasoning: Bool = false) {
        self.sources = Dictionary(sources.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        reasoning = ReasoningFilter(isOpen: startsInReasoning)
    }

    public mutating func read(_ text: String) -> [AnswerUpdate] {
        let spoken = reasoning.read(text)
        return citations.read(spoken).map { update($0) }
    }

    /// The rest of the text, and the whole answer.
    public mutating func finish() -> [AnswerUpdate] {
        let pieces = citations.read(reasoning.finish()) + citations.finish()
        let updates = pieces.map { update($0) }
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        answer.text = String(answer.text.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
        return updates + [.finished(answer)]
    }

    private mutating func update(_ piece: CitationReader.Piece) -> AnswerUpdate {
        switch piece {
        case .text(let text):
            answer.text += text
            return .text(text)
        case .citation(let numbers, let spelling):
            answer.text += spelling
            let found = numbers.compactMap { sources[$0] }
            for source in found where !answer.citations.contains(source) { answer.citations.append(source) }
            for number in numbers where sources[number] == nil && !answer.unknownNumbers.contains(number) {
                answer.unknownNumbers.append(number)
            }
            return .citation(spelling: spelling, sources: found)
        }
    }
}
