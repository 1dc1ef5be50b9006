import CommandSupport
import JSONCore

/// The lines of a text that holds one JSON value a line, with their numbers from 1. A last newline ends the last line and
/// starts no new one; carriage returns and blank lines are JSON's business.
struct JSONLines: Sequence {
    private let lines: [Substring]

    init(_ text: String) {
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map(Substring.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
        self.lines = lines
    }

    func makeIterator() -> AnyIterator<(number: Int, line: String)> {
        var index = 0
        return AnyIterator {
            guard index < lines.count else { return nil }
            defer { index += 1 }
            return (index + 1, String(lines[index]))
        }
    }

    /// The JSON string on a line.
    /// - Throws: `JSONError` or ``InputError/invalidLine(name:line:reason:)``.
    static func string(_ line: String, number: Int, name: String) throws -> String {
        let value = try JSONDocument(parsing: line, source: "\(name), line \(number)").root
        guard let string = value.string else {
            throw InputError.invalidLine(
                name: name, line: number, reason: "expected a JSON string, found \(value.kind.name)")
        }
        return string
    }

    /// `string` as JSON.
    static func string(_ string: String) -> String {
        var writer = JSONWriter()
        writer.value(string)
        return writer.text
    }

    /// `ids` as a JSON array.
    static func array(_ ids: [Int]) -> String {
        var writer = JSONWriter()
        writer.value(ids)
        return writer.text
    }
}

/// Token ids as people and scripts write them.
enum TokenIDs {
    /// Parses `1,2 3` or `[1, 2, 3]`.
    /// - Throws: ``CommandError/invalidIDs(name:found:)`` naming the first part that is no id.
    static func parse(_ text: String, name: String) throws -> [Int] {
        let trimmed = text.drop { $0.isWhitespace }
        guard trimmed.first == "[" else {
            return try text.split { $0 == "," || $0.isWhitespace }.map { try id(String($0), name: name) }
        }
        let value = try JSONDocument(parsing: text, source: name).root
        guard let elements = value.array else {
            throw CommandError.invalidIDs(name: name, found: value.kind.name)
        }
        return try elements.map { element in
            guard let id = element.int, id >= 0 else {
                throw CommandError.invalidIDs(name: name, found: element.int.map(String.init) ?? element.kind.name)
            }
            return id
        }
    }

    private static func id(_ part: String, name: String) throws -> Int {
        guard let id = Int(part), id >= 0 else {
            throw CommandError.invalidIDs(name: name, found: String(part.prefix(40)))
        }
        return id
    }
}
