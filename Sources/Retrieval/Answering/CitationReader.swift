/// Finds `[3]`, `[1][2]` and `[1, 2]` in a text that arrives in pieces.
public struct CitationReader: Sendable {
    public enum Piece: Sendable, Hashable {
        case text(String)
        /// Numbers in brackets, and how they were written.
        case citation(numbers: [Int], spelling: String)
    }

    /// A bracket that is longer than this is taken as text, so that no text is held back for long.
    private static let longest = 32
    /// A bracket that is still open.
    private var held = ""

    public init() {}

    /// Takes the next piece of the text. A bracket that is still open is held back until the next call.
    public mutating func read(_ text: String) -> [Piece] {
        var pieces: [Piece] = []
        var plain = ""
        for character in text {
            if held.isEmpty {
                if character == "[" { held = "[" } else { plain.append(character) }
                continue
            }
            held.append(character)
            if character == "]" {
                if let numbers = CitationReader.numbers(held) {
                    if !plain.isEmpty { pieces.append(.text(plain)) }
                    pieces.append(.citation(numbers: numbers, spelling: held))
                    plain = ""
                } else {
                    plain += held
                }
                held = ""
            } else if character == "[" {
                plain += held.dropLast()
                held = "["
            } else if held.utf8.count > CitationReader.longest || !CitationReader.isInside(character) {
                plain += held
                held = ""
            }
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
        return pieces
    }

    /// What is left at the end of the text.
    public mutating func finish() -> [Piece] {
        defer { held = "" }
        return held.isEmpty ? [] : [.text(held)]
    }

    private static func isInside(_ character: Character) -> Bool {
        ("0"..."9").contains(character) || character == "," || character == ";" || character == " "
    }

    /// `nil` where the bracket holds no numbers.
    private static func numbers(_ bracket: String) -> [Int]? {
        let parts = bracket.dropFirst().dropLast().split { $0 == "," || $0 == ";" || $0 == " " }
        let numbers = parts.compactMap { Int($0) }
        return numbers.count == parts.count && !numbers.isEmpty ? numbers : nil
    }
}
