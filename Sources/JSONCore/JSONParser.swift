/// Reads RFC 8259 text into the tape. Iterative: nesting costs an entry of `open`, not a stack frame.
struct JSONParser {
    private struct OpenContainer {
        let node: Int
        let isObject: Bool
        var childCount: UInt32
    }

    private let text: UnsafeBufferPointer<UInt8>
    private let source: String
    private let options: JSONReadingOptions
    private var position = 0
    private var open: [OpenContainer] = []
    private(set) var nodes: [JSONNode] = []

    init(text: UnsafeBufferPointer<UInt8>, source: String, options: JSONReadingOptions) {
        self.text = text
        self.source = source
        self.options = options
        nodes.reserveCapacity(min(text.count / 8 + 1, 1 << 20))
    }

    mutating func parseDocument() throws(JSONError) {
        skipWhitespace()
        try parseValue()
        while let container = open.last {
            skipWhitespace()
            let byte = try peek(expecting: container.isObject ? "',' or '}'" : "',' or ']'")
            if byte == (container.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                position += 1
                close()
                continue
            }
            if container.childCount > 0 {
                guard byte == UInt8(ascii: ",") else {
                    throw failure(expected: container.isObject ? "',' or '}'" : "',' or ']'")
                }
                position += 1
                skipWhitespace()
            }
            open[open.count - 1].childCount += 1
            if container.isObject { try parseKey() }
            try parseValue()
        }
        skipWhitespace()
        guard position == text.count else { throw failure(expected: "the end of the text") }
    }

    private mutating func close() {
        guard let container = open.popLast() else { return }
        nodes[container.node].length = container.childCount
        nodes[container.node].next = UInt32(nodes.count)
    }

    private mutating func parseKey() throws(JSONError) {
        guard try peek(expecting: "a key in quotes") == UInt8(ascii: "\"") else {
            throw failure(expected: "a key in quotes")
        }
        try parseString()
        skipWhitespace()
        guard try peek(expecting: "':'") == UInt8(ascii: ":") else { throw failure(expected: "':'") }
        position += 1
        skipWhitespace()
    }

    private mutating func parseValue() throws(JSONError) {
        switch try peek(expecting: "a value") {
        case UInt8(ascii: "\""): try parseString()
        case UInt8(ascii: "{"): try openContainer(.object)
        case UInt8(ascii: "["): try openContainer(.array)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber()
        case UInt8(ascii: "t"): try parseWord("true", .true)
        case UInt8(ascii: "f"): try parseWord("false", .false)
        case UInt8(ascii: "n"): try parseWord("null", .null)
        case UInt8(ascii: "N") where options.allowsNonFiniteNumbers: try parseWord("NaN", .real)
        case UInt8(ascii: "I") where options.allowsNonFiniteNumbers: try parseWord("Infinity", .real)
        default: throw failure(expected: "a value")
        }
    }

    private mutating func openContainer(_ kind: JSONKind) throws(JSONError) {
        guard open.count < options.maximumDepth else {
            throw failure(expected: "at most \(options.maximumDepth) levels of nesting")
        }
        open.append(OpenContainer(node: nodes.count, isObject: kind == .object, childCount: 0))
        append(kind, from: position, to: position)
        position += 1
    }

    private mutating func append(_ kind: JSONKind, from start: Int, to end: Int, hasEscapes: Bool = false) {
        // Offsets fit: JSONDocument refuses texts of 2 GiB and more.
        nodes.append(
            JSONNode(
                kind: kind, hasEscapes: hasEscapes, offset: UInt32(truncatingIfNeeded: start),
                length: UInt32(truncatingIfNeeded: end - start), next: UInt32(truncatingIfNeeded: nodes.count + 1)))
    }

    private mutating func parseWord(_ word: StaticString, _ kind: JSONKind) throws(JSONError) {
        let start = position
        for index in 0..<word.utf8CodeUnitCount {
            guard position < text.count, text[position] == word.utf8Start[index] else {
                throw failure(expected: "'\(word)'")
            }
            position += 1
        }
        append(kind, from: start, to: position)
    }

