internal import CUTF8Proc

/// Unicode classes of scalars, as bits. Whitespace is the White_Space property, words are what UTS #18 calls so.
struct UnicodeClasses: OptionSet {
    let rawValue: UInt8

    static let letter = UnicodeClasses(rawValue: 1)
    static let number = UnicodeClasses(rawValue: 2)
    static let whitespace = UnicodeClasses(rawValue: 4)
    /// `\w` of the regex crate: alphabetic, marks, decimal digits, connector punctuation, joiners.
    static let word = UnicodeClasses(rawValue: 8)
    static let punctuation = UnicodeClasses(rawValue: 16)
    static let nonspacingMark = UnicodeClasses(rawValue: 32)
    /// Control, format, private use.
    static let other = UnicodeClasses(rawValue: 64)

    /// The classes of the Basic Multilingual Plane, by code point.
    static let basicPlane: [UInt8] = (0..<0x10000).map { compute(UInt32($0)).rawValue }

    /// The classes of one scalar.
    @inline(__always)
    static func of(_ scalar: UInt32, _ basicPlane: UnsafePointer<UInt8>) -> UnicodeClasses {
        scalar < 0x10000 ? UnicodeClasses(rawValue: basicPlane[Int(scalar)]) : compute(scalar)
    }

    /// Calls `body` with the table that ``of(_:_:)`` wants.
    static func withTable<R>(_ body: (UnsafePointer<UInt8>) throws -> R) rethrows -> R {
        try basicPlane.withUnsafeBufferPointer { table in
            guard let base = table.baseAddress else { preconditionFailure("the class table is never empty") }
            return try body(base)
        }
    }

    private static func compute(_ scalar: UInt32) -> UnicodeClasses {
        var classes: UnicodeClasses = isWhitespace(scalar) ? .whitespace : []
        switch utf8proc_category(utf8proc_int32_t(bitPattern: scalar)) {
        case UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LM,
            UTF8PROC_CATEGORY_LO:
            classes.formUnion([.letter, .word])
        case UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL: classes.formUnion([.number, .word])
        case UTF8PROC_CATEGORY_NO: classes.insert(.number)
        case UTF8PROC_CATEGORY_MN: classes.formUnion([.nonspacingMark, .word])
        case UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME: classes.insert(.word)
        case UTF8PROC_CATEGORY_PC: classes.formUnion([.punctuation, .word])
        case UTF8PROC_CATEGORY_PD, UTF8PROC_CATEGORY_PS, UTF8PROC_CATEGORY_PE, UTF8PROC_CATEGORY_PI,
            UTF8PROC_CATEGORY_PF, UTF8PROC_CATEGORY_PO:
            classes.insert(.punctuation)
        case UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CO: classes.insert(.other)
        default: break
        }
        if isOtherAlphabeticSymbol(scalar) || scalar == 0x200C || scalar == 0x200D { classes.insert(.word) }
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
