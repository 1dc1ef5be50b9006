public import TensorCore

/// A GGUF file of version 2 or 3: magic, version, counts, metadata, the tensors' descriptions, and, from the next
/// multiple of the alignment on, their bytes. (docs/gguf.md of https://github.com/ggml-org/ggml)
///
/// Everything the header says is checked before it is used; the file is mapped, nothing is copied. The work and the
/// memory are bounded by the header's length.
public struct GGUFFile: Sendable {
    /// The first four bytes.
    static let magic = Array("GGUF".utf8)
    /// The alignment of tensors in bytes where the file gives none.
    static let defaultAlignment = 32

    public let path: String
    public let version: Int
    public let metadata: GGUFMetadata
    /// In the order of the file, by the names in the file, with shapes in row-major order.
    public let tensors: [StoredTensor]

    /// Maps and checks a file. Reads only the header.
    /// - Throws: `LoadError` naming the file and the key or tensor.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(file.bytes(0..<file.byteCount), path: path)
    }

    /// Checks a file that is in memory; errors name `path`.
    /// - Throws: `LoadError` naming the key or tensor.
    public init(_ bytes: HostBytes, path: String) throws {
        self = try withExtendedLifetime(bytes.owner) {
            var parser = GGUFParser(bytes, path: path)
            return try parser.parse()
        }
    }

    init(path: String, version: Int, metadata: GGUFMetadata, tensors: [StoredTensor]) {
        self.path = path
        self.version = version
        self.metadata = metadata
        self.tensors = tensors
    }
}

/// Reads the header of one file.
private struct GGUFParser {
    private static let versions = 2...3
    /// Counts that cannot fit the remaining bytes are wrong.
    private static let minimumPairByteCount = 8 + 4 + 1
    private static let minimumInfoByteCount = 8 + 4 + 4 + 8
    private static let maximumKeyByteCount = 65_535
    /// Writers use 64; some readers allow more.
    private static let maximumNameByteCount = 1024
    private static let maximumDimensionCount = 4
    private static let maximumArrayDepth = 8
    private static let maximumAlignment = 1 << 20

    private struct Info {
        let name: String
        let type: StoredType
        let shape: Shape
        let byteCount: Int
        let offset: UInt64
    }

    private let file: HostBytes
    private let path: String
    private var cursor: GGUFCursor

    init(_ file: HostBytes, path: String) {
        self.file = file
        self.path = path
        cursor = GGUFCursor(file.pointer, path: path)
    }

    mutating func parse() throws -> GGUFFile {
        let version = try checkMagicAndVersion()
        let tensorCount = try cursor.count(ofAtLeast: GGUFParser.minimumInfoByteCount, "the number of tensors")
        let pairCount = try cursor.count(ofAtLeast: GGUFParser.minimumPairByteCount, "the number of metadata keys")
        let metadata = try parseMetadata(count: pairCount)
        let alignment = try alignment(metadata)
        let infos = try parseInfos(count: tensorCount)
        return GGUFFile(
            path: path, version: version, metadata: metadata, tensors: try place(infos, alignment: alignment))
    }

    private mutating func checkMagicAndVersion() throws -> Int {
        guard file.byteCount >= 24 else {
            throw LoadError.invalidFile(
                path: path, reason: "\(file.byteCount) bytes are too few for a GGUF file; is it a whole download?")
        }
        guard file.pointer.starts(with: GGUFFile.magic) else {
            throw LoadError.invalidFile(path: path, reason: "does not start with 'GGUF'; not a GGUF file")
        }
        try cursor.skip(4, "the magic")
        let version = try cursor.integer(UInt32.self, "the version")
        // Versions are small, so zeros in the lower half mean a big-endian file.
        guard version & 0xFFFF != 0 || version == 0 else {
            throw LoadError.unsupportedFile(
                path: path, reason: "is a big-endian GGUF file; convert it to little-endian")
        }
        guard let number = Int(exactly: version), GGUFParser.versions.contains(number) else {
            throw LoadError.unsupportedFile(
                path: path, reason: "GGUF version \(version) is not supported; supported: 2, 3")
        }
        return number
    }

    // MARK: Metadata

