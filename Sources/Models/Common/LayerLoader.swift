import ModelIO
import TensorCore

/// Puts a model's tensors on its backend: what every architecture's loading shares.
struct LayerLoader {
    let weights: WeightLoader
    let target: LoadTarget
    /// Where adapters compute; `nil`: there are none.
    var adapterScratch: AdapterScratch?

    private var backend: any Backend { target.backend }

    private func productPrecision(weightCount: Int) -> MatmulPrecision {
        target.precision.forLayer(weightCount: weightCount, leastWeightCount: target.leastRoundedWeightCount)
    }

    /// A vector as float32 on the device, `offset` added to each element and the sum multiplied by `scale`.
    func vector(_ name: String, count: Int, offset: Float = 0, scale: Float = 1) throws -> Tensor {
        try backend.makeTensor(weights.vector(name, count: count).map { ($0 + offset) * scale }, [count])
    }

    /// Matrices below one another as one layer, with the biases behind one another where `hasBias`.
    ///
    /// - Parameters:
    ///   - parts: names without `.weight` and `.bias`, and each one's rows.
    ///   - transposed: whether the file stores `[K, N]`.
    func linear(
        _ parts: [(name: String, rows: Int)], columns: Int, hasBias: Bool, transposed: Bool = false
    ) throws -> Linear {
        let matrices = parts.map { (name: $0.name + ".weight", rows: $0.rows) }
        let precision = productPrecision(weightCount: columns * parts.reduce(0) { $0 + $1.rows })
        let prepared = try weights.weights(matrices, columns: columns, as: target.format, transposed: transposed)
            .map { try backend.prepare($0, precision: precision) }
        var linear = Linear(prepared)
        if hasBias {
            let bias = try parts.flatMap { try weights.vector($0.name + ".bias", count: $0.rows) }
            linear = Linear(prepared, bias: try backend.makeTensor(bias, [bias.count]))
        }
        if let adapterScratch, let adapters = target.adapters {
            let stacked = try adapters.stacked(parts, columns: columns) {
                let shape = transposed ? [columns, parts[$0].rows] : [parts[$0].rows, columns]
                let base = try weights.tensor(parts[$0].name + ".weight", shape: shape)
                return AdapterSet.BaseMatrix(values: try weights.floats(base), isTransposed: transposed)
            }
            let bias =
                stacked?.scales != nil && hasBias
                ? try parts.flatMap { try weights.vector($0.name + ".bias", count: $0.rows) } : nil
            linear.adapters = try stacked.map {
                try LinearAdapters($0, bias: bias, scratch: adapterScratch, on: backend)
            }
        }
        return linear
    }

    /// An embedding or head, `[rows, columns]`.
    /// - Parameter skipped: rows that the file has before those.
    func matrix(_ name: String, rows: Int, columns: Int, behind skipped: Int = 0) throws -> any Weight {
        let source = try weights.weight(name, rows: skipped + rows, columns: columns, as: target.format)
        return try prepare(skipped == 0 ? source : source.droppingRows(skipped))
    }

    /// A layer's attention, which may round what it multiplies where its projections do. FP16 ones never do.
    func attention(_ parameters: AttentionParameters, after projections: Linear) -> AttentionParameters {
        var result = parameters
        let weightCount = projections.weights.reduce(0) { $0 + $1.rows * $1.columns }
        let precision = productPrecision(weightCount: weightCount)
        result.allowsReducedProducts = projections.weights.allSatisfy {
            $0.format != .float16 && precision.allowsReducedActivations(for: $0.format)
        }
        return result
    }

    /// A layer's only weight, for products of the precision asked for.
    func prepare(_ source: WeightSource) throws -> any Weight {
        let precision = productPrecision(weightCount: source.rows * source.columns)
        return try backend.prepare(source, precision: precision)
    }

    /// The head: the embedding itself where they are tied and the checkpoint has no other, else a matrix of its own.
    func head(
        isTied: Bool, embedding: any Weight, _ name: String, rows: Int, columns: Int
    ) throws -> any Weight {
        isTied && !weights.hasOwnHead(name) ? embedding : try matrix(name, rows: rows, columns: columns)
    }
}

extension LayerLoader {
    /// With room for the target's adapters, where it has some.
    /// - Parameter sizes: of the model, whose layers take adapters by request.
    init(weights: WeightLoader, target: LoadTarget, adaptersOf sizes: DecoderDescription) throws {
        self.init(weights: weights, target: target)
        guard let adapters = target.adapters else { return }
        adapterScratch = try AdapterScratch(
            sizes, adapters, tokenCount: max(target.limits.tokenCount, target.limits.logitRowCount), on: target.backend)
    }
}
