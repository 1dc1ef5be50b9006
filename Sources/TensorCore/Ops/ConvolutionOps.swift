/// What happens to each output of a convolution: bias, activation, then residual, as in `MatmulEpilogue`; or the residual
/// before the activation.
public struct ConvolutionEpilogue: Sendable {
    /// `[N]` float32.
    public var bias: Tensor?
    public var activation: Activation?
    /// `[B · H' · W', N]` float32. May be the output itself.
    public var residual: Tensor?
    /// Whether the residual is added before the activation, not behind it.
    public var addsResidualFirst: Bool

    public init(
        bias: Tensor? = nil, activation: Activation? = nil, residual: Tensor? = nil, addsResidualFirst: Bool = false
    ) {
        self.bias = bias
        self.activation = activation
        self.residual = residual
        self.addsResidualFirst = addsResidualFirst
    }

    public static var none: ConvolutionEpilogue { ConvolutionEpilogue() }
}

/// Convolutions over images whose pixels are rows of channels (NHWC).
///
/// Legend: `B` images, `H`, `W` their height and width, `C` channels in, `N` channels out, `G` groups, `H'`, `W'` the grid of
/// the window, `K` its taps. Images are `[B · H · W, C]` float32; rows may be strided, so that a range of columns is a range
/// of channels. A sum is FP32. (Dumoulin and Visin, 2016, for the geometry)
public protocol ConvolutionOps: MatmulOps, ActivationOps {
    /// The pixels below the windows `rows` of the grid, numbered image by image, row by row:
    /// `patches[r, k · C + c] = x[pixel(rows[r], k), c]`, zero in the padding. (Chellapilla, Puri and Simard, 2006)
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - patches: `[rows.count, K · C]`.
    func unfold(_ x: Tensor, window: ImageWindow, rows: Range<Int>, into patches: Tensor) throws

    /// The transpose of `unfold` over all of the grid:
    /// `output[p, c] = activation(bias[c] + Σ patches[r, k · C + c])`, summed over the windows `r` and taps `k` that lie on
    /// pixel `p`.
    ///
    /// - Parameters:
    ///   - patches: `[B · H' · W', K · C]`.
    ///   - bias: `[C]` or none.
    ///   - output: `[B · H · W, C]`.
    func fold(
        _ patches: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor) throws

    /// A convolution that keeps channels apart (depthwise):
    /// `output[r, c] = activation(bias[c] + Σ_k x[pixel(r, k), c] · weight[k, c])`. (Chollet, 2017)
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - weight: `[K, C]`.
    ///   - bias: `[C]` or none.
    ///   - output: `[B · H' · W', C]`. Must not overlap `x`.
    func convolveDepthwise(
        _ x: Tensor, weight: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws

    /// `output[r, n] = epilogue(Σ_k Σ_c x[pixel(r, k), c] · weight[n, k, c])`, the channels of group `g` made of the
    /// channels of that group.
    ///
    /// - Parameters:
    ///   - x: `[B · H · W, C]`.
    ///   - weights: of each group `[N / G, K · C / G]`; one for an ordinary convolution.
    ///   - scratch: float32 memory for at least one patch, `K · C / G` elements, which a pointwise window needs not; with
    ///     `convolutionScratchCount` elements it is fastest.
    ///   - output: `[B · H' · W', N]`. Must not overlap `x`; may be the residual, if both are of one type.
    /// - Throws: `BackendError`; `.limitExceeded` as `matmul`, which is given at most `convolutionRowLimit` rows.
    func convolve(
        _ x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor?, epilogue: ConvolutionEpilogue,
        into output: Tensor) throws

    /// Elements of scratch with which `convolve` is fastest.
    func convolutionScratchCount(weights: [any Weight], window: ImageWindow) -> Int

    /// Whether `convolve` also takes maps that another convolution has quantised, and quantises its own: tensors of type
    /// uint8 and the shapes above as `x`, `output`, and as a residual that no activation stands before. Their memory is that
    /// of as many float32 numbers, packed, and only convolutions know what is in it; and `maxPool`, which takes them too.
    func quantisesMaps(weights: [any Weight], window: ImageWindow) -> Bool
}

/// Rows that a convolution multiplies at a time, which `ExecutionLimits.tokenCount` must allow.
public let convolutionRowLimit = 1 << 14

/// Elements of patches that a convolution multiplies at a time: as many as second-level caches hold, in whole rows.
private let patchElementCount = 1 << 18
/// Rows at least, so that large weights, which no cache holds, are read for many.
private let leastPatchRows = 512

extension ConvolutionOps {
    public func convolve(
        _ x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor?, epilogue: ConvolutionEpilogue,
        into output: Tensor
    ) throws {
        try convolveByPatches(
            x, weights: weights, window: window, scratch: scratch, epilogue: epilogue, into: output)
    }