    private mutating func parseNumber() throws(JSONError) {
        let start = position
        if text[position] == UInt8(ascii: "-") {
            position += 1
            if options.allowsNonFiniteNumbers, position < text.count, text[position] == UInt8(ascii: "I") {
                try parseWord("Infinity", .real)
                nodes[nodes.count - 1].offset -= 1
                nodes[nodes.count - 1].length += 1
                return
            }
        }
        let leading = try peek(expecting: "a digit")
        let digitCount = skipDigits()
        guard digitCount > 0 else { throw failure(expected: "a digit") }
        if leading == UInt8(ascii: "0"), digitCount > 1 {
            position -= digitCount - 1
            throw failure(expected: "no digit after a leading zero")
        }
        var kind = JSONKind.integer
        if position < text.count, text[position] == UInt8(ascii: ".") {
            position += 1
            kind = .real
            guard skipDigits() > 0 else { throw failure(expected: "a digit after '.'") }
        }
        if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            kind = .real
            if position < text.count, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard skipDigits() > 0 else { throw failure(expected: "a digit in the exponent") }
        }
        append(kind, from: start, to: position)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while position < text.count, text[position] &- UInt8(ascii: "0") < 10 { position += 1 }
        return position - start
    }

    private mutating func parseString() throws(JSONError) {
        position += 1
        let start = position
        var hasEscapes = false
        while true {
            guard position < text.count else { throw failure(expected: "'\"' to end the string") }
            let byte = text[position]
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try skipEscape()
            } else if byte < 0x20 {
                throw failure(expected: "an escape in place of a control character")
            } else if byte < 0x80 {
                position += 1
            } else {
                let length = UTF8Scalar.length(in: text, at: position)
                guard length > 0 else { throw failure(expected: "valid UTF-8") }
                position += length
            }
        }
        append(.string, from: start, to: position, hasEscapes: hasEscapes)
        position += 1
    }

    private mutating func skipEscape() throws(JSONError) {
        position += 1
        switch try peek(expecting: "an escape") {
        case UInt8(ascii: "u"):
            let unit = try hexUnit()
            if unit & 0xFC00 == 0xDC00 {
                position -= 4
                throw failure(expected: "a leading surrogate before a trailing one")
            }
            guard unit & 0xFC00 == 0xD800 else { return }
            guard position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
                text[position + 1] == UInt8(ascii: "u")
            else { throw failure(expected: "the escape of a trailing surrogate") }
            position += 1
            guard try hexUnit() & 0xFC00 == 0xDC00 else {
                position -= 4
                throw failure(expected: "a trailing surrogate (DC00 to DFFF)")
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        default:
            throw failure(expected: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
        }
    }

    /// Reads `u` and four hexadecimal digits.
    private mutating func hexUnit() throws(JSONError) -> UInt32 {
        position += 1
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = hexDigitValue(try peek(expecting: "four hexadecimal digits")) else {
                throw failure(expected: "four hexadecimal digits")
            }
            unit = unit << 4 | digit
            position += 1
        }
        return unit
    }

    private mutating func skipWhitespace() {
        while position < text.count {
            let byte = text[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private func peek(expecting expected: String) throws(JSONError) -> UInt8 {
        guard position < text.count else { throw failure(expected: expected) }
        return text[position]
    }

    private func failure(expected: String) -> JSONError {
        var line = 1
        var lineStart = 0
        for index in 0..<min(position, text.count) where text[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        return .syntax(
            source: source, offset: position, line: line, column: position - lineStart + 1, expected: expected,
            found: describeByte())
    }

    private func describeByte() -> String {
        guard position < text.count else { return "the end of the text" }
        if position == 0, text.starts(with: [0xEF, 0xBB, 0xBF]) { return "a byte order mark" }
        let byte = text[position]
        if byte > 0x20, byte < 0x7F { return "'\(Character(UnicodeScalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (digits.count < 2 ? "0" : "") + digits
    }
}

func hexDigitValue(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
}
