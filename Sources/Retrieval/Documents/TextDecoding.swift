/// The bytes of text files as UTF-8.
package enum TextDecoding {
    /// `nil` where the bytes are no text: they hold zero bytes, or a twentieth and more of them are control characters.
    ///
    /// UTF-8 stays as it is, but for a byte-order mark. UTF-16 is told by its byte-order mark. Anything else is read as
    /// Windows-1252, the encoding that older Western text has.
    package static func text(_ bytes: [UInt8]) -> ExtractedText? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return utf16(bytes) }
        let sample = bytes.prefix(1 << 16)
        let controls = sample.count { $0 < 0x20 && ![0x09, 0x0A, 0x0C, 0x0D, 0x1B].contains($0) }
        guard !sample.contains(0), controls * 20 <= sample.count else { return nil }
        if bytes.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) }) != nil {
            guard bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { return ExtractedText(bytes: bytes) }
            return ExtractedText(
                bytes: Array(bytes.dropFirst(3)), offsets: [.init(text: 0, file: 3)], fileByteCount: bytes.count)
        }
        return windows1252(bytes)
    }

    private static func utf16(_ bytes: [UInt8]) -> ExtractedText? {
        guard bytes.count % 2 == 0 else { return nil }
        let isLittle = bytes[0] == 0xFF
        let units = stride(from: 2, to: bytes.count, by: 2).map { (index: Int) -> UInt16 in
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            return isLittle ? first | second << 8 : second | first << 8
        }
        var text: [UInt8] = []
        var runs: [ExtractedText.OffsetRun] = []
        var file = 2
        for scalar in String(decoding: units, as: UTF16.self).unicodeScalars {
            runs.append(.init(text: text.count, file: file))
            text += Array(String(scalar).utf8)
            file += scalar.value > 0xFFFF ? 4 : 2
        }
        return ExtractedText(bytes: text, offsets: runs, fileByteCount: bytes.count)
    }

    private static func windows1252(_ bytes: [UInt8]) -> ExtractedText {
        // What the upper controls of Latin-1 stand for; the five that are free become U+FFFD.
        let upper: [UInt32] = [
            0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152,
            0xFFFD, 0x017D, 0xFFFD, 0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122,
            0x0161, 0x203A, 0x0153, 0xFFFD, 0x017E, 0x0178,
        ]
        var text: [UInt8] = []
        var runs: [ExtractedText.OffsetRun] = [.init(text: 0, file: 0)]
        for (index, byte) in bytes.enumerated() {
            guard byte >= 0x80 else {
                text.append(byte)
                continue
            }
            let value = byte < 0xA0 ? upper[Int(byte) - 0x80] : UInt32(byte)
            text += Array(String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
            runs.append(.init(text: text.count, file: index + 1))
        }
        return ExtractedText(bytes: text, offsets: runs, fileByteCount: bytes.count)
    }
}
