import CPUBackend
import TensorCore
import TestSupport
import Testing

/// One window of the conformance list, with what is computed below it.
struct WindowCase: ConformanceCase {
    var imageCount = 1
    var image: Extent2D
    var kernel: Extent2D
    var stride = Extent2D(1)
    var padding = Extent2D(0)
    var dilation = Extent2D(1)
    var channels = 3
    var outputs = 4
    var groups = 1
    var activation: Activation?
    var hasBias = true
    var gap = 0
    var roundsUp = false

    var window: ImageWindow {
        func positions(_ axis: KeyPath<Extent2D, Int>) -> Int {
            ImageWindow.positions(
                size: image[keyPath: axis], kernel: kernel[keyPath: axis], stride: stride[keyPath: axis],
                padding: padding[keyPath: axis], dilation: dilation[keyPath: axis], roundsUp: roundsUp) ?? 0
        }
        return ImageWindow(
            imageCount: imageCount, image: image,
            grid: Extent2D(height: positions(\.height), width: positions(\.width)), kernel: kernel, stride: stride,
            padding: padding, dilation: dilation)
    }
    var cost: Int { window.gridRows * window.tapCount * channels * outputs / groups }
    var name: String {
        "B=\(imageCount) \(image) kernel \(kernel) stride \(stride) padding \(padding) dilation \(dilation) C=\(channels) "
            + "N=\(outputs) G=\(groups)\(hasBias ? " bias" : "") \(activation.map { "\($0)" } ?? "") gap=\(gap)"
            + (roundsUp ? " ceil" : "")
    }

    private static func rectangle(_ height: Int, _ width: Int) -> Extent2D { Extent2D(height: height, width: width) }

    static let all: [WindowCase] = [
        WindowCase(image: Extent2D(1), kernel: Extent2D(1), channels: 1, outputs: 1),
        WindowCase(imageCount: 3, image: rectangle(5, 7), kernel: Extent2D(1), channels: 17, outputs: 33),
        WindowCase(imageCount: 2, image: rectangle(9, 5), kernel: Extent2D(1), stride: Extent2D(2), channels: 16),
        WindowCase(
            imageCount: 2, image: rectangle(8, 11), kernel: Extent2D(3), padding: Extent2D(1), channels: 15,
            outputs: 16, activation: .relu, gap: 5),
        WindowCase(
            image: rectangle(13, 17), kernel: rectangle(3, 5), stride: rectangle(2, 3), padding: rectangle(1, 2),
            dilation: rectangle(2, 1), channels: 5, outputs: 7, activation: .tanh),
        WindowCase(
            imageCount: 2, image: Extent2D(12), kernel: Extent2D(3), stride: Extent2D(2), padding: Extent2D(1),
            channels: 8, outputs: 12, groups: 4, activation: .relu6),
        WindowCase(
            imageCount: 2, image: rectangle(9, 6), kernel: Extent2D(3), padding: Extent2D(2), dilation: Extent2D(2),
            channels: 6, outputs: 6, groups: 2, hasBias: false, gap: 3),
        WindowCase(
            image: Extent2D(30), kernel: Extent2D(11), stride: Extent2D(4), padding: Extent2D(2), channels: 3,
            outputs: 17, activation: .leakyRelu),
        WindowCase(
            imageCount: 2, image: Extent2D(14), kernel: Extent2D(7), stride: Extent2D(2), padding: Extent2D(3),
            channels: 64, outputs: 65, activation: .sigmoid),
        // The window is larger than the image, and most of its taps lie in the padding.
        WindowCase(image: rectangle(2, 1), kernel: Extent2D(5), padding: Extent2D(2), channels: 33, outputs: 3),
    ]

