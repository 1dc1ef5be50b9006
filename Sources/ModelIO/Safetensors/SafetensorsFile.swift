internal import JSONCore
public import TensorCore

/// A safetensors file: `u64` header length (little-endian), a JSON header, then the tensors' bytes without gaps.
/// (https://huggingface.co/docs/safetensors, "Format")
///
/// Everything the header says is checked before it is used; the file is mapped, nothing is copied.
public struct SafetensorsFile: Sendable {
    /// The longest header that is read, the format's own limit.
    public static let maximumHeaderByteCount = 100_000_000

    public let path: String
    /// In the order of the bytes.
    public let tensors: [StoredTensor]
    /// The strings of `__metadata__`.
    public let metadata: [String: String]

    /// Maps and checks a file. Reads only the header.
    /// - Throws: `LoadError` naming the file and the tensor.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(file.bytes(0..<file.byteCount), path: path)
    }

    /// Checks a file that lies in memory; `path` is what errors call it.
    /// - Throws: `LoadError` naming the tensor.
    public init(_ bytes: HostBytes, path: String) throws {
        let (header, parsed) = try withExtendedLifetime(bytes.owner) {
            let header = try SafetensorsFile.headerRange(of: bytes.pointer, path: path)
            let parsed = try SafetensorsHeader(
                parsing: UnsafeRawBufferPointer(rebasing: bytes.pointer[header]), path: path,
                dataByteCount: bytes.byteCount - header.upperBound)
            return (header, parsed)
        }
        self.path = path
        self.metadata = parsed.metadata
        self.tensors = parsed.entries.map { entry in
            let range = header.upperBound + entry.range.lowerBound..<header.upperBound + entry.range.upperBound
            let part = HostBytes(owner: bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes.pointer[range]))
            return StoredTensor(name: entry.name, type: entry.type, shape: entry.shape, bytes: part, path: path)
        }
    }

    /// Where the header of a file with `bytes` lies.
    package static func headerRange(of bytes: UnsafeRawBufferPointer, path: String) throws -> Range<Int> {
        guard bytes.count >= 8 else {
            throw LoadError.invalidFile(
                path: path, reason: "\(bytes.count) bytes are too few for a safetensors file; is it a whole download?")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(maximumHeaderByteCount) else {
            throw LoadError.invalidFile(
                path: path,
                reason: "header length \(length) is over the \(maximumHeaderByteCount) allowed; not a safetensors file")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw LoadError.invalidFile(
                path: path, reason: "header length \(length) reaches past the file's \(bytes.count) bytes (truncated?)")
        }
        return 8..<8 + Int(length)
    }
}

