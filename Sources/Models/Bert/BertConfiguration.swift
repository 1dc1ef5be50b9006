import ModelIO
import TensorCore

/// What the `config.json` of BERT, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, ELECTRA, ALBERT, MPNet or DeBERTa says.
struct BertConfiguration: Sendable {
    let description: EncoderDescription
    let names: BertNames
    let layerNormEpsilon: Float
    let activation: Activation
    /// Of the layer before the vocabulary in the head that fills masks: RoBERTa's is GELU whatever the layers have.
    let headActivation: Activation
    /// Of the layer on the first token that a text's class is made of.
    let poolerActivation: Activation
    /// Whether tokens have vectors of their positions.
    let hasPositions: Bool
    /// How attention looks at distances; `nil`: not at all.
    let distances: DisentangledAttention?
    /// How distances share entries of a bias that all layers have (MPNet); `nil`: there is none.
    let buckets: RelativeBuckets?
    /// Layers that are one in the file (ALBERT): the groups, and layers of each that run behind one another.
    let sharedLayers: (groupCount: Int, innerCount: Int)?
    /// What the products of queries and keys are multiplied by.
    let attentionScale: Float

    init(_ file: ModelConfiguration) throws {
        let keys = file.keys
        let name = file.modelType
        let isDistilled = name == "distilbert"
        let isDeberta = file.modelType == "deberta-v2"
        let hiddenSize = try keys.size("hidden_size", "dim")
        let headCount = try keys.size("num_attention_heads", "n_heads", maximum: SizeLimit.heads)
        guard hiddenSize % headCount == 0, hiddenSize / headCount <= BertConfiguration.maximumHeadSize else {
            throw LoadError.contradiction(
                path: file.path, keys: isDistilled ? ["dim", "n_heads"] : ["hidden_size", "num_attention_heads"],
                reason: "\(hiddenSize) features do not split into \(headCount) heads of at most "
                    + "\(BertConfiguration.maximumHeadSize)")
        }
        try BertConfiguration.refuseVariants(file)
        if isDeberta { try BertConfiguration.refuseDebertaVariants(file, hiddenSize, headCount) }
        distances = isDeberta ? try DisentangledAttention(file) : nil
        let task = try EncoderTask(file)
        let isClassification = task == .sequenceClassification || task == .tokenClassification
        let usualSegmentCount = isDeberta ? 0 : 2
        let hasSegments = !isDistilled && name != "mpnet"
        let segments = try keys.optionalInteger("type_vocab_size", in: 0...SizeLimit.heads) ?? usualSegmentCount
        var sizes = EncoderDescription(
            architecture: file.modelType, task: task,
            layerCount: try keys.size("num_hidden_layers", "n_layers", maximum: SizeLimit.layers),
            hiddenSize: hiddenSize, headCount: headCount, headSize: hiddenSize / headCount,
            intermediateSize: try keys.size("intermediate_size", "hidden_dim"),
            vocabularySize: try keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            segmentCount: hasSegments ? segments : 0,
            positions: try BertConfiguration.positions(file),
            positionCount: try keys.size("max_position_embeddings", maximum: SizeLimit.positions),
            labels: isClassification ? try file.labels() : [])
        if let distances {
            // A text's tokens must lie without gaps, or their distances would be others.
            sizes.seesWindow = true
            sizes.distanceRowCount = distances.rowCount
        }
        buckets = name == "mpnet" ? try BertConfiguration.buckets(file, headCount: headCount) : nil
        if buckets != nil { sizes.seesWindow = true }
        if ["albert", "electra"].contains(name) { sizes.embeddingSize = try keys.size("embedding_size") }
        sharedLayers = name == "albert" ? try BertConfiguration.sharedLayers(file, layerCount: sizes.layerCount) : nil
        description = sizes
        guard description.maxTokenCount > 0 else {
            throw LoadError.contradiction(
                path: file.path, keys: ["max_position_embeddings", "pad_token_id"],
                reason: "no position is left for a token")
        }
        names = BertNames.known[name] ?? .bert
        let usualEpsilon = isDeberta ? 1e-7 : 1e-12
        layerNormEpsilon = Float(try keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? usualEpsilon)
        activation = try file.activation(isDistilled ? "activation" : "hidden_act")
        let hasOwnHeadActivation = BertConfiguration.robertas.contains(name) || ["mpnet", "electra"].contains(name)
        headActivation = hasOwnHeadActivation ? .geluErf : activation
        poolerActivation =
            switch name {
            case "distilbert": .relu
            case "electra": .geluErf
            case "deberta-v2": try file.activation("pooler_hidden_act", default: "gelu")
            default: .tanh
            }
        hasPositions = try !isDeberta || keys.flag("position_biased_input", default: true)
        let headSize = sizes.headSize
        attentionScale = distances?.scale(headSize: headSize) ?? 1 / Float(headSize).squareRoot()
    }

