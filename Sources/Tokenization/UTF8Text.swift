typealias ByteBuffer = UnsafeBufferPointer<UInt8>

/// Reading and writing the well-formed UTF-8 that flows through the pipeline.
enum UTF8Text {
    /// The scalar at `index` and its length in bytes. Out of well-formed text, U+FFFD and 1.
    @inline(__always)
    static func decode(_ text: ByteBuffer, at index: Int) -> (scalar: UInt32, length: Int) {
        let first = UInt32(text[index])
        if first < 0x80 { return (first, 1) }
        return decodeMultibyte(text, at: index, first: first)
    }

    @inline(never)
    private static func decodeMultibyte(_ text: ByteBuffer, at index: Int, first: UInt32) -> (UInt32, Int) {
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        guard first >= 0xC2, index + length <= text.count else { return (0xFFFD, 1) }
        let second = UInt32(text[index + 1] & 0x3F)
        if length == 2 { return ((first & 0x1F) << 6 | second, 2) }
        let third = UInt32(text[index + 2] & 0x3F)
        if length == 3 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
        return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(text[index + 3] & 0x3F), 4)
    }

    /// The start of the scalar that ends before `index` (which is above 0).
    static func previousStart(_ text: ByteBuffer, before index: Int) -> Int {
        var start = index - 1
        while start > 0, index - start < 4, text[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    /// Appends the UTF-8 of a scalar value.
    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        switch scalar {
        case 0..<0x80: bytes.append(UInt8(scalar))
        case 0x80..<0x800:
            bytes.append(UInt8(0xC0 | scalar >> 6))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        case 0x800..<0x10000:
            bytes.append(UInt8(0xE0 | scalar >> 12))
            bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        default:
            bytes.append(UInt8(0xF0 | scalar >> 18 & 0x07))
            bytes.append(UInt8(0x80 | scalar >> 12 & 0x3F))
            bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        }
    }

    /// The number of scalars in well-formed text.
    static func scalarCount(_ text: ByteBuffer) -> Int {
        text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
    }

    static func isASCII(_ text: ByteBuffer) -> Bool {
        text.allSatisfy { $0 < 0x80 }
    }
}

extension Array where Element == UInt8 {
    /// Whether these bytes start with `prefix`.
    func hasPrefix(_ prefix: [UInt8]) -> Bool {
        count >= prefix.count && self[0..<prefix.count].elementsEqual(prefix)
    }
}
