/// What can go wrong while reading or writing JSON. Every description is one line that names the place and the remedy.
public enum JSONError: Error, Equatable, Sendable {
    /// The text is not JSON (RFC 8259): where it stops being so and what was expected there.
    case syntax(source: String, offset: Int, line: Int, column: Int, expected: String, found: String)
    /// The text is longer than this reader addresses (4 GiB).
    case tooLarge(source: String, byteCount: Int)
    /// An object lacks a member.
    case missingKey(source: String, path: String)
    /// A value is of another kind than the caller needs.
    case typeMismatch(source: String, path: String, expected: String, found: String)
    /// A number does not fit the type that the caller needs.
    case numberOutOfRange(source: String, path: String, text: String, type: String)
    /// A number that JSON cannot express (NaN or an infinity) was to be written.
    case nonFiniteNumber(Double)
}

extension JSONError: CustomStringConvertible {
    public var description: String { JSONError.singleLine(text) }

    /// A text with its control characters (newlines among them) written as escapes, so that an error stays one line. Of a line
    /// that a file or a request made too long, the beginning and the end.
    package static func singleLine(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let line =
            scalars.count <= longestLine
            ? text : String(scalars.prefix(longestLine - lineEnd)) + " … " + String(scalars.suffix(lineEnd))
        guard line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return line }
        return line.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }.joined()
    }

    /// Characters of a line, and those of its end that are kept of a longer one.
    private static let longestLine = 2_000
    private static let lineEnd = 300

    private var text: String {
        switch self {
        case .syntax(let source, let offset, let line, let column, let expected, let found):
            "\(source): invalid JSON at line \(line), column \(column) (byte \(offset)): "
                + "expected \(expected), found \(found)"
        case .tooLarge(let source, let byteCount):
            "\(source): \(byteCount) bytes of JSON are more than the 4 GiB that can be read"
        case .missingKey(let source, let path):
            "\(source): missing key \(path)"
        case .typeMismatch(let source, let path, let expected, let found):
            "\(source): \(path) must be \(expected), found \(found)"
        case .numberOutOfRange(let source, let path, let text, let type):
            "\(source): \(path) is \(text), which does not fit \(type)"
        case .nonFiniteNumber(let number):
            "the number \(number) cannot be written as JSON; only finite numbers can"
        }
    }
}
