/// Unicode classes of scalars, as bits. Whitespace is the White_Space property, words are what UTS #18 calls so.
///
/// Some classes stop at an old version of Unicode, because the tables of the reference library do: BERT's
/// vocabularies were applied with those.
struct UnicodeClasses: OptionSet {
    let rawValue: UInt16

    static let letter = UnicodeClasses(rawValue: 1)
    static let number = UnicodeClasses(rawValue: 2)
    static let whitespace = UnicodeClasses(rawValue: 4)
    /// `\w` of the regex crate: alphabetic, marks, decimal digits, connector punctuation, joiners.
    static let word = UnicodeClasses(rawValue: 8)
    /// Punctuation as of Unicode 8.
    static let punctuation = UnicodeClasses(rawValue: 16)
    /// Non-spacing marks as of Unicode 8.
    static let nonspacingMark = UnicodeClasses(rawValue: 32)
    /// Control, format and private use as of Unicode 8.
    static let other = UnicodeClasses(rawValue: 64)
    /// Marks of all kinds as of Unicode 9.
    static let mark = UnicodeClasses(rawValue: 128)
    /// Assigned after Unicode 9, or not at all.
    static let newerThanUnicode9 = UnicodeClasses(rawValue: 256)

    /// The classes of the Basic Multilingual Plane, by code point.
    static let basicPlane: [UInt16] = (0..<0x10000).map { compute(UInt32($0)).rawValue }

    /// The classes of one scalar.
    @inline(__always)
    static func of(_ scalar: UInt32, _ basicPlane: UnsafePointer<UInt16>) -> UnicodeClasses {
        scalar < 0x10000 ? UnicodeClasses(rawValue: basicPlane[Int(scalar)]) : compute(scalar)
    }

    /// Calls `body` with the table that ``of(_:_:)`` wants.
    static func withTable<R>(_ body: (UnsafePointer<UInt16>) throws -> R) rethrows -> R {
        try basicPlane.withUnsafeBufferPointer { table in
            guard let base = table.baseAddress else { preconditionFailure("the class table is never empty") }
            return try body(base)
        }
    }

    private static func compute(_ value: UInt32) -> UnicodeClasses {
        guard let scalar = Unicode.Scalar(value) else { return [] }
        var classes: UnicodeClasses = isWhitespace(value) ? .whitespace : []
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            classes.formUnion([.letter, .word])
        case .decimalNumber, .letterNumber: classes.formUnion([.number, .word])
        case .otherNumber: classes.insert(.number)
        case .nonspacingMark: classes.formUnion([.nonspacingMark, .mark, .word])
        case .spacingMark, .enclosingMark: classes.formUnion([.mark, .word])
        case .connectorPunctuation: classes.formUnion([.punctuation, .word])
        case .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation:
            classes.insert(.punctuation)
        case .control, .format, .privateUse: classes.insert(.other)
        default: break
        }
        if isOtherAlphabeticSymbol(value) || value == 0x200C || value == 0x200D { classes.insert(.word) }
        return restoreOldClasses(value, scalar, classes)
    }

    private static func restoreOldClasses(
        _ value: UInt32, _ scalar: Unicode.Scalar, _ classes: UnicodeClasses
    ) -> UnicodeClasses {
        var classes = classes
        switch value {
        case 0x166D: classes.insert(.punctuation)
        case 0x111C9:
            classes.subtract([.nonspacingMark, .mark])
            classes.insert(.punctuation)
        case 0x1734: classes.insert(.nonspacingMark)
        case 0x1885, 0x1886, 0xA9BD: classes.remove(.nonspacingMark)
        case 0x1CF2, 0x1CF3: classes.insert(.mark)
        default: break
        }
        let age = scalar.properties.age?.major ?? .max
        if age > 8 { classes.subtract([.punctuation, .nonspacingMark, .other]) }
        if age > 16 { classes.subtract([.letter, .number, .word]) }
        if age > 9 {
            classes.remove(.mark)
            classes.insert(.newerThanUnicode9)
        }
        return classes
    }

    /// The White_Space property; fixed since Unicode 6.3.
    static func isWhitespace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Symbols (category So) that are alphabetic all the same: circled and squared letters.
    private static func isOtherAlphabeticSymbol(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x24B6...0x24E9, 0x1F130...0x1F149, 0x1F150...0x1F169, 0x1F170...0x1F189: true
        default: false
        }
    }
}
