import Inference
import JSONCore
import KVCache
import ModelIO
import Models
import TensorCore
import Tokenization

/// What `infer inspect` shows. Sizes that a configuration does not state are left out.
struct ModelInspection {
    /// The tensors of one number format.
    struct FormatShare {
        let name: String
        var tensorCount = 0
        var parameterCount = 0
        var byteCount = 0
    }

    let name: String
    let configuration: ModelConfiguration
    let checkpoint: Checkpoint
    let kind: ModelKind
    /// What an encoder is; `nil` for other models, and where this version does not have its head.
    let encoder: EncoderDescription?
    /// What a decoder is; `nil` for other models, and where this version cannot run it.
    let decoder: DecoderDescription?
    /// Why this version cannot run the model; `nil`: it can.
    let obstacle: String?
    /// What a model of images is; `nil` for other models, and where this version does not have it.
    let vision: VisionInspection?
    let layerCount: Int?
    let attention: AttentionGeometry?
    let vocabularySize: Int?
    /// Tokens of the longest context the model was made for.
    let maximumContextLength: Int?
    let formats: [FormatShare]
    let tokenizer: Tokenizer?
    /// Tokens that memory is computed for.
    let contextLength: Int?
    /// The cache as an engine allocates it for one sequence.
    let cache: KVCacheShape?

    /// - Throws: `LoadError` or `TokenizationError` naming the file that is broken.
    init(_ package: ModelPackage, contextLength: Int?, cacheFormat: DType?) throws {
        name = package.name
        configuration = package.configuration
        checkpoint = package.checkpoint
        vision = try package.kind == .vision ? VisionInspection.known(package) : nil
        kind = package.kind
        var plan: ModelPlan?
        do {
            plan = try ModelRegistry.plan(package.configuration)
            obstacle = nil
        } catch let error as LoadError {
            obstacle = error.description
        }
        encoder = if case .encoder(let plan) = plan { plan.description } else { nil }
        decoder = if case .decoder(let plan) = plan { plan.description } else { nil }
        let keys = configuration.keys
        layerCount = try keys.optionalSize(
            "num_hidden_layers", "n_layer", "num_layers", "n_layers", maximum: SizeLimit.layers)
        let hasHeads = keys.value("num_attention_heads", "n_head", "num_heads", "n_heads") != nil
        attention = hasHeads ? try configuration.attentionGeometry() : nil
        vocabularySize = try keys.optionalSize("vocab_size", maximum: SizeLimit.vocabulary)
        maximumContextLength =
            try encoder?.maxTokenCount ?? decoder?.maxContextLength
            ?? keys.optionalSize("max_position_embeddings", "n_positions", maximum: SizeLimit.positions)
        formats = Self.shares(of: checkpoint)
        tokenizer = package.tokenizer
        cache = decoder.map {
            EngineOptions(contextLength: contextLength, cacheType: cacheFormat)
                .cacheShape(of: $0, weights: package.checkpoint)
        }
        self.contextLength =
            contextLength ?? cache.map { $0.blockCount * $0.blockSizeInTokens } ?? maximumContextLength
    }

    /// Whether this version has the architecture and understands its configuration.
    var isRunnable: Bool { obstacle == nil }

    /// Bytes of an encoder's intermediate results for a text of `contextLength` tokens; `nil` for other models.
    var activationByteCount: Int? {
        guard let encoder, let contextLength else { return nil }
        return encoder.activationByteCount(tokenCount: contextLength)
    }

    /// Tokens that the cache has room for.
    var cacheTokenCount: Int? { cache.map { $0.blockCount * $0.blockSizeInTokens } }

    /// Bytes of keys and values as they are allocated, or `nil` where the product cannot be addressed.
    var cacheByteCount: Int? { cache.flatMap { try? $0.byteCount() } }

    /// Tokens that a query sees in layers with a sliding window, each with the number of its layers, shortest first.
    var slidingWindows: [(tokenCount: Int, layerCount: Int)] {
        let windows = Dictionary(grouping: decoder?.slidingWindows.compactMap(\.self) ?? [], by: \.self)
        return windows.map { ($0.key, $0.value.count) }.sorted { $0.tokenCount < $1.tokenCount }
    }

    /// Bytes of weights and of the cache or the intermediate results.
    var neededByteCount: Int {
        let (sum, overflow) = checkpoint.byteCount.addingReportingOverflow(cacheByteCount ?? activationByteCount ?? 0)
        return overflow ? .max : sum
    }

    /// In order of their bytes, largest first.
    private static func shares(of checkpoint: Checkpoint) -> [FormatShare] {
        var shares: [StoredType: FormatShare] = [:]
        for tensor in checkpoint.tensors.values {
            var share = shares[tensor.type] ?? FormatShare(name: tensor.type.rawValue)
            share.tensorCount += 1
            share.parameterCount += tensor.shape.elementCount
            share.byteCount += tensor.bytes.byteCount
            shares[tensor.type] = share
        }
        return shares.values.sorted { ($0.byteCount, $1.name) > ($1.byteCount, $0.name) }
    }
}

