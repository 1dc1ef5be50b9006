internal import JSONCore

/// What a `--model` argument names: a Hugging Face folder, one safetensors file with its `config.json` beside it, a GGUF
/// file, which holds everything, a folder with one of those, or the name of a model that ``ModelFinder`` knows.
public struct ModelLocation: Sendable, Hashable {
    /// How the weights are stored.
    public enum Weights: Sendable, Hashable {
        /// The path of one file.
        case safetensors(String)
        /// The path of a `*.safetensors.index.json`.
        case index(String)
        /// The path of a file that `torch.save` wrote.
        case pickle(String)
        /// The path of a GGUF file, or of one of several.
        case gguf(String)
    }

    /// The model's path: the argument as given, unless it was a name.
    public let path: String
    /// The folder that holds `config.json`, the tokenizer and the rest.
    public let folder: String
    public let weights: Weights

    /// Finds a model's files. Opens files only to find out their kind.
    /// - Throws: `LoadError` naming the path and what was expected there.
    public init(_ argument: String) throws {
        let path = ModelFinder().resolve(argument)
        self.path = path
        switch PathKind(path) {
        case .missing(let reason): throw LoadError.unreadable(path: path.isEmpty ? "--model" : path, reason: reason)
        case .other: throw LoadError.unsupportedFile(path: path, reason: "is neither a folder nor a regular file")
        case .folder:
            folder = ModelLocation.transformerFolder(in: path) ?? path
            weights = try ModelLocation.weights(in: folder)
        case .file:
            folder = parentFolder(of: path)
            weights = try ModelLocation.weights(file: path)
        }
    }

    /// Opens the weights. Those that were quantised before they were published (`quantization_config`) become float32, in
    /// memory of their own: this blocks while they do.
    /// - Throws: `LoadError`.
    public func openCheckpoint() throws -> Checkpoint {
        let stored = try openStoredCheckpoint()
        guard let configuration = existingFile("config.json"), !isGGUFFile,
            let scheme = try PrequantizedScheme(ModelConfiguration(path: configuration))
        else { return stored }
        return try stored.dequantized(scheme)
    }

    private var isGGUFFile: Bool { if case .gguf = weights { true } else { false } }

    /// Opens the weights as they are stored.
    private func openStoredCheckpoint() throws -> Checkpoint {
        switch weights {
        case .safetensors(let file): try Checkpoint(safetensors: file)
        case .index(let file): try Checkpoint(index: file)
        case .pickle(let file): try Checkpoint(pickle: file)
        case .gguf(let file): try GGUFModel(path: file).checkpoint()
        }
    }

    /// The path of a file beside the weights, whether it exists or not.
    public func file(_ name: String) -> String { joinPath(folder, name) }

    /// The path of a file beside the weights; `nil` where it does not exist.
    public func existingFile(_ name: String) -> String? {
        let path = file(name)
        return PathKind(path) == .file ? path : nil
    }

    /// The folder inside one that holds the model itself, as `modules.json` of `sentence-transformers` names it; `nil`
    /// where the outer one does.
    private static func transformerFolder(in folder: String) -> String? {
        let list = joinPath(folder, "modules.json")
        guard PathKind(joinPath(folder, "config.json")) != .file, PathKind(list) == .file,
            let bytes = try? OpenFile(reading: list).readAll(maximum: ModelConfiguration.maximumByteCount),
            let root = try? JSONDocument(parsing: bytes, source: list).root,
            let module = root.array.map(Array.init)?.first,
            module["type"]?.string?.hasSuffix("Transformer") == true,
            let path = module["path"]?.string, !path.isEmpty, !path.contains("/")
        else { return nil }
        let inner = joinPath(folder, path)
        return PathKind(inner) == .folder ? inner : nil
    }

    private static func weights(in folder: String) throws -> Weights {
        let single = joinPath(folder, "model.safetensors")
        if PathKind(single) == .file { return .safetensors(single) }
        let index = joinPath(folder, "model.safetensors.index.json")
        if PathKind(index) == .file { return .index(index) }
        let pickle = joinPath(folder, "pytorch_model.bin")
        if PathKind(pickle) == .file { return .pickle(pickle) }
        let pickleIndex = joinPath(folder, "pytorch_model.bin.index.json")
        if PathKind(pickleIndex) == .file { return .index(pickleIndex) }
        // The first file of a split model stands for all of them.
        let files = ModelFinder.names(in: folder).filter { $0.hasSuffix(".gguf") && isFirstShard($0) }
        guard let file = files.first else {
            throw LoadError.unreadable(
                path: folder,
                reason: "holds no model.safetensors, pytorch_model.bin or .gguf file, and no index of shards")
        }
        guard files.count == 1 else {
            throw LoadError.unsupportedFile(
                path: folder,
                reason: "holds \(files.count) GGUF files; name one: \(files.prefix(8).joined(separator: ", "))")
        }
        return .gguf(joinPath(folder, file))
    }

    private static func isFirstShard(_ name: String) -> Bool { GGUFShardName(name).map { $0.index == 0 } ?? true }

    private static func weights(file: String) throws -> Weights {
        if isGGUF(file) { return .gguf(file) }
        if file.hasSuffix(".safetensors") { return .safetensors(file) }
        if file.hasSuffix(".safetensors.index.json") || file.hasSuffix(".bin.index.json") { return .index(file) }
        if [".bin", ".pt", ".pth"].contains(where: file.hasSuffix) { return .pickle(file) }
        throw LoadError.unsupportedFile(
            path: file,
            reason: "is no model; expected a folder, a .safetensors, .gguf or .bin file, or the index of shards")
    }

    /// Whether the file at `path` is a GGUF file by its first bytes, or claims to be one by its name.
    public static func isGGUF(_ path: String) -> Bool {
        guard PathKind(path) == .file else { return false }
        if path.hasSuffix(".gguf") { return true }
        guard let file = try? OpenFile(reading: path) else { return false }
        return file.prefix(4) == GGUFFile.magic
    }
}
