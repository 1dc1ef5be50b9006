import ModelIO
import TensorCore

extension NetworkBuilder {
    /// A convolution, with what follows on it: batch norm (folded), activation, and a residual that is added after the
    /// activation, or before it.
    ///
    /// - Parameters:
    ///   - outputs: channels; `nil`: as many as the tensor has.
    ///   - hasBias: `nil`: as the checkpoint has one.
    ///   - into: where the result goes; `nil`: a new map.
    ///   - paddingBehind: pixels of padding below and to the right, where they are others than above and to the left.
    func convolution(
        _ x: FeatureMap, _ name: String, outputs: Int? = nil, _ sliding: Sliding, groups: Int = 1, hasBias: Bool? = nil,
        norm: BatchNorm? = nil, activation: Activation? = nil, residual: FeatureMap? = nil,
        addsResidualFirst: Bool = false, scale: [Float]? = nil, paddingBehind: Extent2D? = nil,
        into target: FeatureMap? = nil
    ) throws -> FeatureMap {
        precondition(residual == nil || groups == 1, "a residual behind a convolution of groups")
        let outputs = try outputs ?? self.outputs(of: name)
        guard groups > 0, x.channels % groups == 0, outputs % groups == 0 else {
            throw LoadError.invalidTensor(
                path: path, tensor: name, reason: "has \(x.channels) channels in and \(outputs) out in \(groups) groups"
            )
        }
        let window = try window(sliding, over: x, name: name, paddingBehind: paddingBehind)
        let shape = ConvolutionShape(inputs: x.channels, outputs: outputs, kernel: sliding.kernel, groups: groups)
        let output = try target ?? map(size: window.grid, channels: outputs)
        // One map less goes through the caches.
        if let residual, target == nil, residual.storage != x.storage { overwrite(residual, by: output) }
        let hasBias = hasBias ?? contains(name + ".bias")
        if !shape.isDepthwise {
            let patchSize = sliding.kernel.pixelCount * (x.channels / groups)
            reserve(
                rows: min(window.gridRows, convolutionRowLimit), columns: patchSize, features: max(outputs, x.channels))
        }
        let loaded = try weights?.convolution(name, shape, hasBias: hasBias, norm: norm, scale: scale)
        if case .matrices(let matrices) = loaded?.weights { reserveScratch(matrices, window: window) }
        let isAddedLast = activation != nil && !addsResidualFirst
        let quantisable = quantisableMaps(
            loaded?.weights, window: window, x: x, residual: isAddedLast ? nil : residual, output: output)
        let kind = shape.isDepthwise ? "depthwise convolution" : groups > 1 ? "grouped convolution" : "convolution"
        add(
            name, "\(kind) \(sliding.text)", [x, residual], output,
            parameters: shape.weightCount + (hasBias || norm != nil ? outputs : 0),
            multiplyAdds: window.grid.pixelCount * shape.weightCount, quantisable: quantisable,
            with: loaded
        ) { loaded, backend, memory in
            switch loaded.weights {
            case .matrices(let matrices):
                try backend.convolve(
                    memory[x], weights: matrices, window: window, scratch: memory.scratch,
                    epilogue: ConvolutionEpilogue(
                        bias: loaded.bias, activation: activation, residual: residual.map { memory[$0] },
                        addsResidualFirst: addsResidualFirst),
                    into: memory[output])
            case .depthwise(let matrix):
                try backend.convolveDepthwise(
                    memory[x], weight: matrix, window: window, bias: loaded.bias, activation: activation,
                    into: memory[output])
            }
        }
        return output
    }

