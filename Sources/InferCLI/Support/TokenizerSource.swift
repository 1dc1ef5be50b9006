import ArgumentParser
import CommandSupport
import Foundation
import Inference
import Logging
import ModelIO
import Tokenization

/// The tokenizer of what `--model` names. Needs no weights: a folder that holds nothing but a tokenizer will do.
enum TokenizerSource {
    /// - Parameter model: a folder, a file beside the tokenizer, or `nil` for the bundled model.
    /// - Throws: `TokenizationError`, or `LoadError` where the path is wrong.
    static func load(model: String?) throws -> Tokenizer {
        guard let model else { return try bundled() }
        guard !model.isEmpty else { throw ValidationError("--model is empty; name a folder or leave it out") }
        let path = ModelFinder().resolve(model)
        if ModelLocation.isGGUF(path) { return try gguf(path) }
        let tokenizer = try folderTokenizer(path)
        for notice in tokenizer.notices { StandardErrorLog.logger(verbose: false).notice("\(notice)") }
        return tokenizer
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

    private static func folderTokenizer(_ path: String) throws -> Tokenizer {
        if isFile(path) { return try Tokenizer(folder: ModelLocation(path).folder) }
        // A folder with nothing but a GGUF file has its tokenizer in there.
        let hasTokenizer = Tokenizer.exists(inFolder: path)
        if !hasTokenizer, let location = try? ModelLocation(path), case .gguf(let file) = location.weights {
            return try gguf(file)
        }
        return try Tokenizer(folder: path)
    }

    private static func isFile(_ path: String) -> Bool {
        [".safetensors", ".json"].contains { path.hasSuffix($0) }
    }
}
