/// How an image gets another size inside of a network.
public enum ImageInterpolation: Sendable, Hashable, CaseIterable {
    /// Pixel `y` is that of line `⌊y H / H'⌋`, columns likewise.
    case nearest
    /// The mean of four pixels by their distance to `(y + 1/2) H / H' - 1/2`, not before the first line.
    case bilinear
    /// As `bilinear` at `y (H - 1) / (H' - 1)`, so that corners stay corners.
    case bilinearAlignedCorners
}

/// Ops that move and scale the pixels of images; the legend is that of `ConvolutionOps`.
public protocol ImageOps: AnyObject, Sendable {
    /// `output[r, c] = x[r, c] · scales[image(r), c]`: each channel of an image times a number of its own, as a block of
    /// squeeze and excitation ends. (Hu, Shen and Sun, 2018)
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - scales: `[B, C]`.
    ///   - output: as `x`; may be `x`.
    func scaleChannels(_ x: Tensor, by scales: Tensor, into output: Tensor) throws

    /// Images of another size, as `torch.nn.functional.interpolate` makes them.
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - grid: `H'` and `W'`.
    ///   - output: `[B · H' · W', C]`. Must not overlap `x`.
    func resize(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, interpolation: ImageInterpolation,
        into output: Tensor) throws

    /// `output[(y f + i, x f + j), c] = x[(y, x), c f² + i f + j]`: channels become pixels (`torch.nn.PixelShuffle`).
    /// (Shi et al., 2016)
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C f²]`.
    ///   - factor: `f`.
    ///   - output: `[B · H f · W f, C]`. Must not overlap `x`.
    func pixelShuffle(_ x: Tensor, imageCount: Int, image: Extent2D, factor: Int, into output: Tensor) throws
}
