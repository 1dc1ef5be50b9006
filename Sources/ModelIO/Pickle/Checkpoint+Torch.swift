internal import TensorCore

extension Checkpoint {
    /// The longest pickle that is read; it lists tensors and holds none of their elements.
    private static let maximumPickleByteCount = 100_000_000

    /// Opens a file that `torch.save` wrote of a dictionary of tensors (PyTorch 1.6 and later: a zip archive with a pickle
    /// and the tensors' bytes). The tensors are used where they are mapped. The pickle is read as data: nothing in it runs.
    /// - Throws: `LoadError` naming the file and what in it is no tensor.
    public init(torch path: String) throws {
        let file = try MappedFile(path: path)
        let archive = try ZipArchive(file.pointer, path: path)
        guard let entry = archive.entries.first(where: { $0.key.hasSuffix("/data.pkl") }) else {
            throw LoadError.invalidFile(path: path, reason: "holds no data.pkl; not a PyTorch file")
        }
        guard entry.value.count <= Checkpoint.maximumPickleByteCount else {
            throw LoadError.invalidFile(path: path, reason: "its pickle of \(entry.value.count) bytes is too long")
        }
        let folder = String(entry.key.dropLast("data.pkl".count))
        if let order = archive.entries[folder + "byteorder"], !file.pointer[order].elementsEqual("little".utf8) {
            throw LoadError.invalidFile(path: path, reason: "holds big-endian tensors, which are not read")
        }
        let root = try PickleReader.read(Array(file.pointer[entry.value]), path: path)
        guard case .dictionary(let members, _) = root else {
            throw LoadError.invalidFile(path: path, reason: "is a pickle of no dictionary of tensors")
        }
        let tensors = try members.map { member in
            guard let name = member.key.string, case .tensor(let tensor) = member.value else {
                let name = printable(member.key.string ?? "?")
                throw LoadError.invalidFile(path: path, reason: "is a pickle whose '\(name)' is no tensor")
            }
            return try Checkpoint.stored(tensor, named: name, folder, archive, file)
        }
        self.init(path: path, tensors: tensors)
    }

    private static func stored(
        _ tensor: PickledTensor, named name: String, _ folder: String, _ archive: ZipArchive, _ file: MappedFile
    ) throws -> StoredTensor {
        func broken(_ reason: String) -> LoadError {
            .invalidTensor(path: file.path, tensor: printable(name), reason: reason)
        }
        guard let shape = Shape(checking: tensor.extents) else { throw broken("has an impossible shape") }
        var step = 1
        for (extent, stride) in zip(tensor.extents, tensor.strides).reversed() {
            guard extent <= 1 || stride == step else { throw broken("is not stored row by row; save it contiguous") }
            let (product, overflow) = step.multipliedReportingOverflow(by: max(extent, 1))
            guard !overflow else { throw broken("has an impossible shape") }
            step = product
        }
        guard let bytes = archive.entries[folder + "data/" + tensor.storage.key] else {
            throw broken("has no elements")
        }
        let size = tensor.storage.type.blockByteCount
        let available = bytes.count / size
        guard tensor.offset <= available, shape.elementCount <= available - tensor.offset else {
            throw broken("has shape \(shape) but only \(available) elements")
        }
        let start = bytes.lowerBound + tensor.offset * size
        return StoredTensor(
            name: name, type: tensor.storage.type, shape: shape,
            bytes: file.bytes(start..<start + shape.elementCount * size), path: file.path)
    }
}
