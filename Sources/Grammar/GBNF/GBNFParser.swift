/// An expression of a GBNF grammar.
indirect enum GBNFExpression: Sendable {
    case scalars(ScalarSet)
    case sequence([GBNFExpression])
    case alternatives([GBNFExpression])
    case repetition(GBNFExpression, minimum: Int, maximum: Int?)
    case rule(String)
}

/// Reads GBNF as llama.cpp does (`grammars/README.md` there): rules `name ::= …`, literals, classes, `.`, groups, `* + ?
/// {m,n}`, comments; a rule goes on over lines in parentheses and behind `|`.
struct GBNFParser: ScalarParser {
    let scalars: [Unicode.Scalar]
    var position = 0
    private var depth = 0
    static let maximumDepth = 200
    static let maximumRepetition = 1 << 24

    private(set) var rules: [String: GBNFExpression] = [:]

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func parse() throws(GrammarError) {
        skipSpace(newlines: true)
        while position < scalars.count {
            let name = try name("a rule's name")
            skipSpace(newlines: false)
            guard takeText("::=") else { throw expected("'::=' after the rule's name") }
            skipSpace(newlines: true)
            let body = try alternatives(isNested: false)
            guard position >= scalars.count || isNewline(scalars[position]) else {
                throw expected("an expression or the end of the line")
            }
            skipSpace(newlines: true)
            // As in llama.cpp, the last definition of a name holds.
            rules[name] = body
        }
    }

    private func expected(_ what: String) -> GrammarError {
        let before = scalars[..<min(position, scalars.count)]
        let lineStart = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        return .syntax(
            kind: "grammar", line: before.count { $0 == "\n" } + 1, column: before.count - lineStart + 1, expected: what
        )
    }

    private func isNewline(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }

    private mutating func skipSpace(newlines: Bool) {
        while let scalar = next {
            if scalar == "#" {
                while let scalar = next, !isNewline(scalar) { position += 1 }
            } else if scalar == " " || scalar == "\t" || (newlines && isNewline(scalar)) {
                position += 1
            } else {
                return
            }
        }
    }

    private func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "-"
            || scalar == "_"
    }

    private mutating func name(_ what: String) throws(GrammarError) -> String {
        let start = position
        while let scalar = next, isNameScalar(scalar) { position += 1 }
        guard position > start else { throw expected(what) }
        var name = String.UnicodeScalarView()
        name.append(contentsOf: scalars[start..<position])
        return String(name)
    }

    // MARK: Expressions

    private mutating func alternatives(isNested: Bool) throws(GrammarError) -> GBNFExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth <= GBNFParser.maximumDepth else {
            throw .tooComplex(what: "nested groups", limit: GBNFParser.maximumDepth)
        }
        var parts = [try sequence(isNested: isNested)]
        while take("|") {
            skipSpace(newlines: true)
            parts.append(try sequence(isNested: isNested))
        }
        return parts.count == 1 ? parts[0] : .alternatives(parts)
    }

    private mutating func sequence(isNested: Bool) throws(GrammarError) -> GBNFExpression {
        var parts: [GBNFExpression] = []
        while let part = try element() {
            parts.append(try repeated(part, isNested: isNested))
            skipSpace(newlines: isNested)
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func element() throws(GrammarError) -> GBNFExpression? {
        guard let scalar = next else { return nil }
        switch scalar {
        case "\"":
            position += 1
            return try literal()
        case "[":
            position += 1
            return .scalars(try characterClass())
        case ".":
            position += 1
            return .scalars(.any)
        case "(":
            position += 1
            skipSpace(newlines: true)
            let inner = try alternatives(isNested: true)
            guard take(")") else { throw expected("')'") }
            return inner
        case "<", "!": throw .unsupported("a token such as <[1000]>", at: "grammar")
        default:
            return isNameScalar(scalar) ? .rule(try name("a rule's name")) : nil
        }
    }

    private mutating func literal() throws(GrammarError) -> GBNFExpression {
        var parts: [GBNFExpression] = []
        while !take("\"") {
            guard let scalar = next, !isNewline(scalar) else { throw expected("'\"' at the end of the text") }
            parts.append(.scalars(ScalarSet(try character())))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        while !take("]") {
            guard next != nil else { throw expected("']'") }
            let low = try character()
            if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                let high = try character()
                guard low <= high else { throw expected("a range whose end is not below its start") }
                ranges.append(low...high)
            } else {
                ranges.append(low...low)
            }
        }
        let set = ScalarSet(ranges)
        return isNegated ? set.inverted : set
    }

    private mutating func character() throws(GrammarError) -> UInt32 {
        guard let scalar = next else { throw expected("a character") }
        position += 1
        guard scalar == "\\" else { return scalar.value }
        guard let letter = next else { throw expected("a character after '\\'") }
        position += 1
        switch letter {
        case "x": return try hex(2)
        case "u": return try hex(4)
        case "U": return try hex(8)
        case "t": return 0x09
        case "r": return 0x0D
        case "n": return 0x0A
        case "\\", "\"", "[", "]", "-", "^", "/", ".": return letter.value
        default:
            position -= 1
            throw expected("one of the escapes \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\]")
        }
    }

    private mutating func hex(_ count: Int) throws(GrammarError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let scalar = next, scalar.isASCII, let digit = Character(scalar).hexDigitValue,
                value <= 0x10FFFF >> 4
            else { throw expected("\(count) hexadecimal digits of a code point") }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        guard Unicode.Scalar(value) != nil else { throw expected("a code point that is no surrogate") }
        return value
    }

    private mutating func repeated(_ part: GBNFExpression, isNested: Bool) throws(GrammarError) -> GBNFExpression {
        var result = part
        var turns = 0
        while true {
            let start = position
            skipSpace(newlines: isNested)
            if take("*") {
                result = .repetition(result, minimum: 0, maximum: nil)
            } else if take("+") {
                result = .repetition(result, minimum: 1, maximum: nil)
            } else if take("?") {
                result = .repetition(result, minimum: 0, maximum: 1)
            } else if take("{") {
                let minimum = try repetitionCount()
                skipSpace(newlines: isNested)
                var maximum = minimum
                if take(",") {
                    skipSpace(newlines: isNested)
                    maximum = try repetitionCount()
                    skipSpace(newlines: isNested)
                } else if minimum == nil {
                    throw expected("a number")
                }
                guard take("}") else { throw expected("'}'") }
                guard maximum ?? .max >= minimum ?? 0 else {
                    throw expected("a repetition whose maximum is not below its minimum")
                }
                result = .repetition(result, minimum: minimum ?? 0, maximum: maximum)
            } else {
                position = start
                return result
            }
            turns += 1
            guard turns + depth <= GBNFParser.maximumDepth else {
                throw .tooComplex(what: "repetitions of one part", limit: GBNFParser.maximumDepth)
            }
        }
    }
}
