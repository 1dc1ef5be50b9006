import ModelIO
import TensorCore

/// What adapters add to a layer: `y[t] += B[a] · (A[a] · x[t])` with the adapter `a` of row `t`. (Hu et al., 2022; rows of
/// several adapters in one product: Chen et al., 2023)
///
/// Legend: `T` rows, `R` rank, `N` output channels.
struct LinearAdapters: Sendable {
    /// `[R, K]` and `[N, R]` of each adapter.
    let down: any IndexedWeights
    let up: any IndexedWeights
    let scratch: AdapterScratch

    /// - Parameter indices: `[T, 1]` int32.
    func add(_ x: Tensor, indices: Tensor, on backend: any Backend, to output: Tensor) throws {
        let low = AdapterScratch.view(scratch.low, rows: x.rows, columns: down.rows)
        let delta = AdapterScratch.view(scratch.delta, rows: x.rows, columns: up.rows)
        try backend.addLowRank(
            x, down: down, up: up, indices: indices,
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
    /// `[T, 1]`.
    let ones: Tensor

    init(_ sizes: DecoderDescription, rank: Int, tokenCount: Int, on backend: any Backend) throws {
        var plan = WorkspacePlan()
        let low = plan.float32([tokenCount, rank])
        let delta = plan.float32([tokenCount, sizes.widestLayer])
        let gates = plan.float32([tokenCount, 2 * sizes.intermediateSize])
        let workspace = try plan.allocate(on: backend)
        self.low = workspace[low]
        self.delta = workspace[delta]
        self.gates = workspace[gates]
        ones = try backend.makeTensor([Float](repeating: 1, count: tokenCount), [tokenCount, 1])
    }

    /// The start of a tensor as packed rows.
    static func view(_ tensor: Tensor, rows: Int, columns: Int) -> Tensor {
        Tensor(buffer: tensor.buffer, byteOffset: tensor.byteOffset, dtype: .float32, shape: [rows, columns])
    }
}

extension DecoderDescription {
    /// Columns of the widest output of a layer's products.
    var widestLayer: Int {
        max(hiddenSize, (headCount + 2 * keyValueHeadCount) * headSize, 2 * intermediateSize)
    }
}
