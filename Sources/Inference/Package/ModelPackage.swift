internal import KVCache
public import ModelIO
public import Models
internal import TensorCore
public import Tokenization

/// The files of one model: configuration, weights (mapped, not yet on a device), tokenizer and recommendations.
public struct ModelPackage: Sendable {
    /// The path, or the name of the bundled model; for errors and listings.
    public let name: String
    /// The model's `config.json`, or what stands for it.
    public let configuration: ModelConfiguration
    /// The model's tensors, mapped.
    public let checkpoint: Checkpoint
    /// The model's recommendations for generating text.
    public let generation: GenerationConfiguration
    /// `nil` where the model comes without one.
    public let tokenizer: Tokenizer?
    /// Compiles the constraints of requests for this tokenizer.
    let constraints = ConstraintCompiler()
    /// Adapters that requests name, kept apart from the weights.
    public private(set) var adapters: [NamedAdapter] = []

    /// Opens a Hugging Face folder, a `.safetensors` file with its configuration beside it, or a GGUF file.
    /// - Throws: `LoadError`, `TokenizationError`.
    public init(path: String) throws {
        let location = try ModelLocation(path)
        if case .gguf(let file) = location.weights {
            try self.init(gguf: file)
            return
        }
        let configuration = try ModelConfiguration(location)
        self.init(
            name: path, configuration: configuration, checkpoint: try location.openCheckpoint(),
            generation: try GenerationConfiguration(location, configuration: configuration),
            tokenizer: Tokenizer.exists(inFolder: location.folder) ? try Tokenizer(folder: location.folder) : nil)
    }

    package init(
        name: String, configuration: ModelConfiguration, checkpoint: Checkpoint, generation: GenerationConfiguration,
        tokenizer: Tokenizer?
    ) {
        self.name = name
        self.configuration = configuration
        self.checkpoint = checkpoint
        self.generation = generation
        self.tokenizer = tokenizer
    }

    /// The same model with adapters that each request may name: one in a batch takes what others there do not.
    /// - Throws: `InferenceError.invalidParameter` for two of one name; `LoadError` for one of another model.
    public func offering(_ adapters: [NamedAdapter]) throws -> ModelPackage {
        var package = self
        for adapter in adapters {
            guard kind == .decoder || kind == .encoderDecoder else {
                throw InferenceError.invalidParameter(
                    name: "adapter", value: adapter.name,
                    expected: "none: adapters of requests are for models that write text; merge it with --lora DIR")
            }
            guard !package.adapters.contains(where: { $0.name == adapter.name }) else {
                throw InferenceError.invalidParameter(
                    name: "adapter", value: adapter.name, expected: "a name that no other adapter has")
            }
            package.adapters.append(
                NamedAdapter(name: adapter.name, adapter: try arranged(adapter.adapter), scale: adapter.scale))
        }
        return package
    }

    /// Notices about the files: recommendations, ids and keys that were ignored, and why.
    public var notices: [String] { generation.notices + (tokenizer?.notices ?? []) }

    /// The sizes of a model that generates text, from its configuration alone.
    /// - Throws: `LoadError`; `InferenceError.notADecoder` for a model of another kind.
    public func describe() throws -> DecoderDescription {
        try decoderPlan().description
    }

    /// What a model that generates text is made of, from its configuration alone.
    /// - Throws: `LoadError`; `InferenceError.notADecoder` for a model of another kind.
    public func decoderPlan() throws -> DecoderPlan {
        try requireDecoder()
        return try ModelRegistry.decoderPlan(configuration)
    }

    /// What writes text: a decoder, or the one of an encoder-decoder.
    /// - Throws: `LoadError`; `InferenceError.notADecoder` for a model that writes none.
    public func generatorPlan() throws -> DecoderPlan {
        kind == .encoderDecoder ? try encoderDecoderPlan().target : try decoderPlan()
    }

