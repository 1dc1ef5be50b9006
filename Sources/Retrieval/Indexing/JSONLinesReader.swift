import Glibc
internal import JSONCore

/// The lines of a file one after the other, in bounded memory.
struct FileLines {
    /// A longer line is skipped, since it would take memory without bound.
    static let byteLimit = 64 << 20

    /// Calls `body` with each line and its place in the file, and `onLongLine` with the number of each that is left out.
    /// - Parameter limit: bytes of a line.
    /// - Throws: ``RetrievalError``.
    static func forEach(
        _ path: String, limit: Int = byteLimit, onLongLine: (_ number: Int) -> Void,
        _ body: (_ number: Int, _ offset: Int, _ line: [UInt8]) async throws -> Void
    ) async throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var line: [UInt8] = []
        var isTooLong = false
        var (number, offset, position) = (1, 0, 0)
        func add(_ bytes: ArraySlice<UInt8>) {
            position += bytes.count
            guard !isTooLong else { return }
            line += bytes
            if line.count > limit {
                onLongLine(number)
                (isTooLong, line) = (true, [])
            }
        }
        while true {
            let chunk = try [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
                let received = read(descriptor, buffer.baseAddress, 1 << 18)
                guard received >= 0 else { throw unreadable(path) }
                count = received
            }
            if chunk.isEmpty { break }
            var rest = chunk[...]
            while let end = rest.firstIndex(of: 0x0A) {
                add(rest[..<end])
                position += 1
                if !isTooLong { try await body(number, offset, line) }
                (number, offset, line, isTooLong) = (number + 1, position, [], false)
                rest = rest[(end + 1)...]
            }
            add(rest)
        }
        if !line.isEmpty { try await body(number, offset, line) }
    }

    private static func unreadable(_ path: String) -> RetrievalError {
        .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
}

/// A document that is a line of a JSON lines file.
public struct JSONLineDocument {
    public let id: String
    public let text: String
    /// The other members, as one JSON object.
    public let metadata: String

    /// - Returns: `nil` for a blank line.
    /// - Throws: ``RetrievalError/invalidLine(path:line:reason:)``.
    public init?(_ line: [UInt8], path: String, number: Int) throws {
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return nil }
        func failure(_ reason: String) -> RetrievalError {
            .invalidLine(path: path, line: number, reason: reason)
        }
        let root: JSONValue
        do {
            // A file may begin with a byte-order mark, which is none of its text.
            let isMarked = number == 1 && line.starts(with: [0xEF, 0xBB, 0xBF])
            root = try JSONDocument(parsing: isMarked ? Array(line.dropFirst(3)) : line, source: path).root
        } catch {
            throw failure("not JSON (\(error))")
        }
        guard let object = root.object else { throw failure("expected an object with \"id\" and \"text\"") }
        guard let id = JSONLineDocument.identifier(root["id"] ?? root["_id"]) else {
            throw failure("\"id\" is missing or neither a string nor an integer")
        }
        guard let text = root["text"]?.string ?? root["contents"]?.string else {
            throw failure("\"text\" is missing or no string")
        }
        self.id = id
        self.text = text
        var writer = JSONWriter()
        writer.beginObject()
        for member in object where !["id", "_id", "text", "contents"].contains(member.key) {
            JSONLineDocument.write(member.value, as: member.key, to: &writer)
        }
        writer.endObject()
        metadata = writer.text
    }

    private static func identifier(_ value: JSONValue?) -> String? {
        value?.string ?? value?.int.map(String.init)
    }

    /// Strings, numbers, booleans and lists of them; what is nested deeper cannot be asked for and is left out.
    private static func write(_ value: JSONValue, as key: String, to writer: inout JSONWriter) {
        let elements = value.array.map(Array.init)
        let values = (elements ?? [value]).filter { $0.string != nil || $0.double != nil || $0.bool != nil }
        guard !values.isEmpty else { return }
        writer.key(key)
        if elements != nil { writer.beginArray() }
        for value in values {
            if let text = value.string {
                writer.value(text)
            } else if let flag = value.bool {
                writer.value(flag)
            } else if let integer = value.int {
                writer.value(integer)
            } else if let number = value.double {
                // Finite: the reader of JSON lets no other number through.
                try? writer.value(number)
            }
        }
        if elements != nil { writer.endArray() }
    }
}
