import ArgumentParser
internal import BundledModel
import ModelIO
import Tokenization

/// The tokenizer of what `--model` names. Needs no weights: a folder that holds nothing but a `tokenizer.json` will do.
enum TokenizerSource {
    /// - Parameter model: a folder, a file beside the tokenizer, or `nil` for the bundled model.
    /// - Throws: `TokenizationError`, or `LoadError` where the path is wrong.
    static func load(model: String?) throws -> Tokenizer {
        guard let model else { return try bundled() }
        guard !model.isEmpty else { throw ValidationError("--model is empty; name a folder or leave it out") }
        return try Tokenizer(folder: isFile(model) ? ModelLocation(model).folder : model)
    }

    private static func bundled() throws -> Tokenizer {
        guard let file = bundled_model_find("tokenizer.json") else {
            throw CommandError.unsupported(
                option: "--model", value: "left out", reason: "this binary holds no model; name one")
        }
        let bytes = UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.byte_count)
        return try Tokenizer(json: Array(bytes), source: "bundled tokenizer.json")
    }

    private static func isFile(_ path: String) -> Bool {
        [".safetensors", ".json", ".gguf"].contains { path.hasSuffix($0) }
    }
}
