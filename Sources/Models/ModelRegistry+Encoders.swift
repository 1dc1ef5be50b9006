public import ModelIO

/// The encoders that this build knows, by `model_type`; which head one has, its `architectures` say.
extension ModelRegistry {
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

    /// Whether the model is an encoder, which `loadEncoder` takes and `load` does not.
    public static func isEncoder(_ configuration: ModelConfiguration) -> Bool {
        encoders[configuration.modelType] != nil
    }

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
}
