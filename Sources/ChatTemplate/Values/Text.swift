/// A string as Python has it: a sequence of code points, compared by code point. `String` would compare by canonical
/// equivalence and has no constant-time index.
struct Text: Sendable {
    var scalars: [Unicode.Scalar]
    /// Whether this is markup that `escape` leaves alone (`markupsafe.Markup`).
    var isMarkup = false

    init(_ scalars: [Unicode.Scalar], isMarkup: Bool = false) {
        self.scalars = scalars
        self.isMarkup = isMarkup
    }

    init(_ scalars: ArraySlice<Unicode.Scalar>) { self.scalars = Array(scalars) }
    init(_ string: String) { scalars = Array(string.unicodeScalars) }

    var count: Int { scalars.count }
    var isEmpty: Bool { scalars.isEmpty }

    var string: String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    func hasPrefix(_ other: Text) -> Bool { scalars.starts(with: other.scalars) }
    func hasSuffix(_ other: Text) -> Bool {
        scalars.count >= other.count && scalars[(scalars.count - other.count)...].elementsEqual(other.scalars)
    }
}

extension Text: Hashable, Comparable, ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self.init(value) }
    static func == (left: Text, right: Text) -> Bool { left.scalars == right.scalars }
    static func < (left: Text, right: Text) -> Bool { left.scalars.lexicographicallyPrecedes(right.scalars) }
    func hash(into hasher: inout Hasher) { hasher.combine(scalars) }
}

extension Unicode.Scalar {
    /// `str.isspace` of Python: white space and the four separators of ASCII.
    var isPythonSpace: Bool {
        value < 0x80
            ? value == 0x20 || (0x09...0x0D).contains(value) || (0x1C...0x1F).contains(value)
            : properties.isWhitespace
    }

    /// What `str.splitlines` ends a line at.
    var isPythonLineBreak: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// `\w` of Python's `re`.
    var isPythonWord: Bool {
        if value < 0x80 { return isASCIILetter || isASCIIDigit || self == "_" }
        return isPythonAlpha || isPythonNumeric
    }

    var isASCIIDigit: Bool { (0x30...0x39).contains(value) }
    var isASCIILetter: Bool { (0x41...0x5A).contains(value & ~0x20) }

    var isPythonAlpha: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    var isPythonNumeric: Bool { properties.numericType != nil }
    var isPythonDecimal: Bool { properties.generalCategory == .decimalNumber }

    /// `str.isprintable` of Python, for one character.
    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }
}