    /// Windows that the kernels for packed weights take in other ways: in several passes over many inputs, tap by tap and
    /// line by line, and 3x3 pixels by Winograd's products.
    static let packed: [WindowCase] = [
        WindowCase(image: rectangle(3, 5), kernel: Extent2D(1), channels: 1601, outputs: 20, activation: .silu),
        WindowCase(
            image: rectangle(5, 4), kernel: Extent2D(3), stride: Extent2D(2), padding: Extent2D(1), channels: 440,
            outputs: 67, activation: .relu),
        WindowCase(
            imageCount: 2, image: rectangle(9, 11), kernel: rectangle(5, 3), padding: rectangle(2, 1), channels: 4,
            outputs: 70, activation: .geluErf),
        WindowCase(image: rectangle(12, 14), kernel: Extent2D(9), padding: Extent2D(3), channels: 20, outputs: 9),
        WindowCase(imageCount: 197, image: Extent2D(1), kernel: Extent2D(1), channels: 48, outputs: 80, gap: 1),
        WindowCase(
            imageCount: 3, image: rectangle(1, 2), kernel: Extent2D(3), padding: Extent2D(1), channels: 32, outputs: 32),
        WindowCase(
            imageCount: 2, image: rectangle(9, 14), kernel: Extent2D(3), padding: Extent2D(1), channels: 33,
            outputs: 65, activation: .relu, gap: 3),
        WindowCase(
            imageCount: 2, image: rectangle(7, 6), kernel: Extent2D(3), channels: 96, outputs: 130, groups: 2,
            activation: .silu),
        WindowCase(
            image: rectangle(22, 25), kernel: Extent2D(3), padding: rectangle(2, 1), channels: 40, outputs: 48,
            hasBias: false),
        WindowCase(
            imageCount: 9, image: Extent2D(5), kernel: Extent2D(3), padding: Extent2D(1), channels: 352, outputs: 36),
        WindowCase(
            imageCount: 2, image: rectangle(12, 11), kernel: Extent2D(3), padding: Extent2D(1), channels: 352,
            outputs: 36),
        WindowCase(
            imageCount: 2, image: rectangle(14, 13), kernel: Extent2D(3), channels: 96, outputs: 130, groups: 2,
            activation: .silu),
        // One task's windows and one more, whose panels of the weight are shared out, and of fewer panels its windows.
        WindowCase(image: rectangle(14, 14), kernel: Extent2D(1), channels: 70, outputs: 200, activation: .relu),
        WindowCase(image: rectangle(1, 199), kernel: Extent2D(1), channels: 65, outputs: 64),
    ]

    /// 3x3 pixels with steps of one, which may be computed by Winograd's products. They are exact to a few bits less.
    var isSmallWindow: Bool { kernel == Extent2D(3) && stride == Extent2D(1) && dilation == Extent2D(1) }

    /// Windows that any pooling can take.
    static let pools: [WindowCase] = [1, 3, 15, 16, 17, 65].flatMap { channels in
        [
            WindowCase(image: Extent2D(4), kernel: Extent2D(2), stride: Extent2D(2), channels: channels),
            WindowCase(
                imageCount: 2, image: rectangle(7, 10), kernel: Extent2D(3), stride: Extent2D(2),
                padding: Extent2D(1), channels: channels, gap: 3),
            WindowCase(
                imageCount: 2, image: rectangle(8, 6), kernel: rectangle(3, 2), stride: rectangle(2, 3),
                channels: channels, roundsUp: true),
            WindowCase(
                image: rectangle(10, 9), kernel: Extent2D(9), stride: Extent2D(2), padding: Extent2D(4),
                channels: channels, roundsUp: true),
        ]
    }
}

@Suite("convolutions")
struct ConvolutionTests {
    /// Exact up to FP32's rounding of sums.
    private static let bound = 1e-11
    private static let winogradBound = 1e-10

