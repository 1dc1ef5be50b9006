import ModelIO
import TensorCore

/// A feed-forward part made of experts, of which a router picks a few for each token (Jiang et al., 2024).
///
///     p = softmax(router(x) of the experts chosen)
///     y = Σ p[j] · down[j](silu(gate[j](x)) * up[j](x))
///
/// Where the weights of the experts chosen need not sum to 1, the softmax is over all experts. The output of an expert that
/// all tokens share is added to `y`.
/// What the router picks stays on the device: routing, products and sum are enqueued without a read between them.
struct ExpertMixture: Sendable {
    /// `[E, D]`.
    let router: any Weight
    /// Of each expert gate and up projection, `[2 F, D]`, and `[D, F]`.
    let gateUp: any IndexedWeights
    let down: any IndexedWeights
    let shared: SharedExpert?
    let settings: ExpertSettings
    let activation: Activation

    /// Writes `y`, plus `residual` where there is one, whose memory `output` may be.
    /// - Parameter adapters: `[T, 1]` int32, the adapter of each row; `nil`: none has one. Only the shared expert takes them.
    func callAsFunction(
        _ x: Tensor, adapters: Tensor?, on backend: any Backend, scratch: ExpertWorkspace, residual: Tensor?,
        into output: Tensor
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
        // `output` may be `x`, of which nothing is read behind this.
        let sharedRows = scratch.shared?.rows(tokens)
        if let sharedRows { try shared?.start(x, adapters: adapters, sharedRows, on: backend) }
        try backend.combineExperts(outputs, weights: weights, residual: residual, into: output)
        if let sharedRows { try shared?.finish(sharedRows, adapters: adapters, addingTo: output, on: backend) }
    }
}

/// An expert that every token takes (Qwen team, 2024): `down(silu(gate(x)) * up(x))`, in some models times `sigmoid(s · x)`.
struct SharedExpert: Sendable {
    let gateUp: GatedProjection
    let down: Linear
    /// `s`, `[1, D]`.
    let scale: (any Weight)?

    /// Reads the input.
    fileprivate func start(
        _ x: Tensor, adapters: Tensor?, _ rows: SharedExpertRows, on backend: any Backend
    ) throws {
        try gateUp(x, adapters: adapters, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
        guard let scale else { return }
        try backend.matmul(x, scale, into: rows.scale, epilogue: MatmulEpilogue(activation: .sigmoid))
    }

    fileprivate func finish(
        _ rows: SharedExpertRows, adapters: Tensor?, addingTo output: Tensor, on backend: any Backend
    ) throws {
        guard scale != nil else {
            return try down(rows.intermediate, adapters: adapters, on: backend, residual: output, into: output)
        }
        try down(rows.intermediate, adapters: adapters, on: backend, into: rows.output)
        try backend.combineExperts(rows.output, weights: rows.scale, residual: output, into: output)
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
    /// The features inside an expert that all tokens share; `nil`: there is none.
    let sharedSize: Int?

    /// Mixtral's keys, Qwen's or Granite's.
    init(_ file: ModelConfiguration) throws {
        expertCount = try file.keys.size("num_local_experts", "num_experts", maximum: SizeLimit.heads)
        expertsPerToken = try file.keys.size("num_experts_per_tok", maximum: SizeLimit.heads)
        guard expertsPerToken <= expertCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["num_experts_per_tok", "num_local_experts"],
                reason: "a token cannot take \(expertsPerToken) of \(expertCount) experts")
        }
        intermediateSize = try file.keys.size("moe_intermediate_size", "intermediate_size")
        let normalizes = file.modelType == "mixtral" || file.modelType.hasPrefix("granitemoe")
        normalizesWeights = try file.keys.flag("norm_topk_prob", default: normalizes)
        sharedSize = try file.sharedExpertSize()
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
    /// Where there is a shared expert.
    let shared: SharedExpertRows?

    init(_ settings: ExpertSettings, hiddenSize: Int, tokenCount: Int, on backend: any Backend) throws {
        let productCount = tokenCount * settings.expertsPerToken
        var plan = WorkspacePlan()
        let logits = plan.float32([tokenCount, settings.expertCount])
        let weights = plan.float32([tokenCount, settings.expertsPerToken])
        let expertIDs = plan.int32([tokenCount, settings.expertsPerToken])
        let intermediate = plan.float32([productCount, settings.intermediateSize])
        let outputs = plan.float32([productCount, hiddenSize])
        let shared = settings.sharedSize.map { size in
            (
                intermediate: plan.float32([tokenCount, size]), gateScratch: plan.float32([tokenCount, size]),
                scale: plan.float32([tokenCount, 1]), output: plan.float32([tokenCount, hiddenSize])
            )
        }
        let workspace = try plan.allocate(on: backend)
        self.logits = workspace[logits]
        self.weights = workspace[weights]
        self.expertIDs = workspace[expertIDs]
        self.intermediate = workspace[intermediate]
        self.outputs = workspace[outputs]
        self.shared = shared.map {
            SharedExpertRows(
                intermediate: workspace[$0.intermediate], gateScratch: workspace[$0.gateScratch],
                scale: workspace[$0.scale], output: workspace[$0.output])
        }
    }
}

/// Intermediate results of a shared expert: `[T, F]` twice, `[T, 1]` and `[T, D]`.
struct SharedExpertRows: Sendable {
    let intermediate: Tensor
    let gateScratch: Tensor
    let scale: Tensor
    let output: Tensor

    func rows(_ range: Range<Int>) -> SharedExpertRows {
        SharedExpertRows(
            intermediate: intermediate.rows(range), gateScratch: gateScratch.rows(range), scale: scale.rows(range),
            output: output.rows(range))
    }
}
