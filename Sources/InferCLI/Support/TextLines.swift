import Glibc

/// The lines of a file or of standard input, read as they are wanted: memory holds one chunk and one line.
struct TextLines {
    /// The longest line that is taken.
    private static let maximumLineByteCount = 1 << 26
    private static let chunkByteCount = 1 << 16

    private let descriptor: Int32
    private let name: String
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var lineNumber = 0
    /// Bytes of the file; `nil` where that is not known.
    let byteCount: Int?
    /// Bytes of the lines returned so far.
    private(set) var consumedByteCount = 0

    /// - Parameter path: a file; `-`: standard input.
    /// - Throws: ``InputError``.
    init(path: String) throws {
        guard path != "-" else {
            descriptor = STDIN_FILENO
            name = InputText.standardInputName
            byteCount = nil
            return
        }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw InputError.unreadable(name: path, reason: String(cString: strerror(errno)))
        }
        name = path
        var status = stat()
        byteCount = fstat(descriptor, &status) == 0 && status.st_size > 0 ? Int(status.st_size) : nil
    }

    /// The next lines, at most `count`; none at the end. Line ends are taken off; empty lines stay. Blocks.
    /// - Throws: ``InputError``.
    mutating func next(_ count: Int) throws -> [String] {
        var lines: [String] = []
        while lines.count < count, let line = try nextLine() { lines.append(line) }
        return lines
    }

    private mutating func nextLine() throws -> String? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { position = end + 1 }
                return try line(buffer[position..<end], endByteCount: 1)
            }
            searched = buffer.count
            guard !isAtEnd else {
                guard position < buffer.count else { return nil }
                defer { position = buffer.count }
                return try line(buffer[position...], endByteCount: 0)
            }
            buffer.removeFirst(position)
            searched -= position
            position = 0
            guard buffer.count <= TextLines.maximumLineByteCount else {
                throw InputError.invalidLine(
                    name: name, line: lineNumber + 1,
                    reason: "is longer than \(TextLines.maximumLineByteCount >> 20) MiB; put a text on each line")
            }
            try fill()
        }
    }

    private mutating func line(_ bytes: ArraySlice<UInt8>, endByteCount: Int) throws -> String {
        lineNumber += 1
        consumedByteCount += bytes.count + endByteCount
        let text = bytes.last == 0x0D ? bytes.dropLast() : bytes
        guard let line = String(validating: text, as: UTF8.self) else {
            throw InputError.invalidLine(
                name: name, line: lineNumber, reason: "is not valid UTF-8; convert it to UTF-8")
        }
        return line
    }

    private mutating func fill() throws {
        let chunk = try [UInt8](unsafeUninitializedCapacity: TextLines.chunkByteCount) { buffer, count in
            var received = read(descriptor, buffer.baseAddress, TextLines.chunkByteCount)
            while received < 0, errno == EINTR {
                received = read(descriptor, buffer.baseAddress, TextLines.chunkByteCount)
            }
            guard received >= 0 else {
                throw InputError.unreadable(name: name, reason: String(cString: strerror(errno)))
            }
            count = received
        }
        isAtEnd = chunk.isEmpty
        buffer += chunk
    }
}
