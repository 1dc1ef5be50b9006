internal import JSONCore
public import TensorCore

/// Writes named tensors to a safetensors file. The same tensors give the same bytes, in whatever order they were added:
/// wider elements first, then by name, so that every tensor is aligned.
public struct SafetensorsWriter: Sendable {
    private struct Entry: Sendable {
        let name: String
        let type: StoredType
        let shape: Shape
        let bytes: [UInt8]
    }

    private var entries: [String: Entry] = [:]
    private let metadata: [String: String]

    public init(metadata: [String: String] = [:]) {
        self.metadata = metadata
    }

    /// Adds a tensor; one of the same name is replaced.
    /// - Precondition: `bytes` are the packed little-endian elements of `shape`.
    public mutating func add(_ name: String, type: StoredType, shape: Shape, bytes: [UInt8]) {
        precondition(
            bytes.count == shape.elementCount * type.blockByteCount, "\(name): \(bytes.count) bytes for \(shape)")
        entries[name] = Entry(name: name, type: type, shape: shape, bytes: bytes)
    }

    /// Adds a float32 tensor.
    public mutating func add(_ name: String, _ values: [Float], shape: Shape) {
        add(name, type: .float32, shape: shape, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    /// Adds an int64 tensor.
    public mutating func add(_ name: String, _ values: [Int], shape: Shape) {
        add(name, type: .int64, shape: shape, bytes: values.map(Int64.init).withUnsafeBytes { [UInt8]($0) })
    }

    /// Writes the file under a temporary name beside `path` and renames it, so that readers see a whole file or none; a
    /// device or pipe is written to as it is. Blocks until the bytes are on the disk.
    /// - Throws: `LoadError.unwritable` naming the path.
    public func write(to path: String) throws {
        let ordered = entries.values.sorted {
            ($1.type.blockByteCount, $0.name) < ($0.type.blockByteCount, $1.name)
        }
        try AtomicFile.write(to: path, chunks: [header(of: ordered)] + ordered.map(\.bytes))
    }

    /// Length and JSON, padded with blanks so that the data starts at a multiple of 8.
    private func header(of ordered: [Entry]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        if !metadata.isEmpty {
            writer.key("__metadata__")
            writer.beginObject()
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { writer.member(key, value) }
            writer.endObject()
        }
        var offset = 0
        for entry in ordered {
            writer.key(entry.name)
            writer.beginObject()
            writer.member("dtype", entry.type.rawValue)
            writer.member("shape", entry.shape.extents)
            writer.member("data_offsets", [offset, offset + entry.bytes.count])
            writer.endObject()
            offset += entry.bytes.count
        }
        writer.endObject()
        var json = [UInt8](writer.text.utf8)
        json += [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) } + json
    }
}
