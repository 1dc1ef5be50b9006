struct Token: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case data([Unicode.Scalar])
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string(Text)
        case integer(Int)
        case largeInteger(Text)
        case float(Double)
        case op(String)
        case end
    }

    var kind: Kind
    var line: Int
}

/// A mistake in the template's text.
struct SyntaxFailure: Error {
    var line: Int
    var message: String
}

/// Splits a template into tokens as `jinja2.lexer` does with `trim_blocks` and `lstrip_blocks`.
struct TemplateLexer {
    let source: [Unicode.Scalar]
    var position = 0
    var line = 1
    var tokens: [Token] = []
    private var isLineStart = true
    private let operators3: [String] = ["//", "**", "==", "!=", ">=", "<="]

    init(_ text: String) {
        // Newlines of every kind become "\n"; one at the end of the template is dropped.
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(text.utf8.count)
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\r" {
                scalars.append("\n")
            } else if !(scalar == "\n" && previous == "\r") {
                scalars.append(scalar)
            }
            previous = scalar
        }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    static func tokens(of text: String) throws -> [Token] {
        var lexer = TemplateLexer(text)
        try lexer.run()
        return lexer.tokens
    }

    private mutating func run() throws {
        while position < source.count { try lexRoot() }
        tokens.append(Token(kind: .end, line: line))
    }

    func peek(_ offset: Int = 0) -> Unicode.Scalar? {
        position + offset < source.count ? source[position + offset] : nil
    }

    func matches(_ text: String, at place: Int) -> Bool {
        var place = place
        for scalar in text.unicodeScalars {
            guard place < source.count, source[place] == scalar else { return false }
            place += 1
        }
        return true
    }

    private mutating func advance(to end: Int) {
        for place in position..<end where source[place] == "\n" { line += 1 }
        if end > position { isLineStart = source[end - 1] == "\n" }
        position = end
    }

    func skipSpace(from place: Int) -> Int {
        var place = place
        while place < source.count, source[place].isPythonSpace { place += 1 }
        return place
    }

    private mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    // MARK: Text between tags

    private mutating func lexRoot() throws {
        var start = position
        while start < source.count {
            if source[start] == "{", start + 1 < source.count, ["{", "%", "#"].contains(source[start + 1]) { break }
            start += 1
        }
        guard start < source.count else {
            append(.data(Array(source[position...])))
            advance(to: source.count)
            return
        }
        let opener = source[start + 1]
        let sign: Unicode.Scalar? =
            start + 2 < source.count && (source[start + 2] == "-" || source[start + 2] == "+")
            ? source[start + 2] : nil
        appendData(Array(source[position..<start]), before: opener, sign: sign)
        let bodyStart = start + 2 + (sign == nil ? 0 : 1)
        if opener == "%", let end = rawBegin(at: bodyStart) {
            advance(to: end)
            return try lexRaw()
        }
        advance(to: bodyStart)
        isLineStart = false
        switch opener {
        case "#": try lexComment()
        case "%": try lexTag(isBlock: true)
        default: try lexTag(isBlock: false)
        }
    }

    /// Text before a tag, stripped as the tag's sign and `lstrip_blocks` say.
    private mutating func appendData(_ text: [Unicode.Scalar], before opener: Unicode.Scalar, sign: Unicode.Scalar?) {
        var kept = text[...]
        if sign == "-" {
            while let last = kept.last, last.isPythonSpace { kept.removeLast() }
        } else if sign == nil, opener != "{" {
            let lineStart = (text.lastIndex(of: "\n") ?? -1) + 1
            if lineStart > 0 || isLineStart, text[lineStart...].allSatisfy(\.isPythonSpace) {
                kept = text[..<lineStart]
            }
        }
        if !kept.isEmpty { append(.data(Array(kept))) }
    }

    /// The place after `raw` and the end of its tag, where the tag is one.
    private func rawBegin(at place: Int) -> Int? {
        var place = skipSpace(from: place)
        guard matches("raw", at: place) else { return nil }
        place = skipSpace(from: place + 3)
        if matches("-%}", at: place) { return skipSpace(from: place + 3) }
        return matches("%}", at: place) ? place + 2 : nil
    }

    private mutating func lexRaw() throws {
        var place = position
        while place < source.count {
            if matches("{%", at: place) {
                let hasSign = place + 2 < source.count && (source[place + 2] == "-" || source[place + 2] == "+")
                let word = skipSpace(from: place + 2 + (hasSign ? 1 : 0))
                if matches("endraw", at: word), let end = blockEnd(at: skipSpace(from: word + 6)) {
                    appendData(Array(source[position..<place]), before: "%", sign: hasSign ? source[place + 2] : nil)
                    advance(to: end)
                    return
                }
            }
            place += 1
        }
        throw SyntaxFailure(line: line, message: "Missing end of raw directive")
    }

    private mutating func lexComment() throws {
        var place = position
        while place < source.count {
            if matches("+#}", at: place) { return advance(to: place + 3) }
            if matches("-#}", at: place) { return advance(to: skipSpace(from: place + 3)) }
            if matches("#}", at: place) {
                return advance(to: place + (matches("\n", at: place + 2) ? 3 : 2))
            }
            place += 1
        }
        throw SyntaxFailure(line: line, message: "Missing end of comment tag")
    }

    /// The place after `%}` with its sign and what it swallows.
    private func blockEnd(at place: Int) -> Int? {
        if matches("+%}", at: place) { return place + 3 }
        if matches("-%}", at: place) { return skipSpace(from: place + 3) }
        guard matches("%}", at: place) else { return nil }
        return place + (matches("\n", at: place + 2) ? 3 : 2)
    }

    private func variableEnd(at place: Int) -> Int? {
        if matches("-}}", at: place) { return skipSpace(from: place + 3) }
        return matches("}}", at: place) ? place + 2 : nil
    }

    // MARK: Inside tags

    private mutating func lexTag(isBlock: Bool) throws {
        append(isBlock ? .blockBegin : .variableBegin)
        var open: [Unicode.Scalar] = []
        while let scalar = peek() {
            if open.isEmpty, let end = isBlock ? blockEnd(at: position) : variableEnd(at: position) {
                append(isBlock ? .blockEnd : .variableEnd)
                return advance(to: end)
            }
            if scalar.isPythonSpace {
                advance(to: skipSpace(from: position))
            } else if scalar.isASCIIDigit {
                try lexNumber()
            } else if scalar.isPythonWord {
                lexName()
            } else if scalar == "'" || scalar == "\"" {
                try lexString(quote: scalar)
            } else {
                try lexOperator(scalar, &open)
            }
        }
    }

    private mutating func lexName() {
        var end = position
        while end < source.count, source[end].isPythonWord { end += 1 }
        append(.name(Text(source[position..<end]).string))
        advance(to: end)
    }

    private mutating func lexOperator(_ scalar: Unicode.Scalar, _ open: inout [Unicode.Scalar]) throws {
        if let long = operators3.first(where: { matches($0, at: position) }) {
            append(.op(long))
            return advance(to: position + 2)
        }
        guard "+-*/%~[](){}><=.:|,;".unicodeScalars.contains(scalar) else {
            throw SyntaxFailure(line: line, message: "unexpected char \(Text([scalar]).representation) at \(position)")
        }
        switch scalar {
        case "{": open.append("}")
        case "(": open.append(")")
        case "[": open.append("]")
        case "}", ")", "]":
            guard let expected = open.popLast() else {
                throw SyntaxFailure(line: line, message: "unexpected '\(scalar)'")
            }
            guard expected == scalar else {
                throw SyntaxFailure(line: line, message: "unexpected '\(scalar)', expected '\(expected)'")
            }
        default: break
        }
        append(.op(String(scalar)))
        advance(to: position + 1)
    }
}
