public import ModelIO
public import TensorCore

/// The architectures that this build knows, by `model_type`.
public enum ModelRegistry {
    /// How to read a model's sizes, and how to make it from tensors whose names may carry one of the prefixes.
    private struct Architecture: Sendable {
        let prefixes: [String]
        let describe: @Sendable (ModelConfiguration) throws -> DecoderDescription
        let load: @Sendable (ModelConfiguration, WeightLoader, LoadTarget) throws -> any DecoderModel
    }

    private static let architectures: [String: Architecture] = [
        "gpt2": Architecture(
            prefixes: ["transformer.", ""],
            describe: { try GPT2Configuration($0).description },
            load: { try GPT2Model(configuration: GPT2Configuration($0), weights: $1, target: $2) }),
        "gpt_neox": Architecture(
            prefixes: ["gpt_neox.", ""],
            describe: { try GPTNeoXConfiguration($0).description },
            load: { try GPTNeoXModel(configuration: GPTNeoXConfiguration($0), weights: $1, target: $2) }),
        "llama": llama, "mistral": llama, "qwen2": llama, "qwen3": llama, "phi3": llama, "mixtral": llama,
        "qwen3_moe": llama,
        "gemma2": gemma, "gemma3_text": gemma, "gemma3": gemma,
    ]

    private static let llama = Architecture(
        prefixes: ["model.", ""],
        describe: { try LlamaConfiguration($0).description },
        load: { try LlamaModel(configuration: LlamaConfiguration($0), weights: $1, target: $2) })

    /// Of the models that take images as well, which are `gemma3`, the language model alone.
    private static let gemma = Architecture(
        prefixes: ["model.", "", "language_model.model.", "model.language_model."],
        describe: { try GemmaConfiguration($0).description },
        load: { try GemmaModel(configuration: GemmaConfiguration($0), weights: $1, target: $2) })

    /// The `model_type`s that `load` takes.
    public static var names: [String] { architectures.keys.sorted() }

    /// The sizes of a model, from its configuration alone.
    /// - Throws: `LoadError`; `.unsupportedValue` for an unknown `model_type`.
    public static func describe(_ configuration: ModelConfiguration) throws -> DecoderDescription {
        try architecture(configuration).describe(configuration)
    }

    /// Loads a model's weights onto a backend. Blocks.
    /// - Throws: `LoadError` for missing or misshapen tensors, `BackendError` for the device.
    public static func load(
        _ configuration: ModelConfiguration, checkpoint: Checkpoint, target: LoadTarget
    ) throws -> any DecoderModel {
        let architecture = try architecture(configuration)
        return try architecture.load(
            configuration, WeightLoader(checkpoint, prefixes: architecture.prefixes), target)
    }

    private static func architecture(_ configuration: ModelConfiguration) throws -> Architecture {
        guard let architecture = architectures[configuration.modelType] else {
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "model_type", value: configuration.modelType,
                supported: (names + encoderNames + encoderDecoderNames).sorted())
        }
        return architecture
    }
}

/// Where a model is loaded to, and in what format.
public struct LoadTarget: Sendable {
    public let backend: any Backend
    public let limits: PassLimits
    /// The format of the matrices; `nil`: as they are stored.
    public let format: WeightFormat?
    public let precision: MatmulPrecision

    public init(
        backend: any Backend, limits: PassLimits, format: WeightFormat?, precision: MatmulPrecision = .automatic
    ) {
        self.backend = backend
        self.limits = limits
        self.format = format
        self.precision = precision
    }
}
