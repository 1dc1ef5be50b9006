/// A regular language over bytes, which the matcher follows with one deterministic automaton that is built lazily. A
/// text is in it if all parts that are not excluded match and no excluded part does.
package struct Lexeme: Sendable {
    struct Part: Sendable {
        var automaton: NFA
        var isExcluded = false
    }

    enum Frame: Sendable {
        /// The parts match the bytes as they are.
        case none
        /// A JSON string in quotation marks, with the number of its characters; the parts match what is between the
        /// marks.
        case jsonString(minimum: Int, maximum: Int?)
    }

    var frame = Frame.none
    var parts: [Part]
    /// Whether the lexeme ends as soon as it can.
    var endsEarly = false
    /// Whether this is free text, in which control tokens may stand.
    var isFree = false

    init(frame: Frame = .none, parts: [Part], endsEarly: Bool = false, isFree: Bool = false) {
        self.frame = frame
        self.parts = parts
        self.endsEarly = endsEarly
        self.isFree = isFree
    }

    init(_ automaton: NFA) { self.init(parts: [Part(automaton: automaton)]) }

    /// Whether a set of states that is not empty may still have no way to the end. That may be where more than one part
    /// decides.
    var needsSearch: Bool {
        switch frame {
        case .none: parts.count > 1 || parts.contains { $0.isExcluded }
        case .jsonString(let minimum, let maximum):
            parts.count > 1 || parts.contains { $0.isExcluded } || (!parts.isEmpty && (minimum > 0 || maximum != nil))
        }
    }
}

/// The bytes of a JSON string in quotation marks (RFC 8259), as a deterministic automaton. Surrogates come in pairs.
enum JSONStringScanner {
    typealias State = Int32
    static let start: State = 0
    static let body: State = 1
    static let end: State = 2
    private static let escape: State = 3
    /// After `\u`: 3, 2 or 1 more hexadecimal digits follow, after the first one or more were read.
    private static let unicode: State = 4
    private static let threeDigits: State = 5
    private static let twoDigits: State = 6
    private static let oneDigit: State = 7
    /// After `\uD`.
    private static let surrogateRow: State = 8
    private static let highTwoDigits: State = 9
    private static let highOneDigit: State = 10
    private static let lowBackslash: State = 11
    private static let lowU: State = 12
    private static let lowD: State = 13
    private static let lowRow: State = 14
    /// Inside a character: so many continuation bytes follow.
    private static let oneByte: State = 15
    private static let twoBytes: State = 16
    private static let threeBytes: State = 17
    private static let afterE0: State = 18
    private static let afterED: State = 19
    private static let afterF0: State = 20
    private static let afterF4: State = 21

    /// - Returns: nil where no string continues with this byte.
    static func step(_ state: State, _ byte: UInt8) -> State? {
        switch state {
        case start: return byte == 0x22 ? body : nil
        case body: return fromBody(byte)
        case escape:
            switch byte {
            case 0x75: return unicode
            case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return body
            default: return nil
            }
        case unicode:
            guard isHex(byte) else { return nil }
            return byte | 0x20 == 0x64 ? surrogateRow : threeDigits
        case threeDigits: return isHex(byte) ? twoDigits : nil
        case twoDigits: return isHex(byte) ? oneDigit : nil
        case oneDigit: return isHex(byte) ? body : nil
        case surrogateRow:
            if (0x30...0x37).contains(byte) { return twoDigits }
            return isHighRow(byte) ? highTwoDigits : nil
        case highTwoDigits: return isHex(byte) ? highOneDigit : nil
        case highOneDigit: return isHex(byte) ? lowBackslash : nil
        case lowBackslash: return byte == 0x5C ? lowU : nil
        case lowU: return byte == 0x75 ? lowD : nil
        case lowD: return byte | 0x20 == 0x64 ? lowRow : nil
        case lowRow: return (0x63...0x66).contains(byte | 0x20) ? twoDigits : nil
        case oneByte: return isContinuation(byte) ? body : nil
        case twoBytes: return isContinuation(byte) ? oneByte : nil
        case threeBytes: return isContinuation(byte) ? twoBytes : nil
        case afterE0: return (0xA0...0xBF).contains(byte) ? oneByte : nil
        case afterED: return (0x80...0x9F).contains(byte) ? oneByte : nil
        case afterF0: return (0x90...0xBF).contains(byte) ? twoBytes : nil
        case afterF4: return (0x80...0x8F).contains(byte) ? twoBytes : nil
        default: return nil
        }
    }

    private static func fromBody(_ byte: UInt8) -> State? {
        switch byte {
        case 0x22: end
        case 0x5C: escape
        case 0x20...0x7F: body
        case 0xC2...0xDF: oneByte
        case 0xE0: afterE0
        case 0xED: afterED
        case 0xE1...0xEF: twoBytes
        case 0xF0: afterF0
        case 0xF1...0xF3: threeBytes
        case 0xF4: afterF4
        default: nil
        }
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
    }

    private static func isHighRow(_ byte: UInt8) -> Bool {
        byte == 0x38 || byte == 0x39 || byte | 0x20 == 0x61 || byte | 0x20 == 0x62
    }

    private static func isContinuation(_ byte: UInt8) -> Bool { (0x80...0xBF).contains(byte) }

    /// Marks the bytes at which ranges begin that some state distinguishes.
    static func markBoundaries(_ boundaries: inout [Bool]) {
        for byte in rangeStarts { boundaries[byte] = true }
    }

    private static let rangeStarts = (1...255).filter { byte in
        (start...afterF4).contains { step($0, UInt8(byte - 1)) != step($0, UInt8(byte)) }
    }
}
