public import TensorCore

/// The tensors of a file that `torch.save` wrote (`pytorch_model.bin`, `sparse_linear.pt`): a ZIP archive of a pickle
/// and one entry for each storage, or, before PyTorch 1.6, pickles with the storages behind them.
/// (`torch/serialization.py` of PyTorch)
///
/// The pickle may only call what makes tensors: no code runs, and anything else is refused. Tensors stay in the file
/// where possible; those that are transposed or cut are copied once, which never takes more memory than their storage.
public struct PickleFile: Sendable {
    public let path: String
    /// In the order of the file.
    public let tensors: [StoredTensor]

    /// Maps and reads a file.
    /// - Throws: `LoadError` naming the file and what is wrong or refused.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(file.bytes(0..<file.byteCount), path: path)
    }

    /// Reads a file that lies in memory; `path` is what errors call it.
    public init(_ bytes: HostBytes, path: String) throws {
        self.path = path
        tensors = try withExtendedLifetime(bytes.owner) {
            let isArchive = bytes.pointer.starts(with: ZipArchive.magic)
            return isArchive
                ? try PickleFile.readArchive(bytes, path: path) : try PickleFile.readLegacy(bytes, path: path)
        }
    }

    /// Whether a file starts as one that `torch.save` wrote.
    static func looksLike(_ prefix: [UInt8]) -> Bool {
        prefix.starts(with: ZipArchive.magic) || (prefix.first == 0x80 && prefix.count > 1 && prefix[1] <= 5)
    }

    private static func readArchive(_ bytes: HostBytes, path: String) throws -> [StoredTensor] {
        let archive = try ZipArchive(bytes.pointer, path: path)
        guard let program = archive.entries.first(where: { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") })
        else {
            throw LoadError.invalidFile(path: path, reason: "is an archive without a data.pkl; torch.save wrote none")
        }
        let folder = program.name.dropLast("data.pkl".count)
        var ranges: [String: Range<Int>] = [:]
        for entry in archive.entries where entry.name.hasPrefix(folder) {
            ranges[String(entry.name.dropFirst(folder.count))] = entry.range
        }
        if let order = ranges["byteorder"], !bytes.pointer[order].starts(with: "little".utf8) {
            throw LoadError.invalidFile(path: path, reason: "was saved on a big-endian machine")
        }
        var pickle = PickleProgram(
            UnsafeRawBufferPointer(rebasing: bytes.pointer[program.range]), path: path)
        let root = try pickle.run()
        return try make(pickle, root, bytes, path: path) { ranges["data/" + $0.key] }
    }

    private static func readLegacy(_ bytes: HostBytes, path: String) throws -> [StoredTensor] {
        // The magic number, the version, and the sizes of C's types come first.
        var position = 0
        for _ in 0..<3 {
            var pickle = PickleProgram(bytes.pointer, at: position, path: path)
            _ = try pickle.run()
            position = pickle.position
        }
        var pickle = PickleProgram(bytes.pointer, at: position, path: path)
        let root = try pickle.run()
        var list = PickleProgram(bytes.pointer, at: pickle.position, path: path)
        let keys = try list.run()
        guard case .list(let keys) = list.values[keys] else {
            throw LoadError.invalidFile(
                path: path, reason: "lists no storages behind its pickle; no file of torch.save")
        }
        var byteCounts: [String: Int] = [:]
        for value in pickle.values {
            guard case .storage(let storage) = value else { continue }
            byteCounts[storage.key] = storage.type?.blockByteCount ?? 1
        }
        var ranges: [String: Range<Int>] = [:]
        position = list.position
        for key in keys {
            guard case .string(let key) = list.values[key], position <= bytes.byteCount - 8 else {
                throw LoadError.invalidFile(path: path, reason: "ends before its storages (truncated?)")
            }
            let count = bytes.pointer.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let (byteCount, overflow) = UInt64(littleEndian: count).multipliedReportingOverflow(
                by: UInt64(byteCounts[key] ?? 1))
            position += 8
            guard !overflow, byteCount <= UInt64(bytes.byteCount - position) else {
                throw LoadError.invalidFile(
                    path: path, reason: "ends inside storage '\(printable(key))' (truncated?)")
            }
            ranges[key] = position..<position + Int(byteCount)
            position += Int(byteCount)
        }
        return try make(pickle, root, bytes, path: path) { ranges[$0.key] }
    }

    private static func make(
        _ pickle: PickleProgram, _ root: Int, _ bytes: HostBytes, path: String,
        locate: (PickleStorage) -> Range<Int>?
    ) throws -> [StoredTensor] {
        // Views that are not rows of their storage are copied. Together the copies may take as much memory as the file.
        var room = bytes.byteCount
        return try pickle.tensors(of: root).map { name, tensor in
            func broken(_ reason: String) -> LoadError {
                .invalidTensor(path: path, tensor: printable(name), reason: reason)
            }
            guard let range = locate(tensor.storage) else {
                throw broken("lies in storage '\(printable(tensor.storage.key))', which the file has not")
            }
            let (wanted, overflow) = tensor.storage.elementCount.multipliedReportingOverflow(
                by: tensor.storage.type?.blockByteCount ?? 1)
            guard !overflow, wanted <= range.count else {
                throw broken("lies in a storage of \(range.count) bytes, fewer than it says (truncated?)")
            }
            if !tensor.isContiguous {
                room -= tensor.extents.reduce(tensor.type.blockByteCount, *)
                guard room >= 0 else { throw broken("is one of too many views of the same storage") }
            }
            return StoredTensor(
                name: name, type: tensor.type, shape: Shape(tensor.extents),
                bytes: tensor.elements(of: bytes, in: range), path: path)
        }
    }
}

extension PickleTensor {
    /// Whether the elements lie one behind the other in row-major order.
    fileprivate var isContiguous: Bool {
        var expected = 1
        for (extent, stride) in zip(extents, strides).reversed() where extent != 1 {
            guard stride == expected else { return false }
            expected *= extent
        }
        return true
    }

    /// The elements in row-major order: where they lie, or a copy where they lie otherwise.
    /// - Precondition: every element lies in `range`.
    fileprivate func elements(of file: HostBytes, in range: Range<Int>) -> HostBytes {
        let size = type.blockByteCount
        let count = extents.reduce(1, *)
        if isContiguous || count == 0 {
            let start = range.lowerBound + (count == 0 ? 0 : offset * size)
            return HostBytes(
                owner: file.owner, pointer: UnsafeRawBufferPointer(rebasing: file.pointer[start..<start + count * size])
            )
        }
        let copy = HostAllocation(byteCount: count * size)
        var index = [Int](repeating: 0, count: extents.count)
        var source = range.lowerBound + offset * size
        for position in 0..<count {
            UnsafeMutableRawBufferPointer(rebasing: copy.pointer[position * size..<(position + 1) * size]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: file.pointer[source..<source + size]))
            var axis = extents.count - 1
            while axis >= 0 {
                index[axis] += 1
                source += strides[axis] * size
                if index[axis] < extents[axis] { break }
                source -= strides[axis] * size * extents[axis]
                index[axis] = 0
                axis -= 1
            }
        }
        return copy.bytes
    }
}
