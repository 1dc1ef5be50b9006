public import ModelIO

/// What a model does.
public enum ModelKind: Sendable, Hashable {
    /// Continues a text: `ModelRegistry.load`.
    case decoder
    /// Answers about a text, all of whose tokens it sees: `ModelRegistry.loadEncoder`.
    case encoder
    /// Writes one text after reading another: `ModelRegistry.loadEncoderDecoder`.
    case encoderDecoder
}

/// The encoders and encoder-decoders that this build knows, by `model_type`; which head one has, its `architectures` say.
extension ModelRegistry {
    /// What a model does; one that is not known here counts as a decoder, as which loading it fails.
    public static func kind(of configuration: ModelConfiguration) -> ModelKind {
        if encoders[configuration.modelType] != nil { return .encoder }
        return encoderDecoders[configuration.modelType] != nil ? .encoderDecoder : .decoder
    }

    // MARK: Encoders

    /// How to read an encoder's sizes, and how to make it.
    private struct Encoder: Sendable {
        let describe: @Sendable (ModelConfiguration) throws -> EncoderDescription
        let load: @Sendable (ModelConfiguration, Checkpoint, LoadTarget) throws -> any EncoderModel
    }

    private static let bert = Encoder(
        describe: { try BertConfiguration($0).description },
        load: { file, checkpoint, target in
            let configuration = try BertConfiguration(file)
            return try BertModel(
                configuration: configuration, weights: WeightLoader(checkpoint, prefixes: configuration.names.prefixes),
                target: target)
        })

    private static let encoders: [String: Encoder] = [
        "bert": bert, "roberta": bert, "xlm-roberta": bert, "distilbert": bert,
    ]

    /// The `model_type`s that `loadEncoder` takes.
    public static var encoderNames: [String] { encoders.keys.sorted() }

    /// The sizes of an encoder, from its configuration alone.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is no encoder's.
    public static func describeEncoder(_ configuration: ModelConfiguration) throws -> EncoderDescription {
        try encoder(configuration).describe(configuration)
    }

    /// Loads an encoder's weights onto a backend. Blocks.
    ///
    /// Of the target's limits, `tokenCount` and `logitRowCount` count: tokens and sequences of a pass.
    /// - Throws: `LoadError` for missing or misshapen tensors, `BackendError` for the device.
    public static func loadEncoder(
        _ configuration: ModelConfiguration, checkpoint: Checkpoint, target: LoadTarget
    ) throws -> any EncoderModel {
        try encoder(configuration).load(configuration, checkpoint, target)
    }

    private static func encoder(_ configuration: ModelConfiguration) throws -> Encoder {
        guard let encoder = encoders[configuration.modelType] else {
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "model_type", value: configuration.modelType, supported: encoderNames)
        }
        return encoder
    }

    // MARK: Encoder-decoders

    /// How to read an encoder-decoder's sizes, and how to make it.
    private struct EncoderDecoder: Sendable {
        let describe: @Sendable (ModelConfiguration) throws -> EncoderDecoderDescription
        let load: @Sendable (ModelConfiguration, Checkpoint, LoadTarget) throws -> any EncoderDecoderModel
    }

    private static let t5 = EncoderDecoder(
        describe: { try T5Configuration($0).description },
        load: { try T5Model(configuration: T5Configuration($0), weights: WeightLoader($1), target: $2) })

    private static let bart = EncoderDecoder(
        describe: { try BartConfiguration($0).description },
        load: {
            try BartModel(
                configuration: BartConfiguration($0), weights: WeightLoader($1, prefixes: ["model.", ""]), target: $2)
        })

    private static let encoderDecoders: [String: EncoderDecoder] = [
        "t5": t5, "mt5": t5, "bart": bart, "mbart": bart, "marian": bart, "pegasus": bart, "m2m_100": bart,
    ]

    /// The `model_type`s that `loadEncoderDecoder` takes.
    public static var encoderDecoderNames: [String] { encoderDecoders.keys.sorted() }

    /// The sizes of an encoder-decoder, from its configuration alone.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is no encoder-decoder's.
    public static func describeEncoderDecoder(
        _ configuration: ModelConfiguration
    ) throws -> EncoderDecoderDescription {
        try encoderDecoder(configuration).describe(configuration)
    }

    /// Loads an encoder-decoder's weights onto a backend. Blocks.
    ///
    /// Of the target's limits, `tokenCount` and `logitRowCount` count: source and target tokens of a pass.
    /// - Throws: `LoadError` for missing or misshapen tensors, `BackendError` for the device.
    public static func loadEncoderDecoder(
        _ configuration: ModelConfiguration, checkpoint: Checkpoint, target: LoadTarget
    ) throws -> any EncoderDecoderModel {
        try encoderDecoder(configuration).load(configuration, checkpoint, target)
    }

    private static func encoderDecoder(_ configuration: ModelConfiguration) throws -> EncoderDecoder {
        guard let model = encoderDecoders[configuration.modelType] else {
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "model_type", value: configuration.modelType,
                supported: encoderDecoderNames)
        }
        return model
    }
}
