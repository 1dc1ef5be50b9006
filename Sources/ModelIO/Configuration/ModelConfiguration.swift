internal import JSONCore
public import TensorCore

/// The largest sizes that a configuration may have. A file with larger ones is broken or hostile.
public enum SizeLimit {
    /// Features of a layer.
    public static let width = 1 << 24
    public static let vocabulary = 1 << 28
    public static let layers = 4096
    public static let heads = 1 << 16
    /// Tokens of a context.
    public static let positions = 1 << 24
}

/// A model's `config.json`, read key by key: every reader takes the spellings a key has had (the first one present
/// counts, `null` is absent) and throws an error that names the file and the key.
public struct ModelConfiguration: Sendable {
    /// The longest file that is read.
    package static let maximumByteCount = 16_000_000

    public let path: String
    /// `model_type`, such as `llama`.
    public let modelType: String
    /// `architectures`, such as `LlamaForCausalLM`; may be empty.
    public let architectures: [String]
    /// The differences between this file's tensors and those of the hub's checkpoints.
    public let layout: TensorLayout
    private let source: any ConfigurationSource
    /// Where keys are looked up that the configuration does not have.
    private var defaults: (any ConfigurationSource)?
    /// The prefix of its keys in errors.
    private var prefix = ""

    /// Reads a `config.json`.
    /// - Throws: `LoadError` naming the file and the key.
    public init(path: String) throws {
        let bytes = try OpenFile(reading: path).readAll(maximum: ModelConfiguration.maximumByteCount)
        try self.init(parsing: bytes, path: path)
    }

    /// Reads the `config.json` of a model, or the metadata of a GGUF file.
    /// - Throws: `LoadError` naming the file and the key.
    public init(_ location: ModelLocation) throws {
        if case .gguf(let file) = location.weights {
            self = try GGUFModel(path: file).configuration()
            return
        }
        try self.init(path: location.file("config.json"))
    }

    /// Reads the text of a `config.json`; errors name `path`. Keys that are left out have the values that
    /// `transformers` gives them.
    public init(parsing bytes: [UInt8], path: String) throws {
        try self.init(parseConfigurationObject(bytes, path: path), path: path, assumesDefaults: true)
    }

    /// Reads keys from any source.
    /// - Parameter assumesDefaults: whether keys that are left out have the values that `transformers` gives them.
    /// - Throws: `LoadError` naming the key.
    package init(
        _ source: any ConfigurationSource, path: String, layout: TensorLayout = .huggingFace,
        assumesDefaults: Bool = false
    ) throws {
        let reader = ConfigurationReader(source, path: path)
        self.source = source
        self.layout = layout
        self.path = path
        // Folders of timm give an architecture instead of a type; those that `transformers` has written of them, both.
        let type = try reader.optionalString("model_type")
        let timm = type == nil || type == "timm_wrapper" ? try reader.optionalString("architecture") : nil
        self.modelType = try timm ?? type ?? reader.string("model_type")
        self.architectures = try reader.strings("architectures") ?? []
        if assumesDefaults, let text = ModelConfiguration.referenceDefaults(of: modelType) {
            defaults = try parseConfigurationObject(Array(text.utf8), path: "defaults of \(modelType)")
        }
        // A quantisation scheme that is not supported is an error before anything is loaded.
        _ = try PrequantizedScheme(self)
    }

    /// The keys of the outermost object.
    public var keys: ConfigurationReader {
        ConfigurationReader(source, path: path, prefix: prefix, defaults: defaults)
    }

    /// The language model of a model that takes images as well: the object under `text_config`, if there is one. Such
    /// configurations leave out what their library assumes.
    /// - Parameter type: the model type whose defaults apply.
    /// - Throws: `LoadError`.
    public func textModel(ofType type: String) throws -> ModelConfiguration {
        guard let text = try keys.object("text_config") else { return self }
        let defaults = try ModelConfiguration.referenceDefaults(of: type).map {
            try parseConfigurationObject(Array($0.utf8), path: "defaults of \(type)")
        }
        return ModelConfiguration(
            path: path, modelType: modelType, architectures: architectures, layout: layout, source: text.source,
            defaults: defaults,
            prefix: text.prefix)
    }

