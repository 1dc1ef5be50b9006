import ArgumentParser
import Inference
import ModelIO
import Tokenization

/// The tokenizer of what `--model` names. Needs no weights: a folder that holds nothing but a `tokenizer.json` will do.
enum TokenizerSource {
    /// - Parameter model: a folder, a file beside the tokenizer, or `nil` for the bundled model.
    /// - Throws: `TokenizationError`, or `LoadError` where the path is wrong.
    static func load(model: String?) throws -> Tokenizer {
        guard let model else { return try bundled() }
        guard !model.isEmpty else { throw ValidationError("--model is empty; name a folder or leave it out") }
        if ModelLocation.isGGUF(model) { return try gguf(model) }
        return try Tokenizer(folder: isFile(model) ? ModelLocation(model).folder : model)
    }

    private static func bundled() throws -> Tokenizer {
        guard let tokenizer = try ModelPackage.bundled().tokenizer else {
            throw InferenceError.tokenizerMissing(path: ModelPackage.bundledName)
        }
        return tokenizer
    }

    private static func gguf(_ path: String) throws -> Tokenizer {
        guard let tokenizer = try Tokenizer(gguf: GGUFModel(path: path).metadata) else {
            throw InferenceError.tokenizerMissing(path: path)
        }
        return tokenizer
    }

    private static func isFile(_ path: String) -> Bool {
        [".safetensors", ".json"].contains { path.hasSuffix($0) }
    }
}
