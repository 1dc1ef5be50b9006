public import TensorCore

extension ReferenceBackend {
    public func unfold(_ x: Tensor, window: ImageWindow, rows: Range<Int>, into patches: Tensor) throws {
        try ArgumentChecks(op: "unfold").unfold(x, window: window, rows: rows, patches: patches)
        launch("unfold")
        let all = Reference.unfold(matrix(x), window: window)
        let part = all.values[rows.lowerBound * all.columns..<rows.upperBound * all.columns]
        store(Matrix(rows: rows.count, columns: all.columns, values: Array(part)), to: patches)
    }

    public func fold(
        _ patches: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "fold").fold(patches, window: window, bias: bias, output: output)
        launch("fold")
        store(
            Reference.fold(
                matrix(patches), window: window, bias: bias.map { floats($0) }, activation: activation), to: output)
    }

    public func convolveDepthwise(
        _ x: Tensor, weight: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "convolveDepthwise").convolveDepthwise(
            x, weight: weight, window: window, bias: bias, output: output)
        launch("convolveDepthwise")
        let taps = window.tapCount
        let stored = floats(weight)
        let moved = (0..<x.columns).flatMap { c in (0..<taps).map { Double(stored[$0 * x.columns + c]) } }
        store(
            Reference.convolve(
                matrix(x), weight: moved, outputs: x.columns, groups: x.columns, window: window,
                bias: bias.map { floats($0) }, activation: activation), to: output)
    }

    public func maxPool(_ x: Tensor, window: ImageWindow, into output: Tensor) throws {
        try ArgumentChecks(op: "maxPool").maxPool(x, window: window, output: output)
        launch("maxPool")
        store(Reference.maxPool(matrix(x), window: window), to: output)
    }

    public func averagePool(_ x: Tensor, window: ImageWindow, countsPadding: Bool, into output: Tensor) throws {
        try ArgumentChecks(op: "averagePool").averagePool(x, window: window, output: output)
        launch("averagePool")
        store(Reference.averagePool(matrix(x), window: window, countsPadding: countsPadding), to: output)
    }

    public func adaptiveAveragePool(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "adaptiveAveragePool").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        launch("adaptiveAveragePool")
        store(
            Reference.adaptiveAveragePool(matrix(x), imageCount: imageCount, image: image, grid: grid), to: output)
    }

    public func localResponseNorm(
        _ x: Tensor, size: Int, alpha: Float, beta: Float, k: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "localResponseNorm").localResponseNorm(x, size: size, [alpha, beta, k], output: output)
        launch("localResponseNorm")
        store(Reference.localResponseNorm(matrix(x), size: size, alpha: alpha, beta: beta, k: k), to: output)
    }

    public func responseGains(
        _ squares: Tensor, pixelCount: Int, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "responseGains").responseGains(
            squares, pixelCount: pixelCount, weight: weight, epsilon: epsilon, output: output)
        launch("responseGains")
        let scales = elements(weight.reshaped([1, squares.columns]), as: Float.self)
        store(
            Reference.responseGains(matrix(squares), pixelCount: pixelCount, weight: scales, epsilon: epsilon),
            to: output)
    }

    public func scaleChannels(_ x: Tensor, by scales: Tensor, into output: Tensor) throws {
        try ArgumentChecks(op: "scaleChannels").scaleChannels(x, scales: scales, output: output)
        launch("scaleChannels")
        store(Reference.scaleChannels(matrix(x), by: matrix(scales)), to: output)
    }

    public func resize(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, interpolation: ImageInterpolation,
        into output: Tensor
    ) throws {
        try ArgumentChecks(op: "resize").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        launch("resize")
        store(
            Reference.resize(
                matrix(x), imageCount: imageCount, image: image, grid: grid, interpolation: interpolation),
            to: output)
    }

    public func pixelShuffle(
        _ x: Tensor, imageCount: Int, image: Extent2D, factor: Int, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "pixelShuffle").pixelShuffle(
            x, imageCount: imageCount, image: image, factor: factor, output: output)
        launch("pixelShuffle")
        store(Reference.pixelShuffle(matrix(x), imageCount: imageCount, image: image, factor: factor), to: output)
    }

    /// The elements of a vector.
    private func floats(_ tensor: Tensor) -> [Float] {
        elements(tensor.reshaped([1, tensor.shape.elementCount]), as: Float.self)
    }
}