    @Test("convolve", arguments: (WindowCase.all + WindowCase.packed).selected)
    func convolves(_ one: WindowCase) {
        var random = one.random
        let (window, taps, inner) = (one.window, one.kernel.pixelCount, one.channels / one.groups)
        let x = random.floats(window.imageRows * one.channels)
        let weight = random.floats(one.outputs * inner * taps)
        let bias = one.hasBias ? random.floats(one.outputs) : nil
        let residual = random.floats(window.gridRows * one.outputs)
        let sums = Reference.convolve(
            Matrix(rows: window.imageRows, columns: one.channels, floats: x), weight: weight.map(Double.init),
            outputs: one.outputs, groups: one.groups, window: window, bias: bias, activation: nil)
        let other = Matrix(rows: window.gridRows, columns: one.outputs, floats: residual)
        func activated(_ x: Matrix) -> Matrix { one.activation.map { Reference.activate(x, $0) } ?? x }
        let expected = [activated(sums) + other, activated(sums + other)]
        // Scratch as the backend wants it, of all patches, and of a few at a time.
        for patchCount in [nil, window.gridRows, 3] {
            onEveryDevice("\(one.name), \(patchCount.map { "\($0)" } ?? "best") patches") { backend, expectations in
                let weights = try (0..<one.groups).map { group in
                    try backend.prepare(Self.matrix(one, weight, group: group))
                }
                let input = try GuardedTensor(on: backend, x, [window.imageRows, one.channels], gap: one.gap)
                let added = try GuardedTensor(on: backend, residual, [window.gridRows, one.outputs])
                let best = backend.convolutionScratchCount(weights: weights, window: window)
                let scratch = try GuardedTensor(on: backend, .float32, [patchCount.map { $0 * taps * inner } ?? best])
                let output = try GuardedTensor(
                    on: backend, .float32, [window.gridRows, one.outputs], gap: one.gap)
                for (index, expected) in expected.enumerated() {
                    try backend.convolve(
                        input.tensor, weights: weights, window: window, scratch: scratch.tensor,
                        epilogue: ConvolutionEpilogue(
                            bias: bias.map { try backend.makeTensor($0, [one.outputs]) },
                            activation: one.activation, residual: added.tensor, addsResidualFirst: index == 1),
                        into: output.tensor)
                    try expectations.close(
                        output, expected, bound: one.isSmallWindow ? Self.winogradBound : Self.bound)
                }
                try expectations.unchanged(input, "x")
                // What is in the scratch is nobody's; what is around it must not change.
                if let damage = try scratch.contents().damage { expectations.fail("scratch: \(damage)") }
            }
        }
    }

    /// Activations are rounded where the backend does it for int8.
    private static let roundedBound = 3e-4

    private static let otherWeights = [
        WindowCase(
            imageCount: 2, image: Extent2D(11), kernel: Extent2D(3), padding: Extent2D(1), channels: 34, outputs: 70,
            activation: .relu),
        WindowCase(
            imageCount: 2, image: Extent2D(7), kernel: Extent2D(3), padding: Extent2D(1), channels: 64, outputs: 33,
            gap: 2),
        WindowCase(imageCount: 37, image: Extent2D(1), kernel: Extent2D(1), channels: 130, outputs: 96),
        WindowCase(
            imageCount: 2, image: Extent2D(9), kernel: Extent2D(5), stride: Extent2D(2), padding: Extent2D(2),
            channels: 100, outputs: 49, activation: .silu),
    ]

