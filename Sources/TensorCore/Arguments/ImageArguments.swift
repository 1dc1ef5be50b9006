extension ArgumentChecks {
    /// A window whose numbers kernels can take.
    package func window(_ window: ImageWindow, imageChannels: Int) throws {
        let extents = [window.image, window.grid, window.kernel, window.stride, window.dilation]
        try require(window.imageCount >= 0, "\(window.imageCount) images")
        for extent in extents {
            try require(extent.height > 0 && extent.width > 0, "a window with an extent \(extent)")
        }
        try require(window.padding.height >= 0 && window.padding.width >= 0, "a padding of \(window.padding)")
        let most = 1 << 24
        for extent in extents + [window.padding] {
            try limit(max(extent.height, extent.width), "extent", maximum: most)
        }
        for pixels in [window.image, window.grid] {
            let count = Shape(checking: [window.imageCount, pixels.height, pixels.width])?.elementCount
            try limit(count ?? .max, "pixels", maximum: Int(Int32.max))
        }
        let patch = Shape(checking: [window.kernel.height, window.kernel.width, max(imageChannels, 1)])?.elementCount
        try limit(patch ?? .max, "elements of a window", maximum: Int(Int32.max))
        // Where a window may lie must fit the kernels' signed numbers.
        for (grid, stride, kernel, dilation) in [
            (window.grid.height, window.stride.height, window.kernel.height, window.dilation.height),
            (window.grid.width, window.stride.width, window.kernel.width, window.dilation.width),
        ] {
            try limit(grid * stride, "reach of the windows", maximum: Int(Int32.max) / 2)
            try limit(kernel * dilation, "reach of a window", maximum: Int(Int32.max) / 2)
        }
    }

    package func unfold(_ x: Tensor, window: ImageWindow, rows: Range<Int>, patches: Tensor) throws {
        try self.window(window, imageChannels: x.columns)
        try matrix(x, "x", rows: window.imageRows, columns: x.columns)
        try require(rows.lowerBound >= 0 && rows.upperBound <= window.gridRows, "rows \(rows) of \(window.gridRows)")
        try matrix(patches, "patches", rows: rows.count, columns: window.tapCount * x.columns)
    }

    package func fold(_ patches: Tensor, window: ImageWindow, bias: Tensor?, output: Tensor) throws {
        try self.window(window, imageChannels: output.columns)
        try matrix(output, "output", rows: window.imageRows, columns: output.columns)
        try matrix(patches, "patches", rows: window.gridRows, columns: window.tapCount * output.columns)
        try vector(bias, "bias", count: output.columns)
    }

    package func convolveDepthwise(
        _ x: Tensor, weight: Tensor, window: ImageWindow, bias: Tensor?, output: Tensor
    ) throws {
        try pool(x, window: window, output: output)
        try vector(weight, "weight", count: window.tapCount * x.columns)
        try vector(bias, "bias", count: x.columns)
    }

    /// Also of a depthwise convolution.
    package func pool(_ x: Tensor, window: ImageWindow, output: Tensor, quantises: Bool = false) throws {
        try self.window(window, imageChannels: x.columns)
        try map(x, "x", rows: window.imageRows, columns: x.columns, quantises: quantises)
        try map(output, "output", rows: window.gridRows, columns: x.columns, quantises: quantises)
    }

    /// A map of floats or, where `quantises`, a quantised one; see `ConvolutionOps.quantisesMaps`.
    package func map(_ tensor: Tensor?, _ argument: String, rows: Int, columns: Int, quantises: Bool) throws {
        let isQuantised = quantises && tensor?.dtype == .uint8
        try matrix(tensor, argument, rows: rows, columns: columns, dtype: isQuantised ? .uint8 : .float32)
        try require(!isQuantised || tensor?.isContiguous == true, "\(argument), a quantised map with gaps")
    }

    /// Beyond `pool`: each window has a pixel.
    package func maxPool(_ x: Tensor, window: ImageWindow, output: Tensor, quantises: Bool = false) throws {
        try pool(x, window: window, output: output, quantises: quantises)
        for (grid, image, kernel, stride, padding, dilation) in [
            (
                window.grid.height, window.image.height, window.kernel.height, window.stride.height,
                window.padding.height, window.dilation.height
            ),
            (
                window.grid.width, window.image.width, window.kernel.width, window.stride.width, window.padding.width,
                window.dilation.width
            ),
        ] {
            let reachesIn = (kernel - 1) * dilation >= padding && dilation <= image
            try require(
                reachesIn && (grid - 1) * stride - padding < image, "a window has no pixel of the image")
        }
    }

    package func averagePool(_ x: Tensor, window: ImageWindow, output: Tensor) throws {
        try require(window.dilation == Extent2D(1), "an average of dilated windows")
        try maxPool(x, window: window, output: output)
    }

    package func adaptivePool(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, output: Tensor
    ) throws {
        try pool(
            x, window: ImageWindow(imageCount: imageCount, image: image, grid: grid, kernel: Extent2D(1)),
            output: output)
    }

    package func scaleChannels(_ x: Tensor, scales: Tensor, output: Tensor) throws {
        try elementwise(x, output: output)
        try require(scales.rows > 0 && x.rows % scales.rows == 0, "\(x.rows) pixels of \(scales.rows) images")
        try matrix(scales, "scales", rows: scales.rows, columns: x.columns)
    }

    package func pixelShuffle(
        _ x: Tensor, imageCount: Int, image: Extent2D, factor: Int, output: Tensor
    ) throws {
        try require(factor > 0 && factor <= 1 << 12, "a factor of \(factor)")
        try require(x.columns % (factor * factor) == 0, "\(x.columns) channels for a factor of \(factor)")
        try pool(
            x.columns(0..<x.columns / (factor * factor)),
            window: ImageWindow(
                imageCount: imageCount, image: image,
                grid: Extent2D(height: image.height * factor, width: image.width * factor), kernel: Extent2D(1)),
            output: output)
    }

    package func localResponseNorm(_ x: Tensor, size: Int, _ numbers: [Float], output: Tensor) throws {
        try elementwise(x, output: output)
        try require(size > 0 && size <= 1 << 24, "a size of \(size)")
        try require(numbers.allSatisfy(\.isFinite), "a factor that is not finite")
    }

    package func responseGains(
        _ squares: Tensor, pixelCount: Int, weight: Tensor, epsilon: Float, output: Tensor
    ) throws {
        try elementwise(squares, output: output)
        try vector(weight, "weight", count: squares.columns)
        try require(pixelCount > 0 && pixelCount <= Int(Int32.max), "\(pixelCount) pixels")
        try require(epsilon > 0 && epsilon.isFinite, "an epsilon of \(epsilon)")
    }
}

