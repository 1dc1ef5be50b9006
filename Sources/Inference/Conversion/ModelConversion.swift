internal import JSONCore
public import ModelIO
internal import Tokenization

extension QuantizationInput {
    /// Opens a model to be written as a GGUF file: a GGUF file, or a Hugging Face folder with its tokenizer.
    ///
    /// A tokenizer that GGUF files have no form for is left out, which `notices` says.
    /// - Throws: `LoadError`, `QuantizationError`, `TokenizationError`.
    public init(path: String) throws {
        let location = try ModelLocation(path)
        if case .gguf(let file) = location.weights {
            try self.init(gguf: file)
            return
        }
        let configuration = try ModelConfiguration(location)
        try self.init(
            configuration, checkpoint: try location.openCheckpoint(), name: QuantizationInput.name(of: location))
        try addPooling(location)
        try addTokenizer(location, configuration)
    }

    /// How an encoder's hidden states become one embedding, where the folder of a sentence transformer says it.
    private mutating func addPooling(_ location: ModelLocation) throws {
        let name = "1_Pooling/config.json"
        guard architecture == "bert", !has("bert.pooling_type"),
            let bytes = try location.contents(of: name, maximum: 1 << 20)
        else { return }
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: bytes, source: location.file(name)).root
        } catch {
            throw LoadError.json(error)
        }
        let modes = [("pooling_mode_mean_tokens", 1), ("pooling_mode_cls_token", 2), ("pooling_mode_lasttoken", 3)]
        let chosen = modes.filter { root[$0.0]?.bool == true }
        guard chosen.count == 1, let mode = chosen.first else {
            addNotice("\(location.file(name)): GGUF files have no form for this pooling; the file names none")
            return
        }
        add("bert.pooling_type", .uint32(UInt32(mode.1)))
    }

    /// The last part of the folder's path.
    private static func name(of location: ModelLocation) -> String {
        location.folder.split(separator: "/").last { $0 != "." && $0 != ".." }.map(String.init) ?? "model"
    }

    private mutating func addTokenizer(_ location: ModelLocation, _ configuration: ModelConfiguration) throws {
        let generation = try GenerationConfiguration(location, configuration: configuration)
        guard let (bytes, file) = try Tokenizer.json(ofFolder: location.folder) else {
            addNoTokenizer(generation, "\(location.folder) holds no tokenizer; the file will have none")
            return
        }
        let tokenizer = try Tokenizer(folder: location.folder)
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: bytes, source: file).root
        } catch {
            throw LoadError.json(error)
        }
        let text = try configuration.textModel(ofType: "gemma3_text")
        let rows = try text.keys.size("vocab_size", maximum: SizeLimit.vocabulary)
        let export = GGUFTokenizerExport(
            root: root, tokenizer: tokenizer, path: file, rowCount: rows, generation: generation)
        guard let entries = try export.entries() else {
            addNoTokenizer(generation, "\(file): GGUF files have no form for this tokenizer; the file will have none")
            return
        }
        for (key, value) in entries { add(key, value) }
    }

    /// The end-of-sequence tokens are written all the same.
    private mutating func addNoTokenizer(_ generation: GenerationConfiguration, _ notice: String) {
        add("tokenizer.ggml.model", .string("no_vocab"))
        let ends = zip(["eos", "eot", "eom"], generation.eosTokenIDs.map(Optional.some))
        let ids = [("bos", generation.bosTokenID)] + ends
        for case (let name, let id?) in ids { add("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(clamping: id))) }
        addNotice(notice)
    }
}
