/// Reads regular expressions as ECMA-262 writes them, which is what JSON Schema and most servers take. `.` is any character
/// but the line feed; `\d`, `\w` are ASCII.
struct RegexParser: ScalarParser {
    let scalars: [Unicode.Scalar]
    var position = 0
    private let source: String
    private var depth = 0
    static let maximumDepth = 200
    static let maximumRepetition = 100_000

    init(_ pattern: String, source: String) {
        scalars = Array(pattern.unicodeScalars)
        self.source = source
    }

    mutating func parse() throws(GrammarError) -> RegexSyntax {
        let syntax = try alternatives()
        if position < scalars.count { throw expected("the end, or '(' before ')'") }
        return syntax
    }

    private func expected(_ what: String) -> GrammarError {
        .syntax(kind: source, line: 1, column: position + 1, expected: what)
    }

    private func unsupported(_ what: String) -> GrammarError {
        .unsupported(what, at: "\(source): column \(position + 1)")
    }

    private mutating func alternatives() throws(GrammarError) -> RegexSyntax {
        depth += 1
        defer { depth -= 1 }
        guard depth <= RegexParser.maximumDepth else {
            throw .tooComplex(what: "nested groups", limit: RegexParser.maximumDepth)
        }
        var parts = [try sequence()]
        while take("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .alternatives(parts)
    }

    private mutating func sequence() throws(GrammarError) -> RegexSyntax {
        var parts: [RegexSyntax] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let atom = try atom()
            parts.append(try quantified(atom))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func atom() throws(GrammarError) -> RegexSyntax {
        guard let scalar = next else { throw expected("an expression") }
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return .scalars(try characterClass())
        case ".": return .scalars(ScalarSet(0x0A).inverted)
        case "^": return .textStart
        case "$": return .textEnd
        case "\\": return try escape()
        case "*", "+", "?":
            position -= 1
            throw expected("an expression before '\(scalar)'")
        default: return .scalars(ScalarSet(scalar.value))
        }
    }

    private mutating func group() throws(GrammarError) -> RegexSyntax {
        if take("?") {
            if takeText("=") || takeText("!") || takeText("<=") || takeText("<!") { throw unsupported("lookaround") }
            if takeText("P<") || takeText("<") {
                while let scalar = next, scalar != ">" { position += scalar == ")" ? scalars.count : 1 }
                guard take(">") else { throw expected("'>' after a group's name") }
            } else if !take(":") {
                throw unsupported("group with '(?'")
            }
        }
        let syntax = try alternatives()
        guard take(")") else { throw expected("')'") }
        return syntax
    }

    // MARK: Quantifiers

    private mutating func quantified(_ atom: RegexSyntax) throws(GrammarError) -> RegexSyntax {
        var result = atom
        while let (minimum, maximum) = try quantifier() {
            if let maximum, maximum < minimum { throw expected("a repetition whose maximum is not below its minimum") }
            guard max(minimum, maximum ?? 0) <= RegexParser.maximumRepetition else {
                throw .tooComplex(what: "repetitions", limit: RegexParser.maximumRepetition)
            }
            result = .repetition(result, minimum: minimum, maximum: maximum)
            // Whether a quantifier is lazy does not change which texts match.
            if take("?") { continue }
            if next == "+" { throw unsupported("possessive repetition") }
        }
        return result
    }

    private mutating func quantifier() throws(GrammarError) -> (Int, Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard next == "{" else { return nil }
        let start = position
        position += 1
        if let minimum = try repetitionCount() {
            if take("}") { return (minimum, minimum) }
            if take(",") {
                let maximum = try repetitionCount()
                if take("}") { return (minimum, maximum) }
            }
        } else if take(","), let maximum = try repetitionCount(), take("}") {
            return (0, maximum)
        }
        // As in Python and in JavaScript without its flag u, a brace that begins no repetition stands for itself.
        position = start
        return nil
    }

    // MARK: Escapes and classes

    private mutating func escape() throws(GrammarError) -> RegexSyntax {
        guard let scalar = next else { throw expected("a character after '\\'") }
        switch scalar {
        case "b", "B": throw unsupported("word boundary \\\(scalar)")
        case "1"..."9", "k": throw unsupported("backreference \\\(scalar)")
        case "A":
            position += 1
            return .textStart
        case "z", "Z":
            position += 1
            return .textEnd
        default: return .scalars(try escapedSet())
        }
    }

    /// What follows a backslash, inside a class or outside.
    private mutating func escapedSet() throws(GrammarError) -> ScalarSet {
        guard let scalar = next else { throw expected("a character after '\\'") }
        position += 1
        switch scalar {
        case "d": return RegexClasses.digits
        case "D": return RegexClasses.digits.inverted
        case "w": return RegexClasses.wordCharacters
        case "W": return RegexClasses.wordCharacters.inverted
        case "s": return RegexClasses.spaces
        case "S": return RegexClasses.spaces.inverted
        case "n": return ScalarSet(0x0A)
        case "r": return ScalarSet(0x0D)
        case "t": return ScalarSet(0x09)
        case "f": return ScalarSet(0x0C)
        case "v": return ScalarSet(0x0B)
        case "0": return ScalarSet(0)
        case "x": return ScalarSet(try codePoint(digitCount: 2))
        case "u": return ScalarSet(try unicodeEscape())
        case "c":
            guard let letter = next, letter.isASCII, letter.properties.isAlphabetic else { throw expected("a letter") }
            position += 1
            return ScalarSet(letter.value & 31)
        case "p", "P":
            let set = try property()
            return scalar == "p" ? set : set.inverted
        default:
            if scalar.isASCII, scalar.properties.isAlphabetic {
                position -= 1
                throw unsupported("escape \\\(scalar)")
            }
            return ScalarSet(scalar.value)
        }
    }

    private mutating func codePoint(digitCount: Int) throws(GrammarError) -> UInt32 {
        let braced = take("{")
        var value: UInt32 = 0
        var count = 0
        while count < (braced ? 6 : digitCount), let digit = next.flatMap({ hexDigit($0) }) {
            value = value << 4 | digit
            count += 1
            position += 1
        }
        guard braced ? count > 0 && take("}") : count == digitCount, value <= 0x10FFFF else {
            throw expected("a code point in hexadecimal digits")
        }
        return value
    }

    private func hexDigit(_ scalar: Unicode.Scalar) -> UInt32? {
        scalar.isASCII ? Character(scalar).hexDigitValue.map { UInt32($0) } : nil
    }

    /// A code point, which may be written as two surrogates.
    private mutating func unicodeEscape() throws(GrammarError) -> UInt32 {
        let first = try codePoint(digitCount: 4)
        guard (0xD800...0xDFFF).contains(first) else { return first }
        guard takeText("\\u") else { throw expected("the other surrogate") }
        let second = try codePoint(digitCount: 4)
        guard first < 0xDC00, (0xDC00...0xDFFF).contains(second) else { throw expected("a pair of surrogates") }
        return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
    }

    private mutating func property() throws(GrammarError) -> ScalarSet {
        var name = ""
        if take("{") {
            while let scalar = next, scalar != "}" {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            guard take("}") else { throw expected("'}'") }
        } else if let scalar = next {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard let set = RegexClasses.category(name) else { throw unsupported("property \\p{\(name)}") }
        return set
    }

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let isNegated = take("^")
        var set: [ClosedRange<UInt32>] = []
        while true {
            guard next != nil else { throw expected("']'") }
            if take("]") { break }
            let first = try classMember()
            // A dash at either end of a class, or beside another class, stands for itself.
            if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]",
                let low = first.single
            {
                let dash = position
                position += 1
                let last = try classMember()
                if let high = last.single {
                    guard low <= high else {
                        position = dash
                        throw expected("a range whose end is not below its start")
                    }
                    set.append(low...high)
                    continue
                }
                set += first.ranges + last.ranges + [0x2D...0x2D]
                continue
            }
            set += first.ranges
        }
        let result = ScalarSet(set)
        return isNegated ? result.inverted : result
    }

    private mutating func classMember() throws(GrammarError) -> ScalarSet {
        guard let scalar = next else { throw expected("']'") }
        position += 1
        guard scalar == "\\" else { return ScalarSet(scalar.value) }
        if next == "b" {
            position += 1
            return ScalarSet(8)
        }
        return try escapedSet()
    }
}

extension ScalarSet {
    /// The only member of a set; `nil` where there are more or none.
    var single: UInt32? {
        ranges.count == 1 && ranges[0].lowerBound == ranges[0].upperBound ? ranges[0].lowerBound : nil
    }
}
