/// Well-formed UTF-8, table 3-7 of the Unicode standard.
package enum UTF8Scalar {
    /// The number of bytes of the well-formed sequence that starts at `index`, or 0 where there is none.
    package static func length(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
        let remaining = bytes.count - index
        guard remaining > 0 else { return 0 }
        let first = bytes[index]
        if first < 0x80 { return 1 }
        guard first >= 0xC2, first <= 0xF4, remaining > 1 else { return 0 }
        let second = bytes[index + 1]
        if first < 0xE0 { return second & 0xC0 == 0x80 ? 2 : 0 }
        let range: ClosedRange<UInt8> =
            switch first {
            case 0xE0: 0xA0...0xBF
            case 0xED: 0x80...0x9F
            case 0xF0: 0x90...0xBF
            case 0xF4: 0x80...0x8F
            default: 0x80...0xBF
            }
        guard range.contains(second), remaining > 2, bytes[index + 2] & 0xC0 == 0x80 else { return 0 }
        if first < 0xF0 { return 3 }
        guard remaining > 3, bytes[index + 3] & 0xC0 == 0x80 else { return 0 }
        return 4
    }
}
