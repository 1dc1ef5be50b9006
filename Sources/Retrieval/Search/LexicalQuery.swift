/// A lexical query. Plain text is a bag of words; quotes make phrases, and `AND`, `OR`, `NOT` in capitals with parentheses
/// make conditions.
package indirect enum LexicalQuery {
    case words([String])
    case phrase([String])
    case and([LexicalQuery])
    case or([LexicalQuery])
    case not(LexicalQuery)

    /// - Throws: ``RetrievalError/invalidQuery(query:reason:)`` for conditions that are not well formed.
    package init(_ text: String, analyzer: Analyzer) throws {
        var parser = LexicalQueryParser(text, analyzer: analyzer)
        self = try parser.parse()
    }

    /// Every term whose presence adds to a score.
    package var scoredTerms: [String] {
        switch self {
        case .words(let terms), .phrase(let terms): terms
        case .and(let parts), .or(let parts): parts.flatMap(\.scoredTerms)
        case .not: []
        }
    }
}

/// Reads queries with conditions; text without any stays a bag of words, whatever punctuation it has.
private struct LexicalQueryParser {
    private enum Token: Equatable {
        case text(String)
        case quoted(String)
        case open, close, and, or, not
    }

    private static let depthLimit = 64
    private let text: String
    private let analyzer: Analyzer
    private var tokens: [Token] = []
    private var index = 0
    private var depth = 0

    package init(_ text: String, analyzer: Analyzer) {
        self.text = text
        self.analyzer = analyzer
        tokens = LexicalQueryParser.tokens(text)
    }

    package mutating func parse() throws -> LexicalQuery {
        let hasConditions = tokens.contains { token in
            switch token {
            case .quoted, .and, .or, .not: true
            case .text, .open, .close: false
            }
        }
        guard hasConditions else { return .words(analyzer.terms(in: text)) }
        let query = try disjunction()
        guard index == tokens.count else { throw failure("a ')' closes nothing") }
        return query
    }

    /// Parts that stand beside each other are alternatives, as words are.
    private mutating func disjunction() throws -> LexicalQuery {
        var parts = [try conjunction()]
        while index < tokens.count, tokens[index] != .close {
            if tokens[index] == .or { index += 1 }
            parts.append(try conjunction())
        }
        return parts.count == 1 ? parts[0] : .or(parts)
    }

    private mutating func conjunction() throws -> LexicalQuery {
        var parts = [try factor()]
        while index < tokens.count, tokens[index] == .and || tokens[index] == .not {
            if tokens[index] == .and { index += 1 }
            parts.append(try factor())
        }
        return parts.count == 1 ? parts[0] : .and(parts)
    }

    private mutating func factor() throws -> LexicalQuery {
        depth += 1
        defer { depth -= 1 }
        guard depth <= LexicalQueryParser.depthLimit else { throw failure("too deeply nested") }
        guard index < tokens.count else { throw failure("a part is missing at the end") }
        let token = tokens[index]
        index += 1
        switch token {
        case .not: return .not(try factor())
        case .open:
            let query = try disjunction()
            guard index < tokens.count, tokens[index] == .close else { throw failure("a '(' is never closed") }
            index += 1
            return query
        case .text(let text): return .words(analyzer.terms(in: text))
        case .quoted(let text): return .phrase(analyzer.terms(in: text))
        case .close: throw failure("a ')' stands where a word is expected")
        case .and: throw failure("AND needs a part before it")
        case .or: throw failure("OR needs a part before it")
        }
    }

    private static func tokens(_ text: String) -> [Token] {
        var tokens: [Token] = []
        var word = ""
        func flush() {
            switch word {
            case "": break
            case "AND": tokens.append(.and)
            case "OR": tokens.append(.or)
            case "NOT": tokens.append(.not)
            default: tokens.append(.text(word))
            }
            word = ""
        }
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "\"":
                flush()
                // A quote without a closing one is punctuation.
                guard let end = rest.firstIndex(of: "\"") else { continue }
                tokens.append(.quoted(String(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            case "(", ")":
                flush()
                tokens.append(character == "(" ? .open : .close)
            case let character where character.isWhitespace: flush()
            default: word.append(character)
            }
        }
        flush()
        return tokens
    }

    private func failure(_ reason: String) -> RetrievalError { .invalidQuery(query: text, reason: reason) }
}
