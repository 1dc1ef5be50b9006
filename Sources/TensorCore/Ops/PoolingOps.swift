/// Pooling and norms over images whose pixels are rows of channels; the legend is that of `ConvolutionOps`.
public protocol PoolingOps: AnyObject, Sendable {
    /// `output[r, c] = max_k x[pixel(r, k), c]` over the taps inside the image; NaN is ignored unless there is nothing else.
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - window: no window lies outside of the image as a whole.
    ///   - output: `[B · H' · W', C]`. Must not overlap `x`.
    func maxPool(_ x: Tensor, window: ImageWindow, into output: Tensor) throws

    /// `output[r, c] = Σ_k x[pixel(r, k), c] / n`, `n` being the taps inside the image or, with `countsPadding`, also those in
    /// the padding, which is as wide on all sides (`torch.nn.AvgPool2d`'s `count_include_pad`). Arguments as in `maxPool`; no
    /// dilation.
    func averagePool(_ x: Tensor, window: ImageWindow, countsPadding: Bool, into output: Tensor) throws

    /// The mean over each of `grid` even parts of the image: those of rows `⌊y H / H'⌋ ..< ⌈(y + 1) H / H'⌉` and columns
    /// likewise (`torch.nn.AdaptiveAvgPool2d`).
    func adaptiveAveragePool(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, into output: Tensor) throws

    /// `output[r, c] = x[r, c] / (k + alpha / size · Σ x[r, c']²)^beta` over the `size` channels `c'` about `c`, from
    /// `c - size / 2` on. (Krizhevsky, Sutskever and Hinton, 2012) `output` must not overlap `x`.
    func localResponseNorm(
        _ x: Tensor, size: Int, alpha: Float, beta: Float, k: Float, into output: Tensor) throws

    /// `output[b, c] = 1 + weight[c] · g[b, c] / (Σ g[b, c'] / C + epsilon)`, with `g = √(pixelCount · squares)`, the length of
    /// a channel over the pixels of an image: what a global response norm multiplies the channel by. (Woo et al., 2023)
    ///
    /// - Parameters:
    ///   - squares: `[B, C]`, the mean square of each channel of an image.
    ///   - weight: `[C]`.
    ///   - output: `[B, C]`; may be `squares`.
    func responseGains(
        _ squares: Tensor, pixelCount: Int, weight: Tensor, epsilon: Float, into output: Tensor) throws
}
