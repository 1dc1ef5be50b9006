import ModelIO
import TensorCore

/// Puts a mixture's tensors on its backend. Checkpoints write them in several ways: a matrix for each expert, under Mixtral's
/// names or Qwen's; stacked, `[E, N, K]`, as GGUF files have them; or stacked with each expert's gate above its up projection,
/// as Granite's have them.
struct ExpertLoader {
    let loader: LayerLoader
    let settings: ExpertSettings
    let activation: Activation
    /// What stands before the names of a layer, and before those of its mixture.
    let layerPrefix: String
    let prefix: String
    /// `D`.
    let width: Int

    /// - Parameter names: what may stand before the names of a mixture; the first that fits counts.
    init(
        _ loader: LayerLoader, _ settings: ExpertSettings, activation: Activation, width: Int, layerPrefix: String,
        names: [String]
    ) {
        self.loader = loader
        self.settings = settings
        self.activation = activation
        self.width = width
        self.layerPrefix = layerPrefix
        let prefixes = names.map { layerPrefix + $0 }
        prefix =
            prefixes.first { prefix in
                ["gate.weight", "router.layer.weight"].contains { loader.weights.contains(prefix + $0) }
            } ?? prefixes[0]
    }

    private var weights: WeightLoader { loader.weights }
    private var inner: Int { settings.intermediateSize }
    private var isGranite: Bool { weights.contains(prefix + "input_linear.weight") }

    func load() throws -> ExpertMixture {
        let (gates, ups) = try inputs()
        let downs = try isGranite ? stack("output_linear", rows: width, columns: inner) : outputs()
        // One product computes them all, so all have one format.
        let inputFormat = loader.target.format ?? WeightLoader.commonFormat(of: gates + ups)
        let outputFormat = loader.target.format ?? WeightLoader.commonFormat(of: downs)
        let precision = loader.target.precision.forLayer(weightCount: 2 * inner * width)
        let backend = loader.target.backend
        return ExpertMixture(
            router: try router(),
            gateUp: try backend.prepareIndexed(
                zip(gates, ups).map { try weights.weight([$0, $1], columns: width, as: inputFormat) },
                precision: precision),
            down: try backend.prepareIndexed(
                downs.map { try weights.weight([$0], columns: inner, as: outputFormat) }, precision: precision),
            shared: try settings.sharedSize.map(shared), settings: settings, activation: activation)
    }

    private func router() throws -> any Weight {
        let name = isGranite ? "router.layer.weight" : "gate.weight"
        return try loader.prepare(
            weights.weight(prefix + name, rows: settings.expertCount, columns: width))
    }

    // MARK: The matrices of the experts

    private func stack(_ name: String, rows: Int, columns: Int) throws -> [StoredTensor] {
        try weights.tensor(prefix + name + ".weight", shape: [settings.expertCount, rows, columns]).slices()
    }

    private func tensors(_ name: String, _ mixtralName: String, rows: Int, columns: Int) throws -> [StoredTensor] {
        if weights.contains(prefix + "experts.\(name).weight") {
            return try stack("experts.\(name)", rows: rows, columns: columns)
        }
        let isMixtral = weights.contains(prefix + "experts.0.w1.weight")
        return try (0..<settings.expertCount).map { expert in
            try weights.tensor(
                prefix + "experts.\(expert).\(isMixtral ? mixtralName : name).weight", shape: [rows, columns])
        }
    }

    private func inputs() throws -> (gates: [StoredTensor], ups: [StoredTensor]) {
        guard isGranite else {
            return (
                try tensors("gate_proj", "w1", rows: inner, columns: width),
                try tensors("up_proj", "w3", rows: inner, columns: width)
            )
        }
        let both = try stack("input_linear", rows: 2 * inner, columns: width)
        return (both.map { $0.rows(0..<inner) }, both.map { $0.rows(inner..<2 * inner) })
    }

    private func outputs() throws -> [StoredTensor] { try tensors("down_proj", "w2", rows: width, columns: inner) }

    // MARK: The expert that all tokens share

    private func shared(size: Int) throws -> SharedExpert {
        func linear(_ parts: [(name: String, rows: Int)], columns: Int) throws -> Linear {
            try loader.linear(parts, columns: columns, hasBias: false)
        }
        let granite = layerPrefix + "shared_mlp."
        if weights.contains(granite + "input_linear.weight") {
            return SharedExpert(
                gateUp: GatedProjection(
                    linear: try linear([(granite + "input_linear", 2 * size)], columns: width), activation: activation),
                down: try linear([(granite + "output_linear", width)], columns: size), scale: nil)
        }
        let own = prefix + "shared_expert."
        return SharedExpert(
            gateUp: GatedProjection(
                linear: try linear([(own + "gate_proj", size), (own + "up_proj", size)], columns: width),
                activation: activation),
            down: try linear([(own + "down_proj", width)], columns: size), scale: try sharedScale())
    }

    /// A matrix of one row, which GGUF files have as a vector; `nil`: there is none.
    private func sharedScale() throws -> (any Weight)? {
        let name = prefix + "shared_expert_gate.weight"
        guard let found = weights.find(name) else { return nil }
        let tensor = try weights.tensor(name, shape: found.shape.rank == 1 ? [width] : [1, width])
        let row = StoredTensor(
            name: tensor.name, type: tensor.type, shape: [1, width], bytes: tensor.bytes, path: tensor.path)
        return try loader.prepare(weights.weight([row], columns: width))
    }
}
