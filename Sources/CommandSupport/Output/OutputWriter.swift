import Glibc

/// Why output could not be written.
package enum OutputError: Error, CustomStringConvertible {
    /// The reader of our standard output went away.
    case closed
    case failed(name: String, reason: String)

    package var description: String {
        switch self {
        case .closed: "standard output was closed"
        case .failed(let name, let reason): "cannot write to \(name): \(reason)"
        }
    }
}

/// A file descriptor that the process owns for its whole life.
package struct FileDescriptor {
    package let rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }

    private var name: String {
        switch rawValue {
        case STDOUT_FILENO: "standard output"
        case STDERR_FILENO: "standard error"
        default: "file descriptor \(rawValue)"
        }
    }

    /// Writes every byte. Blocks.
    /// - Throws: ``OutputError``.
    package func writeAll(_ bytes: [UInt8]) throws {
        var position = 0
        while position < bytes.count {
            let count = bytes[position...].withUnsafeBytes { write(rawValue, $0.baseAddress, $0.count) }
            if count >= 0 {
                position += count
            } else if errno == EPIPE {
                throw OutputError.closed
            } else if errno != EINTR {
                throw OutputError.failed(name: name, reason: String(cString: strerror(errno)))
            }
        }
    }
}

/// Standard output, buffered. `flush()` at the end, and where a person waits for what was written so far.
package struct OutputWriter {
    private let descriptor = FileDescriptor(rawValue: STDOUT_FILENO)
    private var buffer: [UInt8] = []
    private let capacity = 1 << 16

    package init() {}

    package mutating func write(_ text: String) throws {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= capacity { try flush() }
    }

    package mutating func writeLine(_ text: String) throws {
        try write(text)
        try write("\n")
    }

    /// Writes what is buffered. Blocks.
    /// - Throws: ``OutputError``.
    package mutating func flush() throws {
        try descriptor.writeAll(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
