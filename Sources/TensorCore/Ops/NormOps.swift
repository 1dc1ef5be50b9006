/// Legend: `R` rows, `C` columns. All tensors float32; rows of `x`, `residual`, `sum` and `output` may be strided.
public protocol NormOps: AnyObject, Sendable {
    /// `s = x + residual` (or `x`), `output = s / sqrt(mean(s²) + epsilon) * weight`. (Zhang and Sennrich, 2019)
    ///
    /// - Parameters:
    ///   - x: `[R, C]`.
    ///   - residual: `[R, C]`, added before the norm.
    ///   - sum: `[R, C]`, receives `s`; may be `x` or `residual` itself.
    ///   - weight: `[C]`.
    ///   - output: `[R, C]`; may be `x` itself where `sum` is not.
    func rmsNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, epsilon: Float, into output: Tensor) throws

    /// Each head of every row for itself, in place: `x[r, h, :] = x[r, h, :] / sqrt(mean(x[r, h, :]²) + epsilon) *
    /// weight[h, :]`, as some models do with query and key before rotating them.
    ///
    /// - Parameters:
    ///   - x: `[R, H * headSize]`.
    ///   - weight: `[H * headSize]`.
    func rmsNormHeads(_ x: Tensor, headSize: Int, weight: Tensor, epsilon: Float) throws

    /// `s = x + residual` (or `x`), `output = (s - mean(s)) / sqrt(var(s) + epsilon) * weight + bias`, with the biased
    /// variance, computed about the mean. (Ba, Kiros and Hinton, 2016) Arguments as in `rmsNorm`; `bias` is `[C]` or none.
    func layerNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor?, epsilon: Float,
        into output: Tensor) throws
}
