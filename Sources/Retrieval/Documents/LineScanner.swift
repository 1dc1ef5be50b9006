/// The lines of a text by their bytes, without their ends.
package struct LineScanner: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var start = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package mutating func next() -> (range: Range<Int>, text: ArraySlice<UInt8>)? {
        guard start < bytes.count else { return nil }
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        defer { start = end + 1 }
        let isWindows = end > start && bytes[end - 1] == UInt8(ascii: "\r")
        let range = start..<(isWindows ? end - 1 : end)
        return (range, bytes[range])
    }
}

/// The headings above a place in a document.
package struct HeadingStack {
    private var entries: [(level: Int, title: String)] = []

    package var titles: [String] { entries.map(\.title) }

    package mutating func push(level: Int, title: String) {
        entries.removeAll { $0.level >= level }
        if !title.isEmpty { entries.append((level, title)) }
    }
}

extension ArraySlice<UInt8> {
    /// The bytes as text, without space at both ends.
    package var trimmedText: String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        let start = firstIndex { !isSpace($0) } ?? endIndex
        let end = lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
        return String(decoding: self[start..<Swift.max(start, end)], as: UTF8.self)
    }
}