    /// A transposed convolution; arguments as of `convolution`.
    /// - Parameter outputPadding: pixels more below and to the right.
    func transposedConvolution(
        _ x: FeatureMap, _ name: String, outputs: Int, _ sliding: Sliding, groups: Int = 1, hasBias: Bool? = nil,
        norm: BatchNorm? = nil, activation: Activation? = nil, outputPadding: Int = 0
    ) throws -> FeatureMap {
        func extent(_ axis: KeyPath<Extent2D, Int>) -> Int {
            (x.size[keyPath: axis] - 1) * sliding.stride[keyPath: axis] - 2 * sliding.padding[keyPath: axis]
                + (sliding.kernel[keyPath: axis] - 1) * sliding.dilation[keyPath: axis] + 1 + outputPadding
        }
        let size = Extent2D(height: extent(\.height), width: extent(\.width))
        guard size.height > 0, size.width > 0, x.channels % groups == 0, outputs % groups == 0 else {
            throw LoadError.invalidTensor(path: path, tensor: name, reason: "makes an image of \(size) pixels")
        }
        let window = ImageWindow(
            imageCount: imageCount, image: size, grid: x.size, kernel: sliding.kernel, stride: sliding.stride,
            padding: sliding.padding, dilation: sliding.dilation)
        let shape = ConvolutionShape(
            inputs: x.channels, outputs: outputs, kernel: sliding.kernel, groups: groups, isTransposed: true)
        let output = try map(size: size, channels: outputs)
        let hasBias = hasBias ?? contains(name + ".bias")
        let patchSize = sliding.kernel.pixelCount * (outputs / groups)
        guard let perImage = Shape(checking: [x.size.pixelCount, patchSize])?.elementCount,
            perImage <= Int(Int32.max)
        else { throw tooLarge("patches of \(patchSize) elements") }
        reserve(scratchFloats: min(imageCount, max((1 << 22) / perImage, 1)) * perImage)
        reserve(
            rows: min(x.rows, convolutionRowLimit), columns: x.channels / groups, features: max(patchSize, x.channels))
        let loaded = try weights?.convolution(name, shape, hasBias: hasBias, norm: norm)
        add(
            name, "transposed convolution \(sliding.text)", [x], output,
            parameters: shape.weightCount + (hasBias || norm != nil ? outputs : 0),
            multiplyAdds: x.size.pixelCount * shape.weightCount,
            with: loaded
        ) { loaded, backend, memory in
            guard case .matrices(let matrices) = loaded.weights else { return }
            try backend.convolveTransposed(
                memory[x], weights: matrices, window: window, scratch: memory.scratch,
                epilogue: ConvolutionEpilogue(bias: loaded.bias, activation: activation), into: memory[output])
        }
        return output
    }

    /// - Throws: `LoadError.invalidFile` where the image is smaller than the window.
    func window(
        _ sliding: Sliding, over x: FeatureMap, name: String, roundsUp: Bool = false, paddingBehind: Extent2D? = nil
    ) throws -> ImageWindow {
        func misfit() -> LoadError {
            .invalidFile(
                path: path,
                reason: "layer '\(name)' has windows of \(sliding.kernel) pixels, which do not fit its input of "
                    + "\(x.size); use larger images")
        }
        guard let paddingBehind else {
            guard let window = sliding.window(imageCount: imageCount, over: x.size, roundsUp: roundsUp) else {
                throw misfit()
            }
            return window
        }
        func positions(_ axis: KeyPath<Extent2D, Int>) -> Int {
            let reach = (sliding.kernel[keyPath: axis] - 1) * sliding.dilation[keyPath: axis] + 1
            let span = x.size[keyPath: axis] + sliding.padding[keyPath: axis] + paddingBehind[keyPath: axis]
            return span < reach ? 0 : (span - reach) / sliding.stride[keyPath: axis] + 1
        }
        let grid = Extent2D(height: positions(\.height), width: positions(\.width))
        guard grid.pixelCount > 0 else { throw misfit() }
        return ImageWindow(
            imageCount: imageCount, image: x.size, grid: grid, kernel: sliding.kernel, stride: sliding.stride,
            padding: sliding.padding, dilation: sliding.dilation)
    }
}
