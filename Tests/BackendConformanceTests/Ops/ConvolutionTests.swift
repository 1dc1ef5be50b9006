import CPUBackend
import TensorCore
import TestSupport
import Testing

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
                func convolve(adding residual: GuardedTensor, isFirst: Bool, into output: GuardedTensor) throws {
                    try backend.convolve(
                        input.tensor, weights: weights, window: window, scratch: scratch.tensor,
                        epilogue: ConvolutionEpilogue(
                            bias: bias.map { try backend.makeTensor($0, [one.outputs]) },
                            activation: one.activation, residual: residual.tensor, addsResidualFirst: isFirst),
                        into: output.tensor)
                    try expectations.close(
                        output, expected[isFirst ? 1 : 0], bound: one.isSmallWindow ? Self.winogradBound : Self.bound)
                }
                let output = try GuardedTensor(
                    on: backend, .float32, [window.gridRows, one.outputs], gap: one.gap)
                for isFirst in [false, true] {
                    try convolve(adding: added, isFirst: isFirst, into: output)
                    let replaced = try GuardedTensor(
                        on: backend, residual, [window.gridRows, one.outputs], gap: one.gap)
                    try convolve(adding: replaced, isFirst: isFirst, into: replaced)
                }
                try expectations.unchanged(added, "the residual")
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
        arguments: [(kernel: 1, size: 13), (3, 13), (3, 21)], [WeightFormat.float32, .int8])
    func sameBits(_ sizes: (kernel: Int, size: Int), _ format: WeightFormat) throws {
        let kernel = sizes.kernel
        let one = WindowCase(
            imageCount: 5, image: Extent2D(sizes.size), kernel: Extent2D(kernel), padding: Extent2D(kernel / 2),
            channels: 96, outputs: 200)
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
    static func ofConvolution(rows: Int, columns: Int, features: Int) -> ExecutionLimits {
        ExecutionLimits(
            tokenCount: rows, sequenceCount: 1, contextLength: 1, featureCount: max(features, columns),
            matmulInputCount: columns, headCount: 1, headSize: 1)
    }
}