    public func convolutionScratchCount(weights: [any Weight], window: ImageWindow) -> Int {
        patchScratchCount(weights: weights, window: window)
    }

    public func quantisesMaps(weights: [any Weight], window: ImageWindow) -> Bool { false }

    /// The patches of as many windows as pay, but no more than there are.
    package func patchScratchCount(weights: [any Weight], window: ImageWindow) -> Int {
        guard !window.isPointwise, let patchSize = weights.first?.columns, patchSize > 0 else { return 0 }
        let few = min(window.gridRows, max(patchElementCount / patchSize, leastPatchRows))
        return min(few, convolutionRowLimit) * patchSize
    }

    /// As a matrix product of patches, some rows of the grid at a time.
    package func convolveByPatches(
        _ x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor?, epilogue: ConvolutionEpilogue,
        into output: Tensor
    ) throws {
        let call = try ConvolutionArguments(
            x: x, weights: weights, window: window, scratch: scratch, epilogue: epilogue, output: output)
        let total = window.gridRows
        let capacity = window.isPointwise ? total : (scratch?.shape.elementCount ?? 0) / call.patchSize
        let step = max(min(capacity, convolutionRowLimit), 1)
        let activatesLast = epilogue.addsResidualFirst && epilogue.residual != nil
        for start in stride(from: 0, to: total, by: step) {
            let rows = start..<min(start + step, total)
            for (group, weight) in weights.enumerated() {
                let inputs = x.columns(call.inputColumns(of: group))
                let outputs = call.outputColumns(of: group)
                var patches = inputs
                if let scratch, !window.isPointwise {
                    patches = scratch.flatPrefix([rows.count, call.patchSize])
                    try unfold(inputs, window: window, rows: rows, into: patches)
                } else {
                    patches = inputs.rows(rows)
                }
                try matmul(
                    patches, weight, into: output.rows(rows).columns(outputs),
                    epilogue: MatmulEpilogue(
                        bias: epilogue.bias?.rows(outputs), activation: activatesLast ? nil : epilogue.activation,
                        residual: epilogue.residual?.rows(rows).columns(outputs)))
            }
            if activatesLast, let activation = epilogue.activation {
                try activate(output.rows(rows), activation, into: output.rows(rows))
            }
        }
    }

    /// A transposed convolution (`torch.nn.ConvTranspose2d`): the transpose of the convolution whose window slides over the
    /// output. `x` is `[B · H' · W', C]`, a row a position of the window; `output` is `[B · H · W, N]`.
    ///
    /// - Parameters:
    ///   - weights: of each group `[K · N / G, C / G]`.
    ///   - scratch: float32 memory for the patches of at least one image, `H' · W' · K · N / G` elements.
    /// - Throws: `BackendError`.
    public func convolveTransposed(
        _ x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor, epilogue: ConvolutionEpilogue,
        into output: Tensor
    ) throws {
        let call = try TransposedConvolutionArguments(
            x: x, weights: weights, window: window, scratch: scratch, epilogue: epilogue, output: output)
        let (gridRows, imageRows) = (window.grid.pixelCount, window.image.pixelCount)
        let step = max(scratch.shape.elementCount / (gridRows * call.patchSize), 1)
        for first in stride(from: 0, to: window.imageCount, by: step) {
            let images = first..<min(first + step, window.imageCount)
            var part = window
            part.imageCount = images.count
            let target = output.rows(images.lowerBound * imageRows..<images.upperBound * imageRows)
            for (group, weight) in weights.enumerated() {
                let patches = scratch.flatPrefix([images.count * gridRows, call.patchSize])
                let outputs = call.outputColumns(of: group)
                let inputs = x.columns(call.inputColumns(of: group))
                for start in stride(from: 0, to: patches.rows, by: convolutionRowLimit) {
                    let rows = start..<min(start + convolutionRowLimit, patches.rows)
                    let offset = images.lowerBound * gridRows
                    try matmul(
                        inputs.rows(offset + rows.lowerBound..<offset + rows.upperBound), weight,
                        into: patches.rows(rows), epilogue: .none)
                }
                try fold(
                    patches, window: part, bias: epilogue.bias?.rows(outputs), activation: epilogue.activation,
                    into: target.columns(outputs))
            }
        }
    }
}

extension Tensor {
    /// The first elements of packed memory under another shape.
    /// - Precondition: contiguous, and as many elements.
    func flatPrefix(_ newShape: Shape) -> Tensor {
        precondition(isContiguous && newShape.elementCount <= shape.elementCount, "\(newShape) of \(shape)")
        return Tensor(buffer: buffer, byteOffset: byteOffset, dtype: dtype, shape: newShape)
    }
}