/// Text for people.
extension ModelInspection {
    func text(listsTensors: Bool, listsLayers: Bool) -> String {
        var rows: [(String, String)] = [("model", name), ("architecture", architecture)]
        if let encoder { rows.append(("task", Self.task(of: encoder))) }
        if kind == .encoderDecoder { rows.append(("task", "a text from a text")) }
        if let vision { rows += [("task", vision.task), ("input", vision.input)] }
        func add(_ title: String, _ value: Int?) {
            if let value { rows.append((title, Self.grouped(value))) }
        }
        add("layers", layerCount)
        add("hidden size", attention?.hiddenSize)
        if let attention {
            rows.append(
                (
                    "heads",
                    "\(attention.headCount) query, \(attention.keyValueHeadCount) key/value, \(attention.headSize) wide"
                ))
        }
        add("vocabulary", vocabularySize)
        add("context", maximumContextLength)
        if !slidingWindows.isEmpty {
            let windows = slidingWindows.map { window in
                "\(Self.grouped(window.tokenCount)) tokens in \(window.layerCount) of \(layerCount ?? 0) layers"
            }
            rows.append(("windows", windows.joined(separator: ", ")))
        }
        add("multiply-adds", vision?.multiplyAddCount)
        add("parameters", checkpoint.elementCount)
        for share in formats {
            rows.append(
                (
                    "weights",
                    "\(share.name): \(Self.grouped(share.tensorCount)) tensors, \(Self.bytes(share.byteCount))"
                ))
        }
        if vision == nil || tokenizer != nil {
            rows.append(
                ("tokenizer", tokenizer.map { "\($0.model.name), \(Self.grouped($0.vocabularySize)) tokens" } ?? "none")
            )
        }
        if let cache, let cacheTokenCount, let cacheByteCount {
            rows.append(
                (
                    "memory",
                    "\(Self.bytes(checkpoint.byteCount)) weights + \(Self.bytes(cacheByteCount)) cache "
                        + "(\(Self.grouped(cacheTokenCount)) tokens, "
                        + "\(cache.dtype.rawValue)), without scratch"
                ))
        }
        if let contextLength, let activationByteCount {
            rows.append(
                (
                    "memory",
                    "\(Self.bytes(checkpoint.byteCount)) weights + \(Self.bytes(activationByteCount)) intermediate "
                        + "results (\(Self.grouped(contextLength)) tokens), without scratch"
                ))
        }
        rows.append(("runs here", runsHere))
        var lines = rows.map { $0.0.padded(to: 14) + $0.1 }
        if listsLayers, let vision { lines += vision.lines }
        if listsTensors { lines += tensorLines }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What an encoder's head is for, with the labels that it tells apart.
    private static func task(of encoder: EncoderDescription) -> String {
        let name =
            switch encoder.task {
            case .hiddenStates: "hidden states (embeddings)"
            case .maskedLanguageModel: "masked language model"
            case .nextSentence: "next-sentence prediction"
            case .sequenceClassification: encoder.labels.count == 1 ? "scores for texts" : "classification of texts"
            case .tokenClassification: "classification of tokens"
            case .questionAnswering: "question answering"
            }
        guard encoder.labels.count > 1 else { return name }
        let shown = encoder.labels.prefix(8).joined(separator: ", ")
        return "\(name): \(shown)" + (encoder.labels.count > 8 ? " and \(encoder.labels.count - 8) more" : "")
    }

    private var architecture: String {
        let classes = configuration.architectures.joined(separator: ", ")
        return configuration.modelType + (classes.isEmpty ? "" : " (\(classes))")
    }

    var sortedTensors: [StoredTensor] { checkpoint.tensors.values.sorted { $0.name < $1.name } }

    private var tensorLines: [String] {
        let width = (checkpoint.tensors.keys.map(\.count).max() ?? 0) + 2
        return ["", "TENSORS"]
            + sortedTensors.map { $0.name.padded(to: width) + $0.type.rawValue.padded(to: 9) + $0.shape.description }
    }

    static func bytes(_ count: Int) -> String {
        guard count >= 1000 else { return "\(count) B" }
        var value = Double(count)
        var unit = "B"
        for next in ["kB", "MB", "GB", "TB", "PB", "EB"] where value >= 999.5 {
            value /= 1000
            unit = next
        }
        let tenths = (value * 10).rounded() / 10
        return "\(value < 100 ? tenths.description : Int(value.rounded()).description) \(unit)"
    }

    /// Thousands separated by commas.
    private static func grouped(_ value: Int) -> String {
        var text = ""
        for (position, digit) in String(value).reversed().enumerated() {
            if position > 0, position % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}

extension TokenizationModel {
    /// As `tokenizer.json` calls it.
    var name: String {
        switch self {
        case .bpe: "BPE"
        case .wordPiece: "WordPiece"
        case .unigram: "Unigram"
        case .wordLevel: "WordLevel"
        }
    }
}

extension String {
    /// With spaces up to `width` characters, and at least one.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
