/// Normalizers that look at one character at a time.
enum ScalarRewriting {
    /// Full lower-casing of each character by itself (no final sigma), as Rust's `char::to_lowercase`.
    static func lowercase(_ text: inout [UInt8]) {
        rewrite(&text) { scalar, output in
            if scalar < 0x80 {
                let isUpper = scalar &- 0x41 < 26
                output.append(UInt8(scalar) | (isUpper ? 0x20 : 0))
            } else if let scalar = Unicode.Scalar(scalar) {
                output.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
            }
        }
    }

    /// Removes the marks of some classes.
    static func removeMarks(_ classes: UnicodeClasses, from text: inout [UInt8]) {
        guard text.contains(where: { $0 >= 0x80 }) else { return }
        UnicodeClasses.withTable { table in
            rewrite(&text) { scalar, output in
                guard UnicodeClasses.of(scalar, table).isDisjoint(with: classes) else { return }
                UTF8Text.append(scalar, to: &output)
            }
        }
    }

    /// BERT's clean-up: NUL, U+FFFD and control characters go; every kind of whitespace becomes a space.
    static func cleanAsBERT(_ text: inout [UInt8]) {
        UnicodeClasses.withTable { table in
            rewrite(&text) { scalar, output in
                if scalar == 0x09 || scalar == 0x0A || scalar == 0x0D {
                    output.append(0x20)
                    return
                }
                let classes = UnicodeClasses.of(scalar, table)
                if scalar == 0 || scalar == 0xFFFD || classes.contains(.other) { return }
                if classes.contains(.whitespace) {
                    output.append(0x20)
                } else {
                    UTF8Text.append(scalar, to: &output)
                }
            }
        }
    }

    static func separateIdeographs(_ text: inout [UInt8]) {
        guard text.contains(where: { $0 >= 0xE3 }) else { return }
        rewrite(&text) { scalar, output in
            let isIdeograph = isIdeograph(scalar)
            if isIdeograph { output.append(0x20) }
            UTF8Text.append(scalar, to: &output)
            if isIdeograph { output.append(0x20) }
        }
    }

    /// The ranges of BERT's original code.
    private static func isIdeograph(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    /// SentencePiece's `nmt` rules: some control characters go, others become spaces.
    static func cleanAsNMT(_ text: inout [UInt8]) {
        rewrite(&text) { scalar, output in
            switch scalar {
            case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
                output.append(0x20)
            default: UTF8Text.append(scalar, to: &output)
            }
        }
    }

    @inline(__always)
    private static func rewrite(_ text: inout [UInt8], _ body: (UInt32, inout [UInt8]) -> Void) {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                let (scalar, length) = UTF8Text.decode(buffer, at: index)
                body(scalar, &output)
                index += length
            }
        }
        text = output
    }
}
