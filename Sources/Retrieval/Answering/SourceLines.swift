import Glibc

/// Translates bytes of a file to line numbers.
enum SourceLines {
    /// The lines, from 1 on, in which bytes of a file lie. Reads the file as far as the range goes.
    /// - Returns: `nil` where the file is gone, shorter than the range, or has no lines.
    static func lines(of range: Range<Int>, in path: String) -> ClosedRange<Int>? {
        guard !range.isEmpty, DocumentKind(path: path) != .pdf else { return nil }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var (line, offset) = (1, 0)
        var first: Int?
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        // The last byte of the range decides its last line: a newline there still belongs to the line that it ends.
        let last = range.upperBound - 1
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return nil }
            for byte in buffer[..<count] {
                if offset == range.lowerBound { first = line }
                if offset == last { return first.map { $0...line } }
                if byte == UInt8(ascii: "\n") { line += 1 }
                offset += 1
            }
        }
    }
}
