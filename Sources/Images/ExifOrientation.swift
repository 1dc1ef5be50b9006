/// The orientation that EXIF gives an image: tag 0x0112 of the first directory.
enum ExifOrientation {
    /// - Returns: `nil` where the file says nothing, or nothing that can be read.
    static func find(in bytes: [UInt8], isPNG: Bool) -> Int? {
        guard let exif = isPNG ? pngChunk(bytes) : jpegSegment(bytes) else { return nil }
        return orientation(bytes[exif])
    }

    /// The contents of the `eXIf` chunk.
    private static func pngChunk(_ bytes: [UInt8]) -> Range<Int>? {
        var position = 8
        while position + 12 <= bytes.count {
            let length =
                Int(bytes[position]) << 24 | Int(bytes[position + 1]) << 16 | Int(bytes[position + 2]) << 8
                | Int(bytes[position + 3])
            guard length <= bytes.count - position - 12 else { return nil }
            if bytes[position + 4..<position + 8].elementsEqual("eXIf".utf8) {
                return position + 8..<position + 8 + length
            }
            position += 12 + length
        }
        return nil
    }

    /// What is behind `Exif`, 0, 0 in the first APP1 segment that begins so, before the image's data.
    private static func jpegSegment(_ bytes: [UInt8]) -> Range<Int>? {
        var position = 2
        while position + 4 <= bytes.count, bytes[position] == 0xFF {
            let marker = bytes[position + 1]
            // Fill bytes stand before markers; the scan ends the headers.
            if marker == 0xFF {
                position += 1
                continue
            }
            if marker == 0xDA || marker == 0xD9 { return nil }
            if marker == 0x01 || (0xD0...0xD7).contains(marker) {
                position += 2
                continue
            }
            let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
            guard length >= 2, position + 2 + length <= bytes.count else { return nil }
            let contents = position + 4..<position + 2 + length
            if marker == 0xE1, bytes[contents].starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) {
                return contents.lowerBound + 6..<contents.upperBound
            }
            position += 2 + length
        }
        return nil
    }

    /// The tag of a TIFF structure: byte order, 42, the offset of the directory, and its entries of 12 bytes.
    private static func orientation(_ tiff: ArraySlice<UInt8>) -> Int? {
        let isLittle = tiff.starts(with: [0x49, 0x49, 0x2A, 0])
        guard isLittle || tiff.starts(with: [0x4D, 0x4D, 0, 0x2A]) else { return nil }
        func number(at offset: Int, _ count: Int) -> Int? {
            guard offset >= 0, offset <= tiff.count - count else { return nil }
            let part = tiff[tiff.startIndex + offset..<tiff.startIndex + offset + count]
            return (isLittle ? Array(part.reversed()) : Array(part)).reduce(0) { $0 << 8 | Int($1) }
        }
        guard let directory = number(at: 4, 4), let count = number(at: directory, 2) else { return nil }
        for index in 0..<count {
            let entry = directory + 2 + 12 * index
            guard let tag = number(at: entry, 2) else { return nil }
            if tag == 0x0112 {
                guard number(at: entry + 2, 2) == 3 else { return nil }
                return number(at: entry + 8, 2)
            }
        }
        return nil
    }
}