    private init(
        path: String, modelType: String, architectures: [String], layout: TensorLayout,
        source: any ConfigurationSource, defaults: (any ConfigurationSource)?, prefix: String
    ) {
        self.path = path
        self.modelType = modelType
        self.architectures = architectures
        self.layout = layout
        self.source = source
        self.defaults = defaults
        self.prefix = prefix
    }

    /// The element type that the weights were saved in (`dtype`, formerly `torch_dtype`), or `nil` where it is not said
    /// or none of the engine's.
    public func declaredType() throws -> DType? {
        guard let name = try keys.optionalString("dtype", "torch_dtype") else { return nil }
        return DType(rawValue: name.hasPrefix("torch.") ? String(name.dropFirst("torch.".count)) : name)
    }

    /// Whether the head shares the embedding's weights; where the file does not say, what `transformers` assumes for
    /// the model type.
    public func tiesWordEmbeddings() throws -> Bool {
        let untied: Set<String> = [
            "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "phi", "phi3", "gpt_neox",
            "gptj", "granite", "internlm2", "olmo2", "olmo3", "exaone4", "stablelm", "glm", "glm4",
            "olmoe", "granitemoe", "granitemoeshared",
        ]
        return try keys.flag("tie_word_embeddings", default: !untied.contains(modelType))
    }

    /// The features inside an expert that all tokens share; `nil` where there is none. Other families do not read the keys.
    public func sharedExpertSize() throws -> Int? {
        guard ["qwen2_moe", "granitemoeshared"].contains(modelType) else { return nil }
        let size = try keys.optionalInteger(
            "shared_expert_intermediate_size", "shared_intermediate_size", in: 0...SizeLimit.width)
        return size == 0 ? nil : size
    }

    /// Whether the class of the checkpoint generates text, judged by its name: `…Model` and
    /// `…ForSequenceClassification` do not.
    public var hasLanguageModelHead: Bool {
        guard let name = architectures.first else { return true }
        let isBare = name.hasSuffix("Model") && !name.hasSuffix("LMHeadModel")
        return !isBare && !name.hasSuffix("ForSequenceClassification")
    }

    /// Which layers attend to a window, by `layer_types`; `nil` where the file has none.
    /// - Throws: `LoadError.contradiction` where there are not as many types as layers; `.unsupportedValue` for others.
    public func slidingLayers(layerCount: Int) throws -> [Bool]? {
        let key = "layer_types"
        guard let types = try keys.strings(key) else { return nil }
        guard types.count == layerCount else {
            throw LoadError.contradiction(
                path: path, keys: [key, "num_hidden_layers"], reason: "\(types.count) types for \(layerCount) layers")
        }
        return try types.map { type in
            guard ["sliding_attention", "full_attention"].contains(type) else {
                throw LoadError.unsupportedValue(
                    path: path, key: key, value: printable(type), supported: ["sliding_attention", "full_attention"])
            }
            return type == "sliding_attention"
        }
    }

    /// Tokens that a query sees, itself included, or `nil` where all: `sliding_window`, unless `use_sliding_window` is
    /// false.
    public func slidingWindow() throws -> Int? {
        guard try keys.flag("use_sliding_window", default: true) else { return nil }
        return try keys.optionalSize("sliding_window", maximum: SizeLimit.positions)
    }
}

/// Parses a JSON text whose outermost value must be an object.
func parseConfigurationObject(_ bytes: [UInt8], path: String) throws -> any ConfigurationSource {
    let root: JSONValue
    do {
        // Python writes NaN and Infinity into configurations.
        root = try JSONDocument(parsing: bytes, source: path, options: .init(allowsNonFiniteNumbers: true)).root
    } catch {
        throw LoadError.json(error)
    }
    guard root.kind == .object else {
        throw LoadError.invalidFile(path: path, reason: "is \(root.kind.name), expected an object")
    }
    return JSONConfiguration(object: root)
}
