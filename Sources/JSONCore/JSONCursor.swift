/// A place on the tape without ownership: valid only inside ``JSONValue/withCursor(_:)``. It costs no reference count,
/// so vocabularies of hundreds of thousands of entries are walked at memory speed.
package struct JSONCursor {
    let bytes: UnsafeBufferPointer<UInt8>
    let nodes: UnsafeBufferPointer<JSONNode>
    package let index: Int

    package var kind: JSONKind { nodes[index].kind }

    /// Elements or members of a container.
    package var count: Int { Int(nodes[index].length) }

    /// The first element of an array, or the first key of an object. Only for containers with a `count` above 0.
    package var firstChild: JSONCursor { JSONCursor(bytes: bytes, nodes: nodes, index: index + 1) }

    /// The value after this one. After a key comes its value. Not for the last value of the document.
    package var next: JSONCursor { JSONCursor(bytes: bytes, nodes: nodes, index: Int(nodes[index].next)) }

    /// The bytes of the text as they stand: of a string without its quotes.
    package var rawText: UnsafeBufferPointer<UInt8> {
        let start = Int(nodes[index].offset)
        return UnsafeBufferPointer(rebasing: bytes[start..<start + Int(nodes[index].length)])
    }

    /// The integer, where this is one that fits.
    package var int: Int? {
        guard kind == .integer else { return nil }
        var value = 0
        let text = rawText
        let isNegative = text.first == UInt8(ascii: "-")
        for byte in text.dropFirst(isNegative ? 1 : 0) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = Int(byte - UInt8(ascii: "0"))
            let (sum, carry) = product.addingReportingOverflow(isNegative ? -digit : digit)
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// Calls `body` with the decoded UTF-8 of a string (a key, or a value of kind `.string`).
    package func withString<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        guard nodes[index].hasEscapes else { return try body(rawText) }
        return try decodeEscapes(rawText).withUnsafeBufferPointer(body)
    }

    /// Decodes escapes that the parser has checked.
    private func decodeEscapes(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            guard text[position] == UInt8(ascii: "\\") else {
                decoded.append(text[position])
                position += 1
                continue
            }
            let escape = text[position + 1]
            position += 2
            switch escape {
            case UInt8(ascii: "b"): decoded.append(0x08)
            case UInt8(ascii: "f"): decoded.append(0x0C)
            case UInt8(ascii: "n"): decoded.append(0x0A)
            case UInt8(ascii: "r"): decoded.append(0x0D)
            case UInt8(ascii: "t"): decoded.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = hexUnit(text, at: position)
                position += 4
                if scalar & 0xFC00 == 0xD800 {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (hexUnit(text, at: position + 2) & 0x3FF)
                    position += 6
                }
                if let scalar = Unicode.Scalar(scalar) { decoded.append(contentsOf: UTF8.encode(scalar) ?? .init()) }
            default: decoded.append(escape)
            }
        }
        return decoded
    }

    private func hexUnit(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 << 4 | (hexDigitValue(text[position + $1]) ?? 0) }
    }
}