    @Test(
        "convolutions with weights of other formats, in parts",
        arguments: otherWeights.selected, [WeightFormat.float32, .bfloat16, .float16, .int8, .q8_0])
    func convolvesOtherWeights(_ one: WindowCase, _ format: WeightFormat) {
        let (window, taps) = (one.window, one.kernel.pixelCount)
        guard taps * one.channels % format.blockSize == 0 else { return }
        var random = one.random
        let x = random.floats(window.imageRows * one.channels)
        let bias = random.floats(one.outputs)
        let packed = PackedWeight(
            format: format, partRows: [one.outputs - 16, 16], columns: taps * one.channels, random: &random)
        // [N, K, C] as [N, C, K].
        let moved = (0..<one.outputs).flatMap { n in
            (0..<one.channels).flatMap { c in
                (0..<taps).map { packed.values.values[(n * taps + $0) * one.channels + c] }
            }
        }
        let expected = Reference.convolve(
            Matrix(rows: window.imageRows, columns: one.channels, floats: x), weight: moved, outputs: one.outputs,
            groups: 1, window: window, bias: bias, activation: one.activation)
        for precision in [MatmulPrecision.highest, .automatic] {
            let isRounded = precision == .automatic && format != .float32
            onEveryDevice("\(format) \(precision) \(one.name)") { backend, expectations in
                try backend.reserve(
                    .ofConvolution(rows: window.gridRows, columns: taps * one.channels, features: one.outputs))
                let weights = [try backend.prepare(packed.source, precision: precision)]
                let input = try GuardedTensor(on: backend, x, [window.imageRows, one.channels], gap: one.gap)
                let output = try GuardedTensor(
                    on: backend, .float32, [window.gridRows, one.outputs], gap: one.gap)
                let scratch = try GuardedTensor(
                    on: backend, .float32, [backend.convolutionScratchCount(weights: weights, window: window)])
                try backend.convolve(
                    input.tensor, weights: weights, window: window, scratch: scratch.tensor,
                    epilogue: ConvolutionEpilogue(
                        bias: backend.makeTensor(bias, [one.outputs]), activation: one.activation),
                    into: output.tensor)
                try expectations.close(
                    output, expected, bound: isRounded ? Self.roundedBound : Self.winogradBound)
                try expectations.unchanged(input, "x")
                if let damage = try scratch.contents().damage { expectations.fail("scratch: \(damage)") }
            }
        }
    }

    @Test(
        "a convolution has the same bits on any number of threads, alone and beside other images",
        arguments: [1, 3], [WeightFormat.float32, .int8])
    func sameBits(_ kernel: Int, _ format: WeightFormat) throws {
        let one = WindowCase(
            imageCount: 5, image: Extent2D(13), kernel: Extent2D(kernel), padding: Extent2D(kernel / 2), channels: 96,
            outputs: 200)
        var random = one.random
        let (window, columns) = (one.window, one.kernel.pixelCount * one.channels)
        let x = random.floats(window.imageRows * one.channels)
        let packed = PackedWeight(format: format, partRows: [one.outputs], columns: columns, random: &random)
        func bits(threads: Int, images: Range<Int>) throws -> [UInt32] {
            let backend = try CPUBackend(threadCount: threads)
            try backend.reserve(.ofConvolution(rows: window.gridRows, columns: columns, features: one.outputs))
            let weights = [try backend.prepare(packed.source, precision: .automatic)]
            var part = window
            part.imageCount = images.count
            let pixels = window.image.pixelCount * one.channels
            let input = try backend.makeTensor(
                Array(x[images.lowerBound * pixels..<images.upperBound * pixels]), [part.imageRows, one.channels])
            let scratch = try backend.makeTensor(
                .float32, [backend.convolutionScratchCount(weights: weights, window: part)])
            let output = try backend.makeTensor(.float32, [part.gridRows, one.outputs])
            try backend.convolve(
                input, weights: weights, window: part, scratch: scratch,
                epilogue: ConvolutionEpilogue(activation: .relu), into: output)
            return try backend.readFloats(output).map(\.bitPattern)
        }
        let expected = try bits(threads: 1, images: 0..<5)
        #expect(try bits(threads: 2, images: 0..<5) == expected)
        #expect(try bits(threads: 7, images: 0..<5) == expected)
        let perImage = expected.count / 5
        #expect(try bits(threads: 3, images: 3..<4) == Array(expected[3 * perImage..<4 * perImage]))
    }

