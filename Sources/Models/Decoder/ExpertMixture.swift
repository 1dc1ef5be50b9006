import ModelIO
import TensorCore

/// A feed-forward part made of experts, of which a router picks a few for each token (Jiang et al., 2024).
///
///     p = softmax(router(x) of the experts chosen)
///     y = Σ p[j] · down[j](silu(gate[j](x)) * up[j](x))
///
/// Where the weights of the experts chosen need not sum to 1, the softmax is over all experts.
/// What the router picks stays on the device: routing, products and sum are enqueued without a read between them.
struct ExpertMixture: Sendable {
    /// `[E, D]`.
    let router: any Weight
    /// Of each expert gate and up projection, `[2 F, D]`, and `[D, F]`.
    let gateUp: any IndexedWeights
    let down: any IndexedWeights
    let settings: ExpertSettings
    let activation: Activation

    /// Writes `y`, plus `residual` where there is one, whose memory `output` may be.
    func callAsFunction(
        _ x: Tensor, on backend: any Backend, scratch: ExpertWorkspace, residual: Tensor?, into output: Tensor
    ) throws {
        let (tokens, products) = (0..<x.rows, 0..<x.rows * settings.expertsPerToken)
        let (logits, weights) = (scratch.logits.rows(tokens), scratch.weights.rows(tokens))
        let expertIDs = scratch.expertIDs.rows(tokens)
        try backend.matmul(x, router, into: logits, epilogue: .none)
        if !settings.normalizesWeights { try backend.softmax(logits, scale: 1, into: logits) }
        try backend.topK(logits, count: settings.expertsPerToken, values: weights, indices: expertIDs)
        if settings.normalizesWeights { try backend.softmax(weights, scale: 1, into: weights) }

        let intermediate = scratch.intermediate.rows(products)
        let outputs = scratch.outputs.rows(products)
        try backend.matmulIndexed(
            x, gateUp, indices: expertIDs, activation: activation, isGated: true, into: intermediate)
        try backend.matmulIndexed(
            intermediate, down, indices: expertIDs, activation: nil, isGated: false, into: outputs)
        try backend.combineExperts(outputs, weights: weights, residual: residual, into: output)
    }
}

/// How many experts there are, how wide they are, and how a token's are weighted.
struct ExpertSettings: Sendable, Hashable {
    /// `E`.
    let expertCount: Int
    /// `J`, the experts that a token takes.
    let expertsPerToken: Int
    /// `F`, the features inside an expert.
    let intermediateSize: Int
    /// Whether the weights of a token's experts sum to 1.
    let normalizesWeights: Bool

    /// Mixtral's keys or Qwen3's.
    init(_ file: ModelConfiguration) throws {
        expertCount = try file.keys.size("num_local_experts", "num_experts", maximum: SizeLimit.heads)
        expertsPerToken = try file.keys.size("num_experts_per_tok", maximum: SizeLimit.heads)
        guard expertsPerToken <= expertCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["num_experts_per_tok", "num_local_experts"],
                reason: "a token cannot take \(expertsPerToken) of \(expertCount) experts")
        }
        intermediateSize = try file.keys.size("moe_intermediate_size", "intermediate_size")
        normalizesWeights = try file.keys.flag("norm_topk_prob", default: file.modelType == "mixtral")
    }
}

/// Intermediate results of a mixture, planned once for the largest pass.
///
/// Legend: `T` tokens, `E` experts, `J` experts of a token, `D` hidden size, `F` features of an expert.
struct ExpertWorkspace: Sendable {
    /// `[T, E]`: the router's.
    let logits: Tensor
    /// `[T, J]` float32 and int32: the experts taken, and their weights.
    let weights: Tensor
    let expertIDs: Tensor
    /// `[T * J, F]`.
    let intermediate: Tensor
    /// `[T * J, D]`.
    let outputs: Tensor

    init(_ settings: ExpertSettings, hiddenSize: Int, tokenCount: Int, on backend: any Backend) throws {
        let productCount = tokenCount * settings.expertsPerToken
        var plan = WorkspacePlan()
        let logits = plan.float32([tokenCount, settings.expertCount])
        let weights = plan.float32([tokenCount, settings.expertsPerToken])
        let expertIDs = plan.int32([tokenCount, settings.expertsPerToken])
        let intermediate = plan.float32([productCount, settings.intermediateSize])
        let outputs = plan.float32([productCount, hiddenSize])
        let workspace = try plan.allocate(on: backend)
        self.logits = workspace[logits]
        self.weights = workspace[weights]
        self.expertIDs = workspace[expertIDs]
        self.intermediate = workspace[intermediate]
        self.outputs = workspace[outputs]
    }
}

extension LayerLoader {
    /// The mixture below `prefix` (`layers.0.mlp.`): the router `gate`, and `experts` with a matrix for each expert, or
    /// stacked, as GGUF files have them. Mixtral's checkpoints have names of their own.
    func experts(
        _ prefix: String, of sizes: DecoderDescription, _ settings: ExpertSettings, activation: Activation
    ) throws -> ExpertMixture {
        let isMixtral = weights.contains(prefix + "experts.0.w1.weight")
        let (width, inner) = (sizes.hiddenSize, settings.intermediateSize)
        func tensors(_ name: String, _ mixtralName: String, rows: Int, columns: Int) throws -> [StoredTensor] {
            let stacked = prefix + "experts.\(name).weight"
            if weights.contains(stacked) {
                return try weights.tensor(stacked, shape: [settings.expertCount, rows, columns]).slices()
            }
            return try (0..<settings.expertCount).map { expert in
                try weights.tensor(
                    prefix + "experts.\(expert).\(isMixtral ? mixtralName : name).weight", shape: [rows, columns])
            }
        }
        let gates = try tensors("gate_proj", "w1", rows: inner, columns: width)
        let ups = try tensors("up_proj", "w3", rows: inner, columns: width)
        let downs = try tensors("down_proj", "w2", rows: width, columns: inner)
        // One product computes them all, so all have one format.
        let inputFormat = target.format ?? WeightLoader.commonFormat(of: gates + ups)
        let outputFormat = target.format ?? WeightLoader.commonFormat(of: downs)
        let router = try weights.weight(
            prefix + "gate.weight", rows: settings.expertCount, columns: width)
        let precision = target.precision.forLayer(weightCount: 2 * inner * width)
        return ExpertMixture(
            router: try prepare(router),
            gateUp: try target.backend.prepareIndexed(
                zip(gates, ups).map { try weights.weight([$0, $1], columns: width, as: inputFormat) },
                precision: precision),
            down: try target.backend.prepareIndexed(
                downs.map { try weights.weight([$0], columns: inner, as: outputFormat) }, precision: precision),
            settings: settings, activation: activation)
    }
}