    /// - Throws: `InferenceError.notADecoder` for a model that writes no text.
    public func requireGenerator() throws {
        if kind != .encoderDecoder { try requireDecoder() }
    }

    /// - Throws: `LoadError`, also for a model of another kind.
    public func encoderPlan() throws -> EncoderPlan { try ModelRegistry.encoderPlan(configuration) }

    /// - Throws: `LoadError`, also for a model of another kind.
    public func encoderDecoderPlan() throws -> EncoderDecoderPlan {
        try ModelRegistry.encoderDecoderPlan(configuration)
    }

    /// - Throws: `LoadError`, also for a model of another kind.
    public func visionPlan() throws -> VisionPlan { try ModelRegistry.visionPlan(configuration) }

    /// - Throws: `InferenceError.notADecoder` for a model of another kind.
    public func requireDecoder() throws {
        guard kind != .decoder else { return }
        throw InferenceError.notADecoder(
            path: name, architecture: configuration.architectures.first ?? configuration.modelType, kind: kind)
    }

    /// - Throws: `LoadError.missingTensor` for a decoder that has no head to write text with, as embedders and rerankers have
    ///   none.
    func requireHead() throws {
        guard kind != .encoderDecoder else { return }
        guard !configuration.hasLanguageModelHead, try !configuration.tiesWordEmbeddings() else { return }
        let heads = ["lm_head.weight", "embed_out.weight", "output.weight"]
        let weights = WeightLoader(checkpoint, prefixes: ["model.", ""])
        guard heads.contains(where: { weights.contains($0) }) else {
            throw LoadError.missingTensor(path: name, name: heads[0], tried: heads)
        }
    }

    /// What the model does: `Engine` runs decoders and encoder-decoders, `EncoderPass` encoders, `EncoderDecoderPass` encoder-decoders,
    /// `VisionPass` models of images.
    public var kind: ModelKind { ModelRegistry.kind(of: configuration) }

    /// The sizes of an encoder, from its configuration alone.
    /// - Throws: `LoadError`.
    public func describeEncoder() throws -> EncoderDescription { try encoderPlan().description }

    /// The sizes of an encoder-decoder, from its configuration alone.
    /// - Throws: `LoadError`.
    public func describeEncoderDecoder() throws -> EncoderDecoderDescription {
        try encoderDecoderPlan().description
    }

    /// A text as the ids that generation starts from, with the special tokens that the tokenizer adds. An empty text
    /// becomes the beginning-of-sequence token.
    /// - Throws: `InferenceError` where there is no tokenizer or nothing to begin with; `TokenizationError`.
    public func promptTokens(for text: String) throws -> [Int] {
        guard let tokenizer else { throw InferenceError.tokenizerMissing(path: name) }
        let tokens = try tokenizer.encode(text, addSpecialTokens: true)
        guard tokens.isEmpty else { return tokens }
        guard let start = generation.bosTokenID ?? generation.eosTokenIDs.first else {
            throw InferenceError.emptyPrompt
        }
        return [start]
    }

    /// Texts end before the first of these.
    var stopStrings: [String] { generation.stopStrings }

    /// The tokens that end a text.
    var endOfSequenceTokens: Set<Int> {
        if !generation.eosTokenIDs.isEmpty { return Set(generation.eosTokenIDs) }
        return Set([tokenizer?.id(for: .endOfSequence)].compactMap { $0 })
    }
}

extension ModelPackage {
    /// Loads the model for passes of the sizes that `options` give.
    func makeRunner(on backend: any Backend, options: EngineOptions, logitRowCount: Int) throws -> DecoderRunner {
        let set =
            adapters.isEmpty
            ? nil : try AdapterSet(adapters.map { (name: $0.name, adapter: $0.adapter, scale: $0.scale) })
        return try DecoderRunner(
            generatorPlan(), checkpoint: checkpoint, on: backend, options: options, logitRowCount: logitRowCount,
            adapters: set)
    }
}
