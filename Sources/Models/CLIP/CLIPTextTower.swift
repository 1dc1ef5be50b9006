internal import Glibc
public import ModelIO
public import TensorCore

/// The text tower of a CLIP or SigLIP: what makes vectors of texts that can be compared with those of images.
public final class CLIPTextTower: Sendable {
    /// Tokens of the longest text.
    public let maxTokenCount: Int
    public let vocabularySize: Int
    /// What scores are multiplied by: `e^logit_scale`.
    public let scale: Double
    /// What is added to scores behind that, of models that judge each text by itself; `nil`: texts are compared with each
    /// other. (SigLIP)
    public let bias: Double?
    private let width: Int
    private let endToken: Int?
    /// What texts are padded with to the longest one; `nil`: they are not.
    private let padding: Int?
    private let weights: WeightLoader
    private let model: VisionModel

    /// - Parameter padding: the tokenizer's token for it; `nil`: as the configuration says.
    /// - Throws: `LoadError` where the configuration or the checkpoint has no text tower.
    public init(
        _ configuration: ModelConfiguration, _ checkpoint: Checkpoint, padding: Int? = nil, to target: LoadTarget
    ) throws {
        guard let keys = try configuration.keys.object("text_config") else {
            throw LoadError.missingKey(path: configuration.path, keys: ["text_config"])
        }
        let isSigLIP = configuration.modelType == "siglip"
        let longest = try keys.optionalSize("max_position_embeddings", maximum: 1 << 16) ?? (isSigLIP ? 64 : 77)
        maxTokenCount = longest
        vocabularySize =
            try keys.optionalSize("vocab_size", maximum: SizeLimit.vocabulary) ?? (isSigLIP ? 32000 : 49408)
        let architecture =
            isSigLIP
            ? try VisionArchitecture.sigLIPText(configuration, tokenCount: longest)
            : try VisionArchitecture.clipText(configuration, tokenCount: longest)
        if isSigLIP {
            let token = try padding ?? keys.optionalInteger("pad_token_id", in: 0...Int(Int32.max)) ?? 1
            guard token < vocabularySize else {
                throw LoadError.contradiction(
                    path: configuration.path, keys: ["text_config.vocab_size", "text_config.pad_token_id"],
                    reason: "texts are padded with token \(token) of \(vocabularySize)")
            }
            self.padding = token
        } else {
            self.padding = nil
        }
        width = architecture.description.channelCount
        let end = try keys.optionalInteger("eos_token_id", in: 0...Int(Int32.max))
        // The first CLIPs say 2 where they mean the largest id, which their tokenizer ends texts with.
        endToken = end == 2 ? nil : end
        let weights = WeightLoader(checkpoint, prefixes: architecture.prefixes)
        self.weights = weights
        model = VisionModel(
            architecture, path: checkpoint.path, weights: VisionWeights(weights, target: target))
        let logitScale = weights.find("logit_scale")
        let stored = try logitScale.map { try weights.floats($0) }?.first.map(Double.init)
        scale = exp(stored ?? 2.6592)
        let offset = isSigLIP ? try weights.find("logit_bias").map { try weights.floats($0) }?.first : nil
        bias = isSigLIP ? Double(offset ?? 0) : nil
    }

    /// The vector of each text, `[projection]`: that of its end token, or of the last one behind its padding. Blocks.
    ///
    /// - Parameters:
    ///   - texts: ids inside the vocabulary, at least one and at most `maxTokenCount` each.
    ///   - read: takes the tower's result to the host.
    public func embed(_ texts: [[Int]], read: (Tensor) throws -> [Float]) throws -> [[Float]] {
        try texts.map { text in
            precondition(!text.isEmpty && text.count <= maxTokenCount, "a text of \(text.count) tokens")
            let tokens = text + (padding.map { Array(repeating: $0, count: maxTokenCount - text.count) } ?? [])
            let outputs = try model.forward(
                try embedded(tokens), imageCount: 1, size: Extent2D(height: 1, width: tokens.count))
            let values = try read(outputs[0].values)
            let columns = outputs[0].values.columns
            let largest = tokens.indices.max { (tokens[$0], $1) < (tokens[$1], $0) } ?? 0
            if padding != nil { return Array(values.suffix(columns)) }
            let end = endToken.map { tokens.firstIndex(of: $0) ?? 0 } ?? largest
            return Array(values[end * columns..<(end + 1) * columns])
        }
    }

    /// The sum of each token's vector and its position's.
    private func embedded(_ tokens: [Int]) throws -> [Float] {
        let table = try weights.tensor("embeddings.token_embedding.weight", shape: [vocabularySize, width])
        let positions = try weights.tensor("embeddings.position_embedding.weight", shape: [maxTokenCount, width])
        return try tokens.enumerated().flatMap { place, token in
            zip(
                try weights.floats(table.rows(token..<token + 1)),
                try weights.floats(positions.rows(place..<place + 1))
            ).map { $0 + $1 }
        }
    }
}
