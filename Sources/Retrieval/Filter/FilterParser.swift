/// Reads a filter: `or` binds weaker than `and`, `and` weaker than `not`.
struct FilterParser {
    private static let depthLimit = 64

    private let text: String
    private let characters: [Character]
    private var offset = 0
    private var depth = 0

    init(_ text: String) {
        self.text = text
        characters = Array(text)
    }

    mutating func parse() throws -> DocumentFilter.Node {
        let node = try disjunction()
        skipSpace()
        guard offset == characters.count else { throw failure("expected 'and', 'or' or the end") }
        return node
    }

    private mutating func disjunction() throws -> DocumentFilter.Node {
        var node = try conjunction()
        while takeWord("or") { node = .or(node, try conjunction()) }
        return node
    }

    private mutating func conjunction() throws -> DocumentFilter.Node {
        var node = try factor()
        while takeWord("and") { node = .and(node, try factor()) }
        return node
    }

    private mutating func factor() throws -> DocumentFilter.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= FilterParser.depthLimit else { throw failure("too deeply nested") }
        if takeWord("not") { return .not(try factor()) }
        skipSpace()
        if offset < characters.count, characters[offset] == "(" {
            offset += 1
            let node = try disjunction()
            skipSpace()
            guard offset < characters.count, characters[offset] == ")" else { throw failure("expected ')'") }
            offset += 1
            return node
        }
        return try comparison()
    }

    private mutating func comparison() throws -> DocumentFilter.Node {
        guard let field = try value(), !field.text.isEmpty else { throw failure("expected the name of a field") }
        skipSpace()
        let rest = characters[offset...]
        guard let operation = FilterOperator.allCases.first(where: { rest.starts(with: $0.rawValue) }) else {
            throw failure("expected = != < <= > >= ~ or !~ behind '\(field.text)'")
        }
        offset += operation.rawValue.count
        guard let literal = try value() else { throw failure("expected a value behind '\(operation.rawValue)'") }
        return .comparison(
            field: field.text, operation, FilterLiteral(literal.text, isQuoted: literal.isQuoted))
    }

    private mutating func value() throws -> (text: String, isQuoted: Bool)? {
        skipSpace()
        guard offset < characters.count else { return nil }
        let quote = characters[offset]
        guard quote == "\"" || quote == "'" else {
            let start = offset
            while offset < characters.count, !characters[offset].isWhitespace,
                !"()=!<>~\"'".contains(characters[offset])
            {
                offset += 1
            }
            return start == offset ? nil : (String(characters[start..<offset]), false)
        }
        let start = offset
        offset += 1
        var text = ""
        while offset < characters.count, characters[offset] != quote {
            if characters[offset] == "\\", offset + 1 < characters.count { offset += 1 }
            text.append(characters[offset])
            offset += 1
        }
        guard offset < characters.count else {
            offset = start
            throw failure("this quote is never closed")
        }
        offset += 1
        return (text, true)
    }

    private mutating func takeWord(_ word: String) -> Bool {
        skipSpace()
        let end = offset + word.count
        guard end <= characters.count, String(characters[offset..<end]).lowercased() == word,
            end == characters.count || characters[end].isWhitespace || characters[end] == "("
        else { return false }
        offset = end
        return true
    }

    private mutating func skipSpace() {
        while offset < characters.count, characters[offset].isWhitespace { offset += 1 }
    }

    private func failure(_ reason: String) -> RetrievalError {
        .invalidFilter(filter: text, offset: offset, reason: reason)
    }
}
