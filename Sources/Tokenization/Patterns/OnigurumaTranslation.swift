/// Rewrites an Oniguruma pattern so that PCRE2 (with UTF, UCP and multi-line anchors) matches the same.
///
/// What differs: `\w` and `\s` follow the Unicode properties exactly, `\h` is a hexadecimal digit, `\uHHHH` is a code
/// point, `(?m)` lets the dot match newlines, and character classes nest (`[a[bc]]`) and intersect (`[a&&b]`).
struct OnigurumaTranslation {
    private static let whitespace =
        #"\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"#
    private static let word = UnicodeProperty.word.items
    private static let wordOutsideClass = UnicodeProperty.wordOutsideClass.items
    private static let wordBoundary =
        "(?:(?<=[\(wordOutsideClass)])(?![\(wordOutsideClass)])|(?<![\(wordOutsideClass)])(?=[\(wordOutsideClass)]))"
    private static let hexadecimal = "0-9a-fA-F"
    private static let maximumNesting = 64

    private let source: String
    private let pattern: [UInt8]
    private var position = 0

    /// The UTF-8 of the pattern for PCRE2.
    ///
    /// - Throws: ``TokenizationError/invalidPattern(pattern:offset:reason:)`` where a class does not end.
    static func translate(_ source: String) throws -> [UInt8] {
        var translation = OnigurumaTranslation(source: source, pattern: Array(source.utf8))
        return Array(try translation.translate().utf8)
    }

    private init(source: String, pattern: [UInt8]) {
        self.source = source
        self.pattern = pattern
    }

