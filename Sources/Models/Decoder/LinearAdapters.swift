import ModelIO
import TensorCore

/// What adapters add to a layer: `y[t] += B[a] · (A[a] · x[t])` with the adapter `a` of row `t`. (Hu et al., 2022; rows of
/// several adapters in one product: Chen et al., 2023) With DoRA `y[t] = g[a] · y[t] + B[a] · (A[a] · x[t]) + (1 - g[a]) · b`,
/// so that the layer's bias `b` keeps its length. (Liu et al., 2024)
///
/// Legend: `T` rows, `E` adapters and, as number 0, none; `R` rank, `N` output channels.
struct LinearAdapters: Sendable {
    /// `[R, K]` and `[N, R]` of each adapter.
    let down: any IndexedWeights
    let up: any IndexedWeights
    /// Of the layer's matrices, one below the other.
    let parts: [LowRankPart]
    /// `[E + 1, N]` each: `g`, and `(1 - g) · b` where the layer has a bias; `nil`: no adapter is DoRA's.
    let scales: Tensor?
    let shifts: Tensor?
    let scratch: AdapterScratch

    /// - Parameter bias: of the layer, where there are scales and it has one.
    init(_ stacked: AdapterSet.Stacked, bias: [Float]?, scratch: AdapterScratch, on backend: any Backend) throws {
        down = try backend.prepareIndexed(stacked.downs)
        up = try backend.prepareIndexed(stacked.ups)
        parts = stacked.parts
        self.scratch = scratch
        let shape: Shape = [stacked.ups.count, up.rows]
        scales = try stacked.scales.map { try backend.makeTensor($0, shape) }
        guard let scales = stacked.scales, let bias else {
            shifts = nil
            return
        }
        let values = scales.indices.map { (1 - scales[$0]) * bias[$0 % bias.count] }
        shifts = try backend.makeTensor(values, shape)
    }

    /// Multiplies rows of the layer's product, bias included, by what their adapters' scales are.
    /// - Parameter indices: `[T, 1]` int32.
    func rescale(_ product: Tensor, indices: Tensor, on backend: any Backend) throws {
        guard let scales else { return }
        let numbers = Tensor(
            buffer: indices.buffer, byteOffset: indices.byteOffset, dtype: .int32, shape: [product.rows])
        let rows = AdapterScratch.view(scratch.delta, rows: product.rows, columns: product.columns)
        try backend.gatherRows(scales, rows: numbers, into: rows)
        try backend.multiply(product, rows, into: product)
        guard let shifts else { return }
        try backend.gatherRows(shifts, rows: numbers, into: rows)
        try scratch.add(rows, to: product, into: product, on: backend)
    }

    /// - Parameter indices: `[T, 1]` int32.
    func add(_ x: Tensor, indices: Tensor, on backend: any Backend, to output: Tensor) throws {
        let low = AdapterScratch.view(scratch.low, rows: x.rows, columns: down.rows)
        let delta = AdapterScratch.view(scratch.delta, rows: x.rows, columns: up.rows)
        try backend.addLowRank(
            x, down: down, up: up, parts: parts, indices: indices,
            scratch: LowRankScratch(low: low, delta: delta, ones: scratch.ones.rows(0..<x.rows)), to: output)
    }
}

/// Room for what adapters compute, shared by all layers.
struct AdapterScratch: Sendable {
    /// `[T, R]` and `[T, N]` of the largest layer.
    let low: Tensor
    let delta: Tensor
    /// `[T, 2 F]`: gate and up projection, before the activation.
    let gates: Tensor
    /// `[T, N]`: a layer's own product, where an adapter is DoRA's.
    let product: Tensor?
    /// `[T, 1]`.
    let ones: Tensor

    init(_ sizes: DecoderDescription, _ adapters: AdapterSet, tokenCount: Int, on backend: any Backend) throws {
        var plan = WorkspacePlan()
        let low = plan.float32([tokenCount, adapters.maximumRank])
        let delta = plan.float32([tokenCount, sizes.widestLayer])
        let gates = plan.float32([tokenCount, 2 * max(sizes.intermediateSize, sizes.sharedExpertSize)])
        let product = adapters.isScaled ? plan.float32([tokenCount, sizes.widestLayer]) : nil
        let workspace = try plan.allocate(on: backend)
        self.low = workspace[low]
        self.product = product.map { workspace[$0] }
        self.delta = workspace[delta]
        self.gates = workspace[gates]
        ones = try backend.makeTensor([Float](repeating: 1, count: tokenCount), [tokenCount, 1])
    }

    /// `output = x + y`.
    func add(_ x: Tensor, to y: Tensor, into output: Tensor, on backend: any Backend) throws {
        try backend.combineExperts(x, weights: ones.rows(0..<x.rows), residual: y, into: output)
    }

    /// The start of a tensor as packed rows.
    static func view(_ tensor: Tensor, rows: Int, columns: Int) -> Tensor {
        Tensor(buffer: tensor.buffer, byteOffset: tensor.byteOffset, dtype: .float32, shape: [rows, columns])
    }
}

extension DecoderDescription {
    /// Columns of the widest output of a layer's products.
    var widestLayer: Int {
        max(
            hiddenSize, (headCount + 2 * keyValueHeadCount) * headSize, 2 * intermediateSize, 2 * sharedExpertSize)
    }
}