    /// The parts of DeBERTa that no version here computes.
    private static func refuseDebertaVariants(_ file: ModelConfiguration, _ width: Int, _ headCount: Int) throws {
        let expected = [
            ("conv_kernel_size", 0), ("embedding_size", width), ("pooler_hidden_size", width),
            ("attention_head_size", width / headCount),
        ]
        for (key, supported) in expected {
            guard let value = try file.keys.optionalInteger(key, in: -1...SizeLimit.width), value != supported else {
                continue
            }
            throw LoadError.unsupportedValue(
                path: file.path, key: key, value: "\(value)", supported: ["\(supported)"])
        }
    }

    /// What the attention kernels take.
    private static let maximumHeadSize = 256
    /// Elements of a table of biases.
    private static let maximumBiasCount = 1 << 26

    /// RoBERTa, trained on texts of other languages.
    private static let robertas = ["roberta", "xlm-roberta", "camembert"]

    /// ALBERT's layers: each group runs for its share of them, one after the other.
    private static func sharedLayers(
        _ file: ModelConfiguration, layerCount: Int
    ) throws -> (groupCount: Int, innerCount: Int) {
        let (groups, inner) = ("num_hidden_groups", "inner_group_num")
        let groupCount = try file.keys.optionalSize(groups, maximum: SizeLimit.layers) ?? 1
        let innerCount = try file.keys.optionalSize(inner, maximum: SizeLimit.layers) ?? 1
        guard groupCount <= layerCount, innerCount * layerCount <= SizeLimit.layers else {
            throw LoadError.contradiction(
                path: file.path, keys: [groups, inner, "num_hidden_layers"],
                reason: "\(groupCount) groups of \(innerCount) layers do not make \(layerCount) layers")
        }
        return (groupCount, innerCount)
    }

    /// MPNet's bias by distance.
    private static func buckets(_ file: ModelConfiguration, headCount: Int) throws -> RelativeBuckets {
        let buckets = try RelativeBuckets(file)
        // transformers computes entries of a table of 32 whatever the file says.
        guard buckets.count == 32 else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "relative_attention_num_buckets", value: "\(buckets.count)", supported: ["32"])
        }
        guard headCount <= maximumBiasCount / (2 * buckets.maximum + 1) else {
            throw LoadError.contradiction(
                path: file.path, keys: ["num_attention_heads", "relative_attention_max_distance"],
                reason: "biases of \(headCount) heads for distances to \(buckets.maximum) are too many")
        }
        return buckets
    }

    /// The prefix of each layer's tensors, in the order in which layers run.
    var layerPrefixes: [String] {
        let layers = 0..<description.layerCount
        guard let sharedLayers else { return layers.map { "\(names.layerPrefix)\($0)." } }
        return layers.flatMap { index in
            let group = index * sharedLayers.groupCount / description.layerCount
            return (0..<sharedLayers.innerCount).map { "\(names.layerPrefix)\(group).albert_layers.\($0)." }
        }
    }

    /// RoBERTa counts positions from behind its padding token's id, MPNet from behind 1.
    private static func positions(_ file: ModelConfiguration) throws -> EncoderDescription.Positions {
        if file.modelType == "mpnet" { return .behindPadding(id: 1) }
        guard robertas.contains(file.modelType) else { return .counted }
        let range = 0...SizeLimit.positions - 1
        return .behindPadding(id: try file.keys.optionalInteger("pad_token_id", in: range) ?? 1)
    }

    private static func refuseVariants(_ file: ModelConfiguration) throws {
        let kind = try file.keys.optionalString("position_embedding_type") ?? "absolute"
        guard kind == "absolute" else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "position_embedding_type", value: kind, supported: ["absolute"])
        }
        for key in ["is_decoder", "add_cross_attention"] where try file.keys.flag(key, default: false) {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: "true", supported: ["false"])
        }
    }

    /// The plan of a model with this configuration, which was read from `file`.
    func plan(_ file: ModelConfiguration) -> EncoderPlan {
        EncoderPlan(file, description, prefixes: names.prefixes) {
            try BertModel(configuration: self, weights: $0, target: $1)
        }
    }
}

