/// A pointwise nonlinearity.
public enum Activation: String, Sendable, Hashable, CaseIterable {
    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`, the "new" GELU. (Hendrycks and Gimpel, 2016)
    case geluTanh
    /// `x/2 · (1 + erf(x / √2))`.
    case geluErf
    /// `x / (1 + e^-x)`, also called swish.
    case silu
    /// `max(x, 0)`.
    case relu
    /// `max(x, x / 5)`: the slope of DCGAN. (Radford, Metz and Chintala, 2016)
    case leakyRelu
    /// `min(max(x, 0), 6)`. (Howard et al., 2017)
    case relu6
    case tanh
    /// `1 / (1 + e^-x)`.
    case sigmoid
    /// `x / (1 + e^(-1.702 x))`, an approximation of GELU that CLIP was trained with.
    case quickGelu
    /// `min(max(x + 3, 0), 6) / 6`, straight lines in place of a sigmoid. (Howard et al., 2019)
    case hardSigmoid
    /// `x · min(max(x + 3, 0), 6) / 6`. (Howard et al., 2019)
    case hardSwish
}

/// All tensors float32, `[R, C]`; rows may be strided.
public protocol ActivationOps: AnyObject, Sendable {
    /// `output = activation(x)`; `output` may be `x`.
    func activate(_ x: Tensor, _ activation: Activation, into output: Tensor) throws

    /// `output = x · y`, element by element; `output` may be `x` or `y`.
    func multiply(_ x: Tensor, _ y: Tensor, into output: Tensor) throws

    /// `output = cap · tanh(x / cap)`: keeps every element between `-cap` and `cap`. `cap` is positive; `output` may be
    /// `x`. (Gemma 2 team, 2024, for logits)
    func softCap(_ x: Tensor, cap: Float, into output: Tensor) throws

    /// `output[r, c] = e^(scale·x[r, c]) / Σ_c e^(scale·x[r, c])`, in one pass over the row with a running maximum and sum
    /// (Milakov and Gimelshein, 2018) and one to write. Rows to 262,144 columns. `output` may be `x`.
    func softmax(_ x: Tensor, scale: Float, into output: Tensor) throws
}