    private mutating func translate() throws -> String {
        var output: [UInt8] = []
        while position < pattern.count {
            switch pattern[position] {
            case UInt8(ascii: "\\"): output += escape().utf8
            case UInt8(ascii: "["): output += try characterClass(depth: 0).text.utf8
            case UInt8(ascii: "(") where peek(1) == UInt8(ascii: "?"):
                output += [UInt8(ascii: "("), UInt8(ascii: "?")]
                position += 2
                copyOptions(to: &output)
            case let byte:
                output.append(byte)
                position += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private func peek(_ distance: Int) -> UInt8? {
        position + distance < pattern.count ? pattern[position + distance] : nil
    }

    /// After `(?`: option letters with Ruby's `m` (dot matches newline) spelled `s`.
    private mutating func copyOptions(to output: inout [UInt8]) {
        var end = position
        while end < pattern.count, "imxa-".utf8.contains(pattern[end]) { end += 1 }
        guard end < pattern.count, end > position,
            pattern[end] == UInt8(ascii: ")") || pattern[end] == UInt8(ascii: ":")
        else { return }
        output += pattern[position..<end].map { $0 == UInt8(ascii: "m") ? UInt8(ascii: "s") : $0 }
        position = end
    }

    /// Translates the escape at `position`, a backslash. In a class, a negated set cannot stand among its items and
    /// goes to the operand's alternatives.
    private mutating func escape(in operand: inout ClassOperand) {
        switch peek(1) {
        case UInt8(ascii: "b"): operand.items += "\\b"
        case UInt8(ascii: "s"): operand.items += Self.whitespace
        case UInt8(ascii: "S"): operand.alternatives.append("[^\(Self.whitespace)]")
        case UInt8(ascii: "w"): operand.items += Self.word
        case UInt8(ascii: "W"): operand.alternatives.append("[^\(Self.word)]")
        case UInt8(ascii: "h"): operand.items += Self.hexadecimal
        case UInt8(ascii: "H"): operand.alternatives.append("[^\(Self.hexadecimal)]")
        case UInt8(ascii: "d"): operand.items += UnicodeProperty.digit.items
        case UInt8(ascii: "D"): operand.alternatives.append(UnicodeProperty.digit.text(isNegated: true))
        case UInt8(ascii: "p"), UInt8(ascii: "P"):
            guard let (property, isNegated) = property() else {
                operand.items += escape()
                return
            }
            operand.add(property, isNegated: isNegated)
            return
        default:
            operand.items += escape()
            return
        }
        position += 2
    }

    /// Takes the property whose escape is at `position` (`\p{Greek}`, `\P{^L}`); nothing where its name is not known.
    private mutating func property() -> (UnicodeProperty, isNegated: Bool)? {
        guard peek(2) == UInt8(ascii: "{"), let end = pattern[position...].firstIndex(of: UInt8(ascii: "}")) else {
            return nil
        }
        var name = String(decoding: pattern[position + 3..<end], as: UTF8.self)[...]
        var isNegated = peek(1) == UInt8(ascii: "P")
        if name.hasPrefix("^") {
            isNegated.toggle()
            name = name.dropFirst()
        }
        guard let property = UnicodeProperty(named: name) else { return nil }
        position = end + 1
        return (property, isNegated)
    }

    private mutating func escape() -> String {
        guard let letter = peek(1) else {
            position += 1
            return "\\"
        }
        if letter == UInt8(ascii: "p") || letter == UInt8(ascii: "P") {
            if let (property, isNegated) = property() { return property.text(isNegated: isNegated) }
            if peek(2) != UInt8(ascii: "{") {
                // Without a name in braces it is the letter.
                position += 2
                return String(decoding: [letter], as: UTF8.self)
            }
        }
        position += 2
        switch letter {
        case UInt8(ascii: "s"): return "[\(Self.whitespace)]"
        case UInt8(ascii: "S"): return "[^\(Self.whitespace)]"
        case UInt8(ascii: "w"): return "[\(Self.wordOutsideClass)]"
        case UInt8(ascii: "W"): return "[^\(Self.wordOutsideClass)]"
        case UInt8(ascii: "b"): return Self.wordBoundary
        case UInt8(ascii: "B"): return "(?!\(Self.wordBoundary))"
        case UInt8(ascii: "h"): return "[\(Self.hexadecimal)]"
        case UInt8(ascii: "H"): return "[^\(Self.hexadecimal)]"
        case UInt8(ascii: "d"): return UnicodeProperty.digit.text(isNegated: false)
        case UInt8(ascii: "D"): return UnicodeProperty.digit.text(isNegated: true)
        case UInt8(ascii: "u"):
            let digits = pattern[position...].prefix(4)
            guard digits.count == 4, digits.allSatisfy({ isHexDigit($0) }) else { return "\\u" }
            position += 4
            return "\\x{\(String(decoding: digits, as: UTF8.self))}"
        default:
            // The escaped character may take several bytes: copy the first, and the rest follows as it is.
            return String(decoding: [UInt8(ascii: "\\")] + scalar(from: letter), as: UTF8.self)
        }
    }

    private mutating func scalar(from first: UInt8) -> [UInt8] {
        var bytes = [first]
        while let next = peek(0), first >= 0xC0, next & 0xC0 == 0x80 {
            bytes.append(next)
            position += 1
        }
        return bytes
    }

    private func isHexDigit(_ byte: UInt8) -> Bool {
        "0123456789abcdefABCDEF".utf8.contains(byte)
    }

    /// Translates the class at `position`. `items` is what stands inside where the class is a plain positive one.
    private mutating func characterClass(depth: Int) throws -> (text: String, items: String?) {
        let start = position
        guard depth < Self.maximumNesting else { throw failure(start, "classes nest too deeply") }
        position += 1
        let isNegated = peek(0) == UInt8(ascii: "^")
        if isNegated { position += 1 }
        var operands: [ClassOperand] = []
        var current = ClassOperand()
        var isFirst = true
        while true {
            guard let byte = peek(0) else { throw failure(start, "missing terminating ] for character class") }
            if byte == UInt8(ascii: "]"), !isFirst { break }
            isFirst = false
            if byte == UInt8(ascii: "&"), peek(1) == UInt8(ascii: "&") {
                position += 2
                operands.append(current)
                current = ClassOperand()
            } else if byte == UInt8(ascii: "["), let end = posixClassEnd() {
                let (property, isNegated) = try posixClass(upTo: end)
                current.add(property, isNegated: isNegated)
                position = end
            } else if byte == UInt8(ascii: "[") {
                let nested = try characterClass(depth: depth + 1)
                if let items = nested.items {
                    current.items += items
                } else {
                    current.alternatives.append(nested.text)
                }
            } else if byte == UInt8(ascii: "\\") {
                escape(in: &current)
            } else {
                position += 1
                current.items += String(decoding: scalar(from: byte), as: UTF8.self)
            }
        }
        position += 1
        operands.append(current)
        return combine(operands, isNegated: isNegated)
    }

    private struct ClassOperand {
        var items = ""
        /// Nested classes that cannot be spelled as items.
        var alternatives: [String] = []

        mutating func add(_ property: UnicodeProperty, isNegated: Bool) {
            if let text = property.itemsInClass(isNegated: isNegated) {
                items += text
            } else {
                alternatives.append(property.text(isNegated: isNegated))
            }
        }

        /// A group that matches one character of the operand.
        var text: String {
            let choices = (items.isEmpty ? [] : ["[\(items)]"]) + alternatives
            return choices.count == 1 ? choices[0] : "(?:\(choices.joined(separator: "|")))"
        }
    }

    private func combine(_ operands: [ClassOperand], isNegated: Bool) -> (text: String, items: String?) {
        if operands.count == 1, operands[0].alternatives.isEmpty {
            let items = operands[0].items
            return isNegated ? ("[^\(items)]", nil) : ("[\(items)]", items)
        }
        let all = operands.dropLast().map { "(?=\($0.text))" }.joined() + (operands.last?.text ?? "")
        return (isNegated ? "(?:(?!\(all))(?s:.))" : "(?:\(all))", nil)
    }

    /// The end of a POSIX class such as `[:alpha:]` at `position`, or nil.
    private func posixClassEnd() -> Int? {
        guard peek(1) == UInt8(ascii: ":") else { return nil }
        var end = position + 2
        while end + 1 < pattern.count, pattern[end] != UInt8(ascii: "]"), end - position < 20 {
            if pattern[end] == UInt8(ascii: ":"), pattern[end + 1] == UInt8(ascii: "]") { return end + 2 }
            end += 1
        }
        return nil
    }

    /// The POSIX class between `position` and `end`.
    private func posixClass(upTo end: Int) throws -> (UnicodeProperty, isNegated: Bool) {
        let name = String(decoding: pattern[position + 2..<end - 2], as: UTF8.self)
        let isNegated = name.hasPrefix("^")
        guard let property = UnicodeProperty.posix(isNegated ? String(name.dropFirst()) : name) else {
            throw failure(position, "unknown POSIX class [:\(name):]")
        }
        return (property, isNegated)
    }

    private func failure(_ offset: Int, _ reason: String) -> TokenizationError {
        .invalidPattern(pattern: source, offset: offset, reason: reason)
    }
}