extension EncoderTask {
    /// What the classes of checkpoints end in.
    private static let classes: [(suffix: String, task: EncoderTask)] = [
        ("ForMaskedLM", .maskedLanguageModel), ("ForNextSentencePrediction", .nextSentence),
        ("ForSequenceClassification", .sequenceClassification), ("ForTokenClassification", .tokenClassification),
        ("ForQuestionAnswering", .questionAnswering), ("Model", .hiddenStates),
        // Hidden states with one more layer, which ``Embedder`` in Inference applies.
        ("ColBERT", .hiddenStates),
    ]

    /// By the first of the configuration's `architectures`; without one, no head.
    /// - Throws: `LoadError.unsupportedValue` for a class that is not known.
    init(_ file: ModelConfiguration) throws {
        guard let name = file.architectures.first else {
            self = .hiddenStates
            return
        }
        guard let known = EncoderTask.classes.first(where: { name.hasSuffix($0.suffix) }) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "architectures", value: name,
                supported: EncoderTask.classes.map { "…" + $0.suffix })
        }
        self = known.task
    }
}

/// What checkpoints call the tensors of the family.
struct BertNames: Sendable {
    /// Prefixes of all but the head's.
    let prefixes: [String]
    let layerPrefix: String
    let query: String
    let key: String
    let value: String
    let attentionOutput: String
    let attentionNorm: String
    let up: String
    let down: String
    let outputNorm: String

    /// By `model_type`, where they are not BERT's.
    static let known: [String: BertNames] = [
        "distilbert": distilBert, "deberta-v2": deberta, "electra": electra, "albert": albert, "mpnet": mpnet,
    ]

    static let electra = BertNames(
        prefixes: ["electra.", ""], layerPrefix: bert.layerPrefix, query: bert.query, key: bert.key,
        value: bert.value, attentionOutput: bert.attentionOutput, attentionNorm: bert.attentionNorm, up: bert.up,
        down: bert.down, outputNorm: bert.outputNorm)

    static let albert = BertNames(
        prefixes: ["albert.", ""], layerPrefix: "encoder.albert_layer_groups.", query: "attention.query",
        key: "attention.key", value: "attention.value", attentionOutput: "attention.dense",
        attentionNorm: "attention.LayerNorm", up: "ffn", down: "ffn_output", outputNorm: "full_layer_layer_norm")

    static let mpnet = BertNames(
        prefixes: ["mpnet.", ""], layerPrefix: "encoder.layer.", query: "attention.attn.q", key: "attention.attn.k",
        value: "attention.attn.v", attentionOutput: "attention.attn.o", attentionNorm: "attention.LayerNorm",
        up: "intermediate.dense", down: "output.dense", outputNorm: "output.LayerNorm")

    static let bert = BertNames(
        prefixes: ["bert.", "roberta.", ""], layerPrefix: "encoder.layer.", query: "attention.self.query",
        key: "attention.self.key", value: "attention.self.value", attentionOutput: "attention.output.dense",
        attentionNorm: "attention.output.LayerNorm", up: "intermediate.dense", down: "output.dense",
        outputNorm: "output.LayerNorm")

    static let deberta = BertNames(
        prefixes: ["deberta.", ""], layerPrefix: "encoder.layer.", query: "attention.self.query_proj",
        key: "attention.self.key_proj", value: "attention.self.value_proj",
        attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
        up: "intermediate.dense", down: "output.dense", outputNorm: "output.LayerNorm")

    static let distilBert = BertNames(
        prefixes: ["distilbert.", ""], layerPrefix: "transformer.layer.", query: "attention.q_lin",
        key: "attention.k_lin", value: "attention.v_lin", attentionOutput: "attention.out_lin",
        attentionNorm: "sa_layer_norm", up: "ffn.lin1", down: "ffn.lin2", outputNorm: "output_layer_norm")
}