    private mutating func parseMetadata(count: Int) throws -> GGUFMetadata {
        var keys: [String] = []
        var values: [String: GGUFValue] = [:]
        var encoded: [String: HostBytes] = [:]
        keys.reserveCapacity(min(count, 4096))
        for index in 0..<count {
            let range = try cursor.string("metadata key \(index)")
            guard range.count <= GGUFParser.maximumKeyByteCount else {
                throw LoadError.invalidFile(
                    path: path,
                    reason: "metadata key \(index) has \(range.count) bytes, over \(GGUFParser.maximumKeyByteCount)")
            }
            guard let key = cursor.text(range) else {
                throw LoadError.invalidFile(path: path, reason: "metadata key \(index) is not UTF-8")
            }
            let name = "the value of '\(printable(key))'"
            let start = cursor.offset
            let type = try valueType(name)
            let value = try parseValue(type, name, depth: 0)
            guard values.updateValue(value, forKey: key) == nil else {
                throw LoadError.invalidFile(path: path, reason: "metadata key '\(printable(key))' appears twice")
            }
            keys.append(key)
            encoded[key] = HostBytes(owner: file.owner, pointer: cursor.slice(start..<cursor.offset))
        }
        return GGUFMetadata(path: path, keys: keys, values: values, encoded: encoded)
    }

    private mutating func valueType(_ name: String) throws -> GGUFValueType {
        let number = try cursor.integer(UInt32.self, "the type of \(name)")
        guard let type = GGUFValueType(rawValue: number) else {
            throw LoadError.invalidFile(path: path, reason: "\(name) has the unknown type \(number)")
        }
        return type
    }

    private mutating func parseValue(_ type: GGUFValueType, _ name: String, depth: Int) throws -> GGUFValue {
        switch type {
        case .uint8: return .integer(Int(try cursor.integer(UInt8.self, name)))
        case .int8: return .integer(Int(try cursor.integer(Int8.self, name)))
        case .uint16: return .integer(Int(try cursor.integer(UInt16.self, name)))
        case .int16: return .integer(Int(try cursor.integer(Int16.self, name)))
        case .uint32: return .integer(Int(try cursor.integer(UInt32.self, name)))
        case .int32: return .integer(Int(try cursor.integer(Int32.self, name)))
        case .int64: return .integer(Int(try cursor.integer(Int64.self, name)))
        case .uint64:
            let value = try cursor.integer(UInt64.self, name)
            return Int(exactly: value).map { .integer($0) } ?? .unsigned(value)
        case .float32: return .real(Double(Float(bitPattern: try cursor.integer(UInt32.self, name))))
        case .float64: return .real(Double(bitPattern: try cursor.integer(UInt64.self, name)))
        case .bool:
            let byte = try cursor.integer(UInt8.self, name)
            guard byte <= 1 else {
                throw LoadError.invalidFile(path: path, reason: "\(name) is the byte \(byte), expected true or false")
            }
            return .bool(byte == 1)
        case .string: return .string(cursor.repairedText(try cursor.string(name)))
        case .array: return .array(try parseArray(name, depth: depth))
        }
    }

    /// Goes over an array's elements once, to check their lengths.
    private mutating func parseArray(_ name: String, depth: Int) throws -> GGUFArray {
        guard depth < GGUFParser.maximumArrayDepth else {
            throw LoadError.invalidFile(
                path: path, reason: "\(name) nests arrays more than \(GGUFParser.maximumArrayDepth) deep")
        }
        let type = try valueType(name)
        let count = try cursor.count(ofAtLeast: type.minimumByteCount, "the length of \(name)")
        let start = cursor.offset
        if let byteCount = type.byteCount {
            try cursor.skip(count * byteCount, name)
        } else {
            for index in 0..<count {
                if type == .string {
                    _ = try cursor.string("string \(index) of \(name)")
                } else {
                    _ = try parseArray(name, depth: depth + 1)
                }
            }
        }
        let bytes = HostBytes(owner: file.owner, pointer: cursor.slice(start..<cursor.offset))
        return GGUFArray(elementType: type, count: count, bytes: bytes, path: path)
    }

    private func alignment(_ metadata: GGUFMetadata) throws -> Int {
        let key = "general.alignment"
        let range = 1...GGUFParser.maximumAlignment
        let alignment = try metadata.optionalInteger(key, in: range) ?? GGUFFile.defaultAlignment
        guard alignment.nonzeroBitCount == 1 else { throw metadata.invalid(key, "a power of two") }
        return alignment
    }

    // MARK: Tensors

