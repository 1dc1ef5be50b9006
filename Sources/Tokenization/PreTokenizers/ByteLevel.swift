/// The spelling of bytes as printable characters that GPT-2 began: printable Latin-1 stays, the rest moves to U+0100
/// and on.
enum ByteLevel {
    /// The character of each byte.
    static let characters: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256 as Range<UInt32>).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The UTF-8 of each byte's character, low byte first; the upper half of a one-byte character is 0.
    private static let spellings: [UInt16] = characters.map { scalar in
        scalar < 0x80 ? UInt16(scalar) : UInt16(0xC0 | scalar >> 6) | UInt16(0x80 | scalar & 0x3F) << 8
    }

    /// The byte of each character below U+0144, nil where it stands for none.
    private static let bytes: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = UInt8(byte) }
        return bytes
    }()

    static func spell(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 4)
        for byte in text { append(byte, to: &output) }
        return output
    }

    /// Spells the words of a text, each at its new place.
    static func spell(_ text: ByteBuffer, words: inout [Range<Int>]) -> [UInt8] {
        let total = words.reduce(0) { $0 + $1.count }
        return spellings.withUnsafeBufferPointer { spellings in
            [UInt8](unsafeUninitializedCapacity: total * 2) { output, count in
                var end = 0
                for index in words.indices {
                    let start = end
                    for position in words[index] {
                        let spelling = spellings[Int(text[position])]
                        output[end] = UInt8(truncatingIfNeeded: spelling)
                        end += 1
                        if spelling >= 0x100 {
                            output[end] = UInt8(spelling >> 8)
                            end += 1
                        }
                    }
                    words[index] = start..<end
                }
                count = end
            }
        }
    }

    private static func append(_ byte: UInt8, to output: inout [UInt8]) {
        UTF8Text.append(characters[Int(byte)], to: &output)
    }

    /// Appends the bytes that a token spells; a token with a character that spells none stands for itself.
    static func decode(_ token: ByteBuffer, into output: inout [UInt8]) {
        let start = output.count
        var index = 0
        while index < token.count {
            let (scalar, length) = UTF8Text.decode(token, at: index)
            guard scalar < bytes.count, let byte = bytes[Int(scalar)] else {
                output.removeLast(output.count - start)
                output.append(contentsOf: token)
                return
            }
            output.append(byte)
            index += length
        }
    }
}
