/// The sets of characters that regular expressions name.
enum RegexClasses {
    static let digits = ScalarSet(0x30...0x39)
    static let wordCharacters = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    /// ECMA-262's white space and line terminators.
    static let spaces = ScalarSet([
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
        0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ])

    /// A general category by its short name, such as `Lu`, or a group of them, such as `L`.
    static func category(_ name: String) -> ScalarSet? {
        let wanted = name.hasPrefix("gc=") ? String(name.dropFirst(3)) : longNames[name] ?? name
        let categories = Set(categoryNames.filter { $0.value.hasPrefix(wanted) }.keys)
        guard !categories.isEmpty, (1...2).contains(wanted.utf8.count) else { return nil }
        var ranges: [ClosedRange<UInt32>] = []
        var start: UInt32?
        for value in UInt32(0)...0x110000 {
            let isMember =
                Unicode.Scalar(value).map { categories.contains($0.properties.generalCategory) } ?? false
            if isMember, start == nil { start = value }
            if !isMember, let first = start {
                ranges.append(first...value - 1)
                start = nil
            }
        }
        return ScalarSet(ranges)
    }

    private static let longNames = [
        "Letter": "L", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Number": "N", "Decimal_Number": "Nd",
        "digit": "Nd", "Punctuation": "P", "Symbol": "S", "Separator": "Z", "Mark": "M", "Other": "C",
    ]

    private static let categoryNames: [Unicode.GeneralCategory: String] = [
        .uppercaseLetter: "Lu", .lowercaseLetter: "Ll", .titlecaseLetter: "Lt", .modifierLetter: "Lm",
        .otherLetter: "Lo", .nonspacingMark: "Mn", .spacingMark: "Mc", .enclosingMark: "Me", .decimalNumber: "Nd",
        .letterNumber: "Nl", .otherNumber: "No", .connectorPunctuation: "Pc", .dashPunctuation: "Pd",
        .openPunctuation: "Ps", .closePunctuation: "Pe", .initialPunctuation: "Pi", .finalPunctuation: "Pf",
        .otherPunctuation: "Po", .mathSymbol: "Sm", .currencySymbol: "Sc", .modifierSymbol: "Sk", .otherSymbol: "So",
        .spaceSeparator: "Zs", .lineSeparator: "Zl", .paragraphSeparator: "Zp", .control: "Cc", .format: "Cf",
        .surrogate: "Cs", .privateUse: "Co", .unassigned: "Cn",
    ]
}