    private mutating func parseInfos(count: Int) throws -> [Info] {
        var names = Set<String>(minimumCapacity: count)
        var infos: [Info] = []
        infos.reserveCapacity(count)
        for index in 0..<count {
            let range = try cursor.string("the name of tensor \(index)")
            guard !range.isEmpty, range.count <= GGUFParser.maximumNameByteCount else {
                throw LoadError.invalidFile(
                    path: path,
                    reason: "the name of tensor \(index) has \(range.count) bytes, "
                        + "expected 1 to \(GGUFParser.maximumNameByteCount)")
            }
            guard let name = cursor.text(range) else {
                throw LoadError.invalidFile(path: path, reason: "the name of tensor \(index) is not UTF-8")
            }
            guard names.insert(name).inserted else { throw broken(name, "appears twice in the file") }
            infos.append(try parseInfo(name))
        }
        return infos
    }

    private mutating func parseInfo(_ name: String) throws -> Info {
        let what = "the description of tensor '\(printable(name))'"
        let dimensionCount = try cursor.integer(UInt32.self, what)
        guard dimensionCount <= UInt32(GGUFParser.maximumDimensionCount) else {
            throw broken(name, "has \(dimensionCount) dimensions, more than \(GGUFParser.maximumDimensionCount)")
        }
        var extents: [Int] = []
        for _ in 0..<dimensionCount {
            let extent = try cursor.integer(UInt64.self, what)
            guard let extent = Int(exactly: extent) else { throw broken(name, "has the extent \(extent)") }
            extents.append(extent)
        }
        let number = try cursor.integer(UInt32.self, what)
        guard let type = StoredType(ggufType: number) else {
            throw broken(name, "has the unknown type \(number)")
        }
        let offset = try cursor.integer(UInt64.self, what)
        // The file lists dimensions from the innermost one.
        guard let shape = Shape(checking: extents.reversed()) else {
            throw broken(name, "has the extents \(extents), whose product overflows")
        }
        guard (extents.first ?? 1) % type.blockSize == 0 else {
            throw broken(
                name,
                "has rows of \(extents.first ?? 1) elements, which are no whole \(type.rawValue) blocks of "
                    + "\(type.blockSize)")
        }
        let (byteCount, overflow) = (shape.elementCount / type.blockSize)
            .multipliedReportingOverflow(by: type.blockByteCount)
        guard !overflow else { throw broken(name, "of shape \(shape) takes more bytes than any file holds") }
        return Info(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
    }

    /// Finds the tensors' bytes behind the header.
    private func place(_ infos: [Info], alignment: Int) throws -> [StoredTensor] {
        // The offset lies inside the file and the alignment is small: no overflow.
        let start = (cursor.offset + alignment - 1) / alignment * alignment
        let available = max(file.byteCount - start, 0)
        let tensors = try infos.map { info in
            guard info.offset % UInt64(alignment) == 0 else {
                throw broken(info.name, "starts at byte \(info.offset), no multiple of the alignment \(alignment)")
            }
            guard info.offset <= UInt64(available), info.byteCount <= available - Int(info.offset) else {
                throw broken(
                    info.name,
                    "takes \(info.byteCount) bytes from byte \(info.offset) of the data on, but the file has "
                        + "\(available) (truncated?)")
            }
            // An empty tensor may stand behind the last byte.
            let first = min(start + Int(info.offset), file.byteCount)
            let bytes = UnsafeRawBufferPointer(rebasing: file.pointer[first..<first + info.byteCount])
            return StoredTensor(
                name: info.name, type: info.type, shape: info.shape,
                bytes: HostBytes(owner: file.owner, pointer: bytes), path: path)
        }
        try checkOverlaps(infos)
        return tensors
    }

    private func checkOverlaps(_ infos: [Info]) throws {
        let ordered = infos.filter { $0.byteCount > 0 }.sorted { ($0.offset, $0.name) < ($1.offset, $1.name) }
        for (before, after) in zip(ordered, ordered.dropFirst()) {
            guard Int(before.offset) + before.byteCount <= Int(after.offset) else {
                throw broken(
                    after.name, "starts at byte \(after.offset) of the data, inside tensor '\(printable(before.name))'")
            }
        }
    }

    private func broken(_ tensor: String, _ reason: String) -> LoadError {
        .invalidTensor(path: path, tensor: printable(tensor), reason: reason)
    }
}
