internal import JSONCore
internal import TensorCore

/// The tensors of a model, whatever the number of files that hold them.
public struct Checkpoint: Sendable {
    /// The file or index that lists the tensors, for errors.
    public let path: String
    /// The tensors by the names that models load them under: those in the file, except for GGUF.
    public let tensors: [String: StoredTensor]
    /// The strings of the files' `__metadata__`.
    public let metadata: [String: String]
    /// Why a shard that the index lists could not be opened. If a model lacks a tensor, this is reported as the reason.
    let missingShard: LoadError?

    public init(path: String, tensors: [StoredTensor], metadata: [String: String] = [:]) {
        self.path = path
        self.tensors = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.metadata = metadata
        missingShard = nil
    }

    /// A checkpoint with tensors under other names than their own.
    init(
        path: String, byName tensors: [String: StoredTensor], metadata: [String: String] = [:],
        missingShard: LoadError? = nil
    ) {
        self.path = path
        self.tensors = tensors
        self.metadata = metadata
        self.missingShard = missingShard
    }

    /// Opens one safetensors file.
    /// - Throws: `LoadError` naming the file and the tensor.
    public init(safetensors path: String) throws {
        self.init(try SafetensorsFile(path: path))
    }

    /// The tensors of one file.
    public init(_ file: SafetensorsFile) {
        self.init(path: file.path, tensors: file.tensors, metadata: file.metadata)
    }

    /// Opens one file that `torch.save` wrote.
    /// - Throws: `LoadError` naming the file and the tensor.
    public init(pickle path: String) throws {
        let file = try PickleFile(path: path)
        self.init(path: path, tensors: file.tensors)
    }

    /// Opens the shards that an index (`model.safetensors.index.json`) lists. The files decide: a tensor is taken from the
    /// shard that has it, whichever the index names, and what no file has is missing only where a model asks for it. A
    /// tensor that lies in several shards is taken from the one that the index names, else from the first.
    /// - Throws: `LoadError` naming the index, the shard and the tensor.
    public init(index path: String) throws {
        let index = try SafetensorsIndex(path: path)
        let folder = parentFolder(of: path)
        var tensors: [String: StoredTensor] = [:]
        var metadata: [String: String] = [:]
        var missing: LoadError?
        for shard in index.shards {
            let shardPath = joinPath(folder, shard.file)
            if case .missing(let reason) = PathKind(shardPath) {
                missing =
                    missing
                    ?? LoadError.invalidShard(
                        index: path, shard: printable(shard.file), reason: "cannot be opened: \(reason) (\(shardPath))")
                continue
            }
            let file = try Checkpoint(shard: shardPath)
            let listed = Set(shard.tensors)
            for (name, tensor) in file.tensors where tensors[name] == nil || listed.contains(name) {
                tensors[name] = tensor
            }
            metadata.merge(file.metadata) { first, _ in first }
        }
        if let missing, tensors.isEmpty { throw missing }
        self.init(path: path, byName: tensors, metadata: metadata, missingShard: missing)
    }

    private init(shard path: String) throws {
        if path.hasSuffix(".safetensors") { try self.init(safetensors: path) } else { try self.init(pickle: path) }
    }

    public subscript(name: String) -> StoredTensor? { tensors[name] }

    /// The bytes of all tensors as stored.
    public var byteCount: Int { tensors.values.reduce(0) { $0 + $1.bytes.byteCount } }

    /// The number of elements of all tensors.
    public var elementCount: Int { tensors.values.reduce(0) { $0 + $1.shape.elementCount } }
}

/// The `weight_map` of a sharded checkpoint: which file holds which tensor.
package struct SafetensorsIndex {
    /// The longest index that is read.
    package static let maximumByteCount = 100_000_000

    package struct Shard {
        /// Relative to the index's folder, and inside it.
        package let file: String
        package var tensors: [String]
    }

    /// In the order of their first appearance.
    package private(set) var shards: [Shard] = []

    package init(path: String) throws {
        let bytes = try OpenFile(reading: path).readAll(maximum: SafetensorsIndex.maximumByteCount)
        try self.init(parsing: bytes, path: path)
    }

    package init(parsing bytes: [UInt8], path: String) throws {
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: bytes, source: path).root
        } catch {
            throw LoadError.json(error)
        }
        guard root.kind == .object else {
            throw LoadError.invalidFile(
                path: path, reason: "is \(root.kind.name), expected an object with 'weight_map'")
        }
        guard let map = root["weight_map"] else { throw LoadError.missingKey(path: path, keys: ["weight_map"]) }
        guard let members = map.object else {
            throw LoadError.invalidValue(
                path: path, key: "weight_map", expected: "an object of file names", found: map.kind.name)
        }
        guard members.count > 0 else {
            throw LoadError.invalidValue(path: path, key: "weight_map", expected: "tensors", found: "none")
        }
        try collect(members, path: path)
    }

    private mutating func collect(_ members: JSONObject, path: String) throws {
        var names = Set<String>(minimumCapacity: members.count)
        var positions: [String: Int] = [:]
        for (name, value) in members {
            guard names.insert(name).inserted else {
                throw LoadError.invalidTensor(path: path, tensor: printable(name), reason: "appears twice in the index")
            }
            guard let file = value.string else {
                throw LoadError.invalidValue(
                    path: path, key: "weight_map.\(printable(name))", expected: "a file name", found: value.kind.name)
            }
            if let position = positions[file] {
                shards[position].tensors.append(name)
                continue
            }
            if let reason = SafetensorsIndex.refusal(of: file) {
                throw LoadError.invalidShard(index: path, shard: printable(file), reason: reason)
            }
            positions[file] = shards.count
            shards.append(Shard(file: file, tensors: [name]))
        }
    }

    /// Why a shard's file name is refused, or `nil` where it is allowed.
    private static func refusal(of file: String) -> String? {
        if file.isEmpty { return "has an empty file name" }
        if file.utf8.contains(0) { return "holds a NUL byte in its file name" }
        if file.utf8.first == UInt8(ascii: "/") { return "is an absolute path; shards lie beside their index" }
        let leaves = file.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
        return leaves ? "leaves the index's folder ('..'); shards lie beside their index" : nil
    }
}

/// `folder/name`.
func joinPath(_ folder: String, _ name: String) -> String {
    folder.isEmpty ? name : folder.hasSuffix("/") ? folder + name : folder + "/" + name
}

/// The folder part of a path; "." where it has none.
func parentFolder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
}
