import Glibc

/// Why input could not be read.
enum InputError: Error, CustomStringConvertible {
    case unreadable(name: String, reason: String)
    case invalidUTF8(name: String, offset: Int)
    case invalidLine(name: String, line: Int, reason: String)

    var description: String {
        switch self {
        case .unreadable(let name, let reason): "cannot read \(name): \(reason)"
        case .invalidUTF8(let name, let offset): "\(name) is not valid UTF-8 at byte \(offset); convert it to UTF-8"
        case .invalidLine(let name, let line, let reason): "\(name), line \(line): \(reason)"
        }
    }
}

/// The text that a command works on, taken as it is: no newline is added or dropped.
enum InputText {
    static let standardInputName = "standard input"

    /// The argument, or all of standard input where it is left out. Blocks.
    /// - Throws: ``InputError``.
    static func argumentOrStandardInput(_ argument: String?) throws -> String {
        if let argument { return argument }
        return try decode(read(descriptor: STDIN_FILENO, name: standardInputName), name: standardInputName)
    }

    /// A whole file. Blocks.
    /// - Throws: ``InputError``.
    static func file(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw InputError.unreadable(name: path, reason: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        return try decode(read(descriptor: descriptor, name: path), name: path)
    }

    /// - Throws: ``InputError/invalidUTF8(name:offset:)`` with the place of the first broken byte.
    static func decode(_ bytes: [UInt8], name: String) throws -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var decoder = UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .valid(let scalar) = decoder.parseScalar(from: &iterator) { offset += scalar.count }
        throw InputError.invalidUTF8(name: name, offset: offset)
    }

    private static func read(descriptor: Int32, name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let chunkByteCount = 1 << 16
        while true {
            let chunk = try [UInt8](unsafeUninitializedCapacity: chunkByteCount) { buffer, count in
                let received = Glibc.read(descriptor, buffer.baseAddress, chunkByteCount)
                count = max(received, 0)
                guard received >= 0 || errno == EINTR else {
                    throw InputError.unreadable(name: name, reason: String(cString: strerror(errno)))
                }
                if received < 0 { count = 0 }
            }
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
    }
}