/// The arguments of a convolution, checked.
package struct ConvolutionArguments {
    /// Elements of a patch of one group, `K · C / G`.
    package let patchSize: Int
    private let inputsPerGroup: Int
    private let outputsPerGroup: Int

    /// - Parameter quantises: whether maps may be quantised, see `ConvolutionOps.quantisesMaps`.
    package init(
        x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor?, epilogue: ConvolutionEpilogue,
        output: Tensor, quantises: Bool = false
    ) throws {
        let checks = ArgumentChecks(op: "convolve")
        let isActivatedBefore = epilogue.activation != nil && !epilogue.addsResidualFirst
        try checks.require(
            epilogue.residual?.dtype != .uint8 || !isActivatedBefore, "a quantised residual behind an activation")
        (inputsPerGroup, outputsPerGroup) = try checks.groups(weights.count, inputs: x.columns, outputs: output.columns)
        try checks.window(window, imageChannels: x.columns)
        patchSize = window.tapCount * inputsPerGroup
        try checks.map(x, "x", rows: window.imageRows, columns: x.columns, quantises: quantises)
        try checks.map(output, "output", rows: window.gridRows, columns: output.columns, quantises: quantises)
        try checks.map(
            epilogue.residual, "residual", rows: window.gridRows, columns: output.columns, quantises: quantises)
        try checks.vector(epilogue.bias, "bias", count: output.columns)
        for weight in weights {
            try checks.require(
                weight.rows == outputsPerGroup && weight.columns == patchSize,
                "weight \(weight.name) is [\(weight.rows), \(weight.columns)], expected [\(outputsPerGroup), "
                    + "\(patchSize)]")
        }
        guard !window.isPointwise else { return }
        try checks.require(
            (scratch?.shape.elementCount ?? 0) >= patchSize && scratch?.isContiguous == true
                && scratch?.dtype == .float32, "scratch of less than a patch of \(patchSize) elements")
    }

    package func inputColumns(of group: Int) -> Range<Int> {
        group * inputsPerGroup..<(group + 1) * inputsPerGroup
    }
    package func outputColumns(of group: Int) -> Range<Int> {
        group * outputsPerGroup..<(group + 1) * outputsPerGroup
    }
}

/// The arguments of a transposed convolution, checked.
package struct TransposedConvolutionArguments {
    /// Elements of a patch of one group, `K · N / G`.
    package let patchSize: Int
    private let inputsPerGroup: Int
    private let outputsPerGroup: Int

    package init(
        x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor, epilogue: ConvolutionEpilogue,
        output: Tensor
    ) throws {
        let checks = ArgumentChecks(op: "convolveTransposed")
        (inputsPerGroup, outputsPerGroup) = try checks.groups(weights.count, inputs: x.columns, outputs: output.columns)
        try checks.window(window, imageChannels: output.columns)
        patchSize = window.tapCount * outputsPerGroup
        try checks.matrix(x, "x", rows: window.gridRows, columns: x.columns)
        try checks.matrix(output, "output", rows: window.imageRows, columns: output.columns)
        try checks.vector(epilogue.bias, "bias", count: output.columns)
        try checks.require(epilogue.residual == nil, "a residual, which it does not take")
        for weight in weights {
            try checks.require(
                weight.rows == patchSize && weight.columns == inputsPerGroup,
                "weight \(weight.name) is [\(weight.rows), \(weight.columns)], expected [\(patchSize), "
                    + "\(inputsPerGroup)]")
        }
        let needed = Shape(checking: [window.grid.height, window.grid.width, patchSize])?.elementCount ?? .max
        try checks.require(
            scratch.shape.elementCount >= needed && scratch.isContiguous && scratch.dtype == .float32,
            "scratch of less than an image's patches of \(needed) elements")
    }

    package func inputColumns(of group: Int) -> Range<Int> {
        group * inputsPerGroup..<(group + 1) * inputsPerGroup
    }
    package func outputColumns(of group: Int) -> Range<Int> {
        group * outputsPerGroup..<(group + 1) * outputsPerGroup
    }
}

extension ArgumentChecks {
    /// Channels of a group.
    fileprivate func groups(_ count: Int, inputs: Int, outputs: Int) throws -> (Int, Int) {
        try require(
            count > 0 && inputs > 0 && outputs > 0 && inputs % count == 0 && outputs % count == 0,
            "\(inputs) channels in and \(outputs) out in \(count) groups")
        return (inputs / count, outputs / count)
    }
}
