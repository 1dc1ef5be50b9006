/// What a `--model` argument names: a Hugging Face folder, one safetensors file with its `config.json` beside it, or a
/// GGUF file, which holds everything.
public struct ModelLocation: Sendable, Hashable {
    /// How the weights are stored.
    public enum Weights: Sendable, Hashable {
        /// The path of one file.
        case safetensors(String)
        /// The path of a `*.safetensors.index.json`.
        case index(String)
        /// The path of a GGUF file, or of one of several.
        case gguf(String)
    }

    /// The argument as given.
    public let path: String
    /// The folder that holds `config.json`, the tokenizer and the rest.
    public let folder: String
    public let weights: Weights

    /// Finds a model's files. Opens none but to tell their kind.
    /// - Throws: `LoadError` naming the path and what was expected there.
    public init(_ path: String) throws {
        self.path = path
        switch PathKind(path) {
        case .missing(let reason): throw LoadError.unreadable(path: path.isEmpty ? "--model" : path, reason: reason)
        case .other: throw LoadError.unsupportedFile(path: path, reason: "is neither a folder nor a regular file")
        case .folder:
            folder = path
            weights = try ModelLocation.weights(in: path)
        case .file:
            folder = parentFolder(of: path)
            weights = try ModelLocation.weights(file: path)
        }
    }

    /// Opens the weights.
    /// - Throws: `LoadError`.
    public func openCheckpoint() throws -> Checkpoint {
        switch weights {
        case .safetensors(let file): try Checkpoint(safetensors: file)
        case .index(let file): try Checkpoint(index: file)
        case .gguf(let file): try GGUFModel(path: file).checkpoint()
        }
    }

    /// The path of a file beside the weights, whether it is there or not.
    public func file(_ name: String) -> String { joinPath(folder, name) }

    /// The path of a file beside the weights, or `nil` where there is none.
    public func existingFile(_ name: String) -> String? {
        let path = file(name)
        return PathKind(path) == .file ? path : nil
    }

    private static func weights(in folder: String) throws -> Weights {
        let single = joinPath(folder, "model.safetensors")
        if PathKind(single) == .file { return .safetensors(single) }
        let index = joinPath(folder, "model.safetensors.index.json")
        if PathKind(index) == .file { return .index(index) }
        let pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
        if let pickle = pickles.first(where: { PathKind(joinPath(folder, $0)) == .file }) {
            throw LoadError.unsupportedFile(
                path: joinPath(folder, pickle),
                reason: "pickled PyTorch weights are not read; save the model as safetensors")
        }
        throw LoadError.unreadable(
            path: folder, reason: "holds no model.safetensors and no model.safetensors.index.json")
    }

    private static func weights(file: String) throws -> Weights {
        if isGGUF(file) { return .gguf(file) }
        if file.hasSuffix(".safetensors") { return .safetensors(file) }
        if file.hasSuffix(".safetensors.index.json") { return .index(file) }
        throw LoadError.unsupportedFile(
            path: file,
            reason: "is no model; expected a folder, a .safetensors or .gguf file, or a .safetensors.index.json")
    }

    /// Whether the file at `path` is a GGUF file by its first bytes, or claims to be one by its name.
    public static func isGGUF(_ path: String) -> Bool {
        guard PathKind(path) == .file else { return false }
        if path.hasSuffix(".gguf") { return true }
        guard let file = try? OpenFile(reading: path) else { return false }
        return file.prefix(4) == GGUFFile.magic
    }
}