    @Test("a weight that was planned for maps of one size is exact for those of others", arguments: [5, 14, 23])
    func mapsOfOtherSizes(_ first: Int) {
        let sizes = [Extent2D(first), Extent2D(1), Extent2D(7), Extent2D(height: 3, width: 18), Extent2D(16)]
        let cases = sizes.map {
            WindowCase(image: $0, kernel: Extent2D(3), padding: Extent2D(1), channels: 40, outputs: 72)
        }
        var random = cases[0].random
        let weight = random.floats(72 * 40 * 9)
        onEveryDevice("first \(first)") { backend, expectations in
            let weights = [try backend.prepare(Self.matrix(cases[0], weight, group: 0))]
            for one in cases {
                var random = one.random
                let window = one.window
                let x = random.floats(window.imageRows * one.channels)
                let expected = Reference.convolve(
                    Matrix(rows: window.imageRows, columns: one.channels, floats: x),
                    weight: weight.map(Double.init), outputs: one.outputs, groups: 1, window: window, bias: nil,
                    activation: nil)
                let scratch = try GuardedTensor(
                    on: backend, .float32, [backend.convolutionScratchCount(weights: weights, window: window)])
                let output = try GuardedTensor(on: backend, .float32, [window.gridRows, one.outputs])
                try backend.convolve(
                    backend.makeTensor(x, [window.imageRows, one.channels]), weights: weights, window: window,
                    scratch: scratch.tensor, epilogue: .none, into: output.tensor)
                try expectations.close(output, expected, bound: Self.winogradBound)
                if let damage = try scratch.contents().damage { expectations.fail("scratch: \(damage)") }
            }
        }
    }

    /// `[N / G, K · C / G]` of `[N, C / G, K]`.
    private static func matrix(_ one: WindowCase, _ weight: [Float], group: Int) -> WeightSource {
        let (taps, inner, outer) = (one.kernel.pixelCount, one.channels / one.groups, one.outputs / one.groups)
        let values = (group * outer..<(group + 1) * outer).flatMap { n in
            (0..<taps).flatMap { k in (0..<inner).map { c in weight[(n * inner + c) * taps + k] } }
        }
        return source(values, rows: outer, columns: taps * inner)
    }

    private static func source(_ values: [Float], rows: Int, columns: Int) -> WeightSource {
        WeightSource(
            name: "weight", format: .float32, columns: columns,
            parts: [
                WeightPart(rows: rows, bytes: PackedWeight.hostBytes(NumberFormats.encode(values, as: .float32)))
            ])
    }

