import TensorCore

/// Intermediate results of a decoder, planned once for the largest pass.
///
/// Legend: `T` tokens, `D` hidden size, `H`, `KH` heads, `F` intermediate size, `R` logit rows.
struct DecoderActivations: Sendable {
    /// `[T, D]`: the residual stream.
    let hidden: Tensor
    /// `[T, D]`: the norm's output, read by the projections.
    let normed: Tensor
    /// `[T, (H + 2 KH) * headSize]`: query, key and value side by side.
    let projections: Tensor
    /// `[T, H * headSize]`: attention's output.
    let attended: Tensor
    /// `[T, F]`.
    let intermediate: Tensor
    /// `[R, D]` each: the rows whose logits are wanted, before and after the last norm.
    let selected: Tensor
    let selectedNormed: Tensor

    init(_ sizes: DecoderDescription, limits: PassLimits, on backend: any Backend) throws {
        let plan = WorkspacePlan()
        let queryCount = sizes.headCount * sizes.headSize
        let keyCount = sizes.keyValueHeadCount * sizes.headSize
        let tokens = limits.tokenCount
        let shapes: [Shape] = [
            [tokens, sizes.hiddenSize], [tokens, sizes.hiddenSize], [tokens, queryCount + 2 * keyCount],
            [tokens, queryCount], [tokens, sizes.intermediateSize], [limits.logitRowCount, sizes.hiddenSize],
            [limits.logitRowCount, sizes.hiddenSize],
        ]
        for shape in shapes { _ = plan.add(.float32, shape) }
        let tensors = try plan.allocate(on: backend)
        hidden = tensors[0]
        normed = tensors[1]
        projections = tensors[2]
        attended = tensors[3]
        intermediate = tensors[4]
        selected = tensors[5]
        selectedNormed = tensors[6]
    }

    /// Views of the first `count` token rows.
    func rows(_ count: Int) -> (
        hidden: Tensor, normed: Tensor, projections: Tensor, attended: Tensor, intermediate: Tensor
    ) {
        (
            hidden.rows(0..<count), normed.rows(0..<count), projections.rows(0..<count), attended.rows(0..<count),
            intermediate.rows(0..<count)
        )
    }
}
