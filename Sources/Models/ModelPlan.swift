public import ModelIO
public import TensorCore

/// What a model does.
public enum ModelKind: Sendable, Hashable, CaseIterable {
    /// Continues a text.
    case decoder
    /// Answers about a text, all of whose tokens it sees.
    case encoder
    /// Writes one text after reading another.
    case encoderDecoder
    /// Answers about images, or makes them.
    case vision
}

/// A model whose configuration has been read and checked, ready to be loaded. `ModelRegistry.plan` makes it.
public enum ModelPlan: Sendable {
    case decoder(DecoderPlan)
    case encoder(EncoderPlan)
    case encoderDecoder(EncoderDecoderPlan)
    case vision(VisionPlan)

    public var kind: ModelKind {
        switch self {
        case .decoder: .decoder
        case .encoder: .encoder
        case .encoderDecoder: .encoderDecoder
        case .vision: .vision
        }
    }
}

public typealias DecoderPlan = LoadablePlan<DecoderDescription, any DecoderModel>
public typealias EncoderPlan = LoadablePlan<EncoderDescription, any EncoderModel>
public typealias EncoderDecoderPlan = LoadablePlan<EncoderDecoderDescription, any EncoderDecoderModel>

/// The plan of a model of one kind: its sizes, and how its tensors get onto a backend.
public struct LoadablePlan<Description: Sendable, Model>: Sendable {
    public let configuration: ModelConfiguration
    /// The sizes that the engine, the cache and the command line need.
    public let description: Description
    /// What may stand before the names of tensors, such as `model.`; the first prefix that fits counts.
    private let prefixes: [String]
    private let make: @Sendable (WeightLoader, LoadTarget) throws -> Model

    /// - Parameter make: loads the model; it holds what was read from the configuration.
    init(
        _ configuration: ModelConfiguration, _ description: Description, prefixes: [String] = [""],
        make: @escaping @Sendable (WeightLoader, LoadTarget) throws -> Model
    ) {
        self.configuration = configuration
        self.description = description
        self.prefixes = prefixes
        self.make = make
    }

    /// Loads the model's weights onto a backend. Blocks.
    /// - Throws: `LoadError` for missing or misshapen tensors, `BackendError` for the device.
    public func load(_ checkpoint: Checkpoint, to target: LoadTarget) throws -> Model {
        try make(WeightLoader(checkpoint, prefixes: prefixes), target)
    }
}

extension LoadablePlan where Description == EncoderDecoderDescription, Model == any EncoderDecoderModel {
    /// The plan of the decoder, as the engine's passes run it.
    public var target: DecoderPlan {
        DecoderPlan(configuration, description.target, prefixes: prefixes) { SourceDecoder(try make($0, $1)) }
    }
}

/// Where a model is loaded to, and in what format.
public struct LoadTarget: Sendable {
    public let backend: any Backend
    /// Of an encoder's, `tokenCount` and `logitRowCount` are the tokens and sequences of a pass; of an encoder-decoder's, the
    /// source and target tokens.
    public var limits: PassLimits
    /// The format of the matrices; `nil`: as they are stored.
    public let format: WeightFormat?
    public let precision: MatmulPrecision
    /// Layers of fewer weights keep FP32 activations where nothing else is asked for.
    public var leastRoundedWeightCount = MatmulPrecision.leastWeightsWorthRounding
    /// Adapters that rows of decoders take by number.
    public let adapters: AdapterSet?

    public init(
        backend: any Backend, limits: PassLimits, format: WeightFormat?, precision: MatmulPrecision = .automatic,
        adapters: AdapterSet? = nil
    ) {
        self.adapters = adapters
        self.backend = backend
        self.limits = limits
        self.format = format
        self.precision = precision
    }
}