    @Test("convolveTransposed", arguments: WindowCase.all.selected)
    func convolvesTransposed(_ one: WindowCase) {
        var random = one.random
        let (window, taps) = (one.window, one.kernel.pixelCount)
        let (inner, outer) = (one.channels / one.groups, one.outputs / one.groups)
        let x = random.floats(window.gridRows * one.channels)
        let weight = random.floats(one.channels * outer * taps)
        let bias = one.hasBias ? random.floats(one.outputs) : nil
        let expected = Reference.convolveTransposed(
            Matrix(rows: window.gridRows, columns: one.channels, floats: x), weight: weight.map(Double.init),
            outputs: one.outputs, groups: one.groups, window: window, bias: bias, activation: one.activation)
        onEveryDevice(one.name) { backend, expectations in
            let weights = try (0..<one.groups).map { group in
                let values = (0..<taps).flatMap { k in
                    (0..<outer).flatMap { n in
                        (group * inner..<(group + 1) * inner).map { c in weight[(c * outer + n) * taps + k] }
                    }
                }
                return try backend.prepare(Self.source(values, rows: taps * outer, columns: inner))
            }
            let input = try GuardedTensor(on: backend, x, [window.gridRows, one.channels], gap: one.gap)
            let scratch = try backend.makeTensor(.float32, [window.grid.pixelCount * taps * outer])
            let output = try GuardedTensor(on: backend, .float32, [window.imageRows, one.outputs], gap: one.gap)
            try backend.convolveTransposed(
                input.tensor, weights: weights, window: window, scratch: scratch,
                epilogue: ConvolutionEpilogue(
                    bias: bias.map { try backend.makeTensor($0, [one.outputs]) }, activation: one.activation),
                into: output.tensor)
            try expectations.close(output, expected, bound: Self.bound)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("convolveDepthwise", arguments: (WindowCase.all + WindowCase.pools).selected)
    func convolvesDepthwise(_ one: WindowCase) {
        var random = one.random
        let (window, taps) = (one.window, one.kernel.pixelCount)
        let x = random.floats(window.imageRows * one.channels)
        let weight = random.floats(taps * one.channels)
        let bias = one.hasBias ? random.floats(one.channels) : nil
        let moved = (0..<one.channels).flatMap { c in (0..<taps).map { Double(weight[$0 * one.channels + c]) } }
        let expected = Reference.convolve(
            Matrix(rows: window.imageRows, columns: one.channels, floats: x), weight: moved, outputs: one.channels,
            groups: one.channels, window: window, bias: bias, activation: one.activation)
        onEveryDevice(one.name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [window.imageRows, one.channels], gap: one.gap)
            let output = try GuardedTensor(on: backend, .float32, [window.gridRows, one.channels], gap: one.gap)
            try backend.convolveDepthwise(
                input.tensor, weight: backend.makeTensor(weight, [taps, one.channels]), window: window,
                bias: bias.map { try backend.makeTensor($0, [one.channels]) }, activation: one.activation,
                into: output.tensor)
            try expectations.close(output, expected, bound: Self.bound)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("arguments that do not fit are refused")
    func refuses() {
        let window = ImageWindow(imageCount: 1, image: Extent2D(4), grid: Extent2D(2), kernel: Extent2D(3))
        onEveryDevice("refusals") { backend, _ in
            let x = try backend.makeTensor(.float32, [16, 3])
            let weight = try backend.prepare(Self.source([Float](repeating: 1, count: 54), rows: 2, columns: 27))
            let scratch = try backend.makeTensor(.float32, [27])
            let output = try backend.makeTensor(.float32, [4, 2])
            func convolve(
                _ x: Tensor, _ window: ImageWindow, _ scratch: Tensor?, _ output: Tensor, count: Int = 1
            ) throws {
                try backend.convolve(
                    x, weights: [any Weight](repeating: weight, count: count), window: window, scratch: scratch,
                    epilogue: .none, into: output)
            }
            try convolve(x, window, scratch, output)
            #expect(throws: BackendError.self) { try convolve(x.rows(0..<15), window, scratch, output) }
            #expect(throws: BackendError.self) { try convolve(x, window, scratch, output.rows(0..<3)) }
            #expect(throws: BackendError.self) { try convolve(x, window, nil, output) }
            #expect(throws: BackendError.self) { try convolve(x, window, scratch.rows(0..<26), output) }
            #expect(throws: BackendError.self) { try convolve(x, window, scratch, output, count: 2) }
            for broken in [
                \ImageWindow.kernel, \ImageWindow.stride, \ImageWindow.dilation, \ImageWindow.grid,
            ] as [WritableKeyPath<ImageWindow, Extent2D>] {
                var wrong = window
                wrong[keyPath: broken] = Extent2D(0)
                #expect(throws: BackendError.self) { try convolve(x, wrong, scratch, output) }
                wrong[keyPath: broken] = Extent2D(1 << 40)
                #expect(throws: BackendError.self) { try convolve(x, wrong, scratch, output) }
            }
        }
    }
}

extension ExecutionLimits {
    /// Of one convolution.
    fileprivate static func ofConvolution(rows: Int, columns: Int, features: Int) -> ExecutionLimits {
        ExecutionLimits(
            tokenCount: rows, sequenceCount: 1, contextLength: 1, featureCount: max(features, columns),
            matmulInputCount: columns, headCount: 1, headSize: 1)
    }
}
