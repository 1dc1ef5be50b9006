/// A model in one GGUF file or several (`NAME-00001-of-00003.gguf`): its metadata and tensors, and from them what other
/// models have in a `config.json`, a checkpoint and a `generation_config.json`.
public struct GGUFModel: Sendable {
    public let path: String
    /// The metadata of the first file, which holds it for all.
    public let metadata: GGUFMetadata
    /// The tensors of all files, by the names in the files.
    public let tensors: [StoredTensor]
    /// `general.architecture`, such as `llama`.
    public let architecture: String

    /// Opens a file, and the others where it is one of several.
    /// - Throws: `LoadError` naming the file and the key or tensor.
    public init(path: String) throws {
        try self.init(path: path) { try GGUFFile(path: $0) }
    }

    init(path: String, open: (String) throws -> GGUFFile) throws {
        let file = try open(path)
        let shardCount = try file.metadata.optionalInteger("split.count", in: 0...GGUFShardName.maximumCount) ?? 1
        let files = shardCount > 1 ? try GGUFModel.shards(file, count: shardCount, open: open) : [file]
        try self.init(path: path, files: files)
    }

    /// A model of one file.
    public init(_ file: GGUFFile) throws {
        try self.init(path: file.path, files: [file])
    }

    private init(path: String, files: [GGUFFile]) throws {
        self.path = path
        metadata = files[0].metadata
        architecture = try metadata.string("general.architecture")
        tensors = files.flatMap(\.tensors)
        var homes: [String: String] = [:]
        for tensor in tensors {
            if let other = homes.updateValue(tensor.path, forKey: tensor.name) {
                throw LoadError.invalidTensor(
                    path: tensor.path, tensor: printable(tensor.name), reason: "is in \(other) as well")
            }
        }
        if let stated = try metadata.optionalInteger("split.tensors.count", in: 0...Int(Int32.max)),
            files.count > 1, stated != tensors.count
        {
            throw LoadError.contradiction(
                path: path, keys: ["split.tensors.count", "split.count"],
                reason: "\(stated) tensors are stated, the \(files.count) files hold \(tensors.count)")
        }
    }

    private static func shards(
        _ opened: GGUFFile, count: Int, open: (String) throws -> GGUFFile
    ) throws -> [GGUFFile] {
        guard let name = GGUFShardName(opened.path), name.count == count else {
            throw LoadError.invalidValue(
                path: opened.path, key: "split.count", expected: "a file called NAME-00001-of-\(pad5(count)).gguf",
                found: "\(count)")
        }
        return try (0..<count).map { index in
            let path = name.path(index)
            if index != name.index, case .missing(let reason) = PathKind(path) {
                throw LoadError.invalidShard(
                    index: opened.path, shard: printable(path), reason: "cannot be opened: \(reason)")
            }
            let file = index == name.index ? opened : try open(path)
            let range = 0...GGUFShardName.maximumCount
            let number = try file.metadata.optionalInteger("split.no", in: range)
            let stated = try file.metadata.optionalInteger("split.count", in: range)
            guard number == index, stated == count else {
                throw LoadError.invalidShard(
                    index: opened.path, shard: printable(path),
                    reason: "says it is number \(number.map(String.init) ?? "?") of "
                        + "\(stated.map(String.init) ?? "?"), counted from 0; expected \(index) of \(count)")
            }
            return file
        }
    }

    /// The tensors under the names that `Models` loads; each knows its own name in the file, for errors.
    public func checkpoint() -> Checkpoint {
        var names = GGUFArchitecture.known[architecture]?.names ?? .none
        if architecture == "falcon", tensor("blk.0.attn_norm_2.weight") != nil { names = .falconWithTwoNorms }
        return Checkpoint(
            path: path,
            byName: Dictionary(tensors.map { (names.translate($0.name), $0) }, uniquingKeysWith: { first, _ in first }))
    }

    /// What the metadata says about special tokens.
    /// - Throws: `LoadError` naming the key.
    public func generationConfiguration() throws -> GenerationConfiguration {
        var generation = GenerationConfiguration()
        var notices: [String] = []
        let prefix = "tokenizer.ggml."
        let model = try metadata.optionalString(prefix + "model")
        let count = try metadata.optionalStrings(prefix + "tokens")?.count ?? 0
        generation.eosTokenIDs = try GGUFEndOfGeneration(metadata, notices: &notices).tokens
        // Roles whose ids are out of range give a notice once, from the tokenizer.
        var repeated: [String] = []
        generation.bosTokenID = GGUFTokenRole.beginning.token(
            metadata, model: model, tokenCount: count, notices: &repeated)
        generation.padTokenID = GGUFTokenRole.padding.token(
            metadata, model: model, tokenCount: count, notices: &repeated)
        return generation
    }

    /// The tensor of this name in the files, or `nil`.
    func tensor(_ name: String) -> StoredTensor? { tensors.first { $0.name == name } }
}

/// The name of one of several files: `PREFIX-00002-of-00003.gguf`.
struct GGUFShardName {
    static let maximumCount = 65_535

    let prefix: String
    /// The file's number, from 0; names count from 1.
    let index: Int
    let count: Int

    init?(_ path: String) {
        guard path.hasSuffix(".gguf") else { return nil }
        let stem = path.dropLast(".gguf".count)
        // "-00002-of-00003"
        let tail = stem.utf8.suffix(15).map { Character(Unicode.Scalar($0)) }
        guard tail.count == 15, tail[0] == "-", String(tail[6..<10]) == "-of-",
            let number = Int(String(tail[1..<6])), let count = Int(String(tail[10..<15])), number >= 1, number <= count
        else { return nil }
        prefix = String(stem.dropLast(15))
        index = number - 1
        self.count = count
    }

    func path(_ index: Int) -> String { "\(prefix)-\(pad5(index + 1))-of-\(pad5(count)).gguf" }
}

/// A number with zeros before it, five digits in all.
private func pad5(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(5 - digits.count, 0)) + digits
}