/// The checked header of a safetensors file.
package struct SafetensorsHeader {
    package struct Entry {
        package let name: String
        package let type: StoredType
        package let shape: Shape
        /// Bytes behind the header.
        package let range: Range<Int>
    }

    /// In the order of the bytes.
    package private(set) var entries: [Entry] = []
    package private(set) var metadata: [String: String] = [:]
    private let path: String

    /// - Parameter dataByteCount: bytes of the file behind the header.
    package init(parsing bytes: UnsafeRawBufferPointer, path: String, dataByteCount: Int) throws {
        self.path = path
        guard bytes.first == UInt8(ascii: "{") else {
            throw LoadError.invalidFile(
                path: path, reason: "the header does not start with '{'; not a safetensors file")
        }
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: bytes, source: "\(path): header").root
        } catch {
            throw LoadError.json(error)
        }
        guard let members = root.object else {
            throw LoadError.invalidFile(path: path, reason: "the header is not a JSON object")
        }
        var names = Set<String>(minimumCapacity: members.count)
        entries.reserveCapacity(members.count)
        for (name, value) in members {
            guard names.insert(name).inserted else { throw broken(name, "appears twice in the header") }
            if name == "__metadata__" {
                metadata = try parseMetadata(value)
            } else {
                entries.append(try parseEntry(name, value, dataByteCount: dataByteCount))
            }
        }
        try orderAndCheckCoverage(dataByteCount: dataByteCount)
    }

    private func broken(_ tensor: String, _ reason: String) -> LoadError {
        .invalidTensor(path: path, tensor: printable(tensor), reason: reason)
    }

    private func parseMetadata(_ value: JSONValue) throws -> [String: String] {
        guard let members = value.object else {
            throw LoadError.invalidValue(
                path: path, key: "__metadata__", expected: "an object of strings", found: value.kind.name)
        }
        var strings: [String: String] = [:]
        for (key, value) in members {
            guard let string = value.string else {
                throw LoadError.invalidValue(
                    path: path, key: "__metadata__.\(printable(key))", expected: "a string", found: value.kind.name)
            }
            strings[key] = string
        }
        return strings
    }

    private func parseEntry(_ name: String, _ value: JSONValue, dataByteCount: Int) throws -> Entry {
        guard let members = value.object else {
            throw broken(name, "is described by \(value.kind.name), not an object")
        }
        var (dtype, shape, offsets): (JSONValue?, JSONValue?, JSONValue?)
        for (key, value) in members {
            switch key {
            case "dtype": dtype = value
            case "shape": shape = value
            case "data_offsets": offsets = value
            default: throw broken(name, "has the unknown key '\(printable(key))'")
            }
        }
        guard let dtype else { throw broken(name, "has no 'dtype'") }
        guard let typeName = dtype.string else { throw broken(name, "has a 'dtype' that is \(dtype.kind.name)") }
        guard let type = StoredType(rawValue: typeName), type.blockSize == 1 else {
            throw broken(name, "has the unknown dtype '\(printable(typeName))'")
        }
        let parsedShape = try parseShape(name, shape)
        let range = try parseRange(name, offsets, dataByteCount: dataByteCount)
        let (byteCount, overflow) = parsedShape.elementCount.multipliedReportingOverflow(by: type.blockByteCount)
        guard !overflow, byteCount == range.count else {
            throw broken(
                name,
                "has \(range.count) bytes, but shape \(parsedShape) of \(typeName) takes "
                    + (overflow ? "more than any file holds" : "\(byteCount)"))
        }
        return Entry(name: name, type: type, shape: parsedShape, range: range)
    }

    private func parseShape(_ name: String, _ value: JSONValue?) throws -> Shape {
        guard let value else { throw broken(name, "has no 'shape'") }
        guard let elements = value.array else { throw broken(name, "has a 'shape' that is \(value.kind.name)") }
        guard elements.count <= 16 else { throw broken(name, "has \(elements.count) dimensions, more than 16") }
        let extents = try elements.map { element -> Int in
            guard let extent = element.int, extent >= 0 else {
                throw broken(name, "has a 'shape' with an element that is no size from 0 on")
            }
            return extent
        }
        guard let shape = Shape(checking: extents) else {
            throw broken(name, "has the shape \(extents), whose element count overflows")
        }
        return shape
    }

    private func parseRange(_ name: String, _ value: JSONValue?, dataByteCount: Int) throws -> Range<Int> {
        guard let value else { throw broken(name, "has no 'data_offsets'") }
        guard let elements = value.array, elements.count == 2 else {
            throw broken(name, "has 'data_offsets' that are not two numbers")
        }
        let numbers = elements.compactMap(\.int)
        guard numbers.count == 2, numbers[0] >= 0, numbers[1] >= numbers[0] else {
            throw broken(name, "has 'data_offsets' that are no ascending pair of offsets from 0 on")
        }
        guard numbers[1] <= dataByteCount else {
            throw broken(
                name, "ends at byte \(numbers[1]) of the data, but the file has \(dataByteCount) (truncated?)")
        }
        return numbers[0]..<numbers[1]
    }

    /// Orders the entries by their bytes, which must follow each other without overlap or gap to the end of the file.
    private mutating func orderAndCheckCoverage(dataByteCount: Int) throws {
        entries.sort {
            ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name)
        }
        var end = 0
        var previous = ""
        for entry in entries {
            if entry.range.lowerBound < end {
                throw broken(
                    entry.name,
                    "starts at byte \(entry.range.lowerBound) inside tensor '\(printable(previous))' (ends at \(end))")
            }
            if entry.range.lowerBound > end {
                throw broken(
                    entry.name,
                    "starts at byte \(entry.range.lowerBound), leaving a hole behind byte \(end) of the data")
            }
            end = entry.range.upperBound
            previous = entry.name
        }
        guard end == dataByteCount else {
            throw LoadError.invalidFile(
                path: path,
                reason: "\(dataByteCount - end) bytes behind the last tensor belong to none (from byte \(end) on)")
        }
    }
}
