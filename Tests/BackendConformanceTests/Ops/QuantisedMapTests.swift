import CPUBackend
import TensorCore
import TestSupport
import Testing

/// Maps that stay quantised from one convolution to the next, as in networks with int8 weights. Where a backend has no
/// kernels for that, they are floats.
@Suite("quantised maps")
struct QuantisedMapTests {
    /// A block of a ResNet behind its first layer: a large kernel on three channels, a max pool, then a shortcut of 1x1
    /// pixels beside one of 3x3 and one of 1x1 pixels, which adds the shortcut before its ReLU, and one of 1x1
    /// pixels behind it.
    private struct Block {
        let imageCount: Int
        let size: Int
        let channels: Int
        let outputs: Int
        let stride: Int

        private func window(_ kernel: Int, stride: Int = 1, over size: Int, padding: Int? = nil) -> ImageWindow {
            let padding = padding ?? kernel / 2
            return ImageWindow(
                imageCount: imageCount, image: Extent2D(size),
                grid: Extent2D((size + 2 * padding - kernel) / stride + 1), kernel: Extent2D(kernel),
                stride: Extent2D(stride), padding: Extent2D(padding))
        }
        var first: ImageWindow { window(7, stride: 2, over: size) }
        var pool: ImageWindow { window(3, stride: 2, over: first.grid.height) }
        var shortcut: ImageWindow { window(1, stride: stride, over: pool.grid.height) }
        var middle: ImageWindow { window(3, stride: stride, over: pool.grid.height) }
        var last: ImageWindow { window(1, over: middle.grid.height) }

        func weights(_ random: inout SplitMix64) -> [PackedWeight] {
            let shapes = [
                (channels, 147), (outputs, channels), (channels, 9 * channels), (outputs, channels),
                (channels, outputs),
            ]
            return shapes.map { rows, columns in
                PackedWeight(format: .int8, partRows: [rows], columns: columns, random: &random)
            }
        }

        /// - Parameter replaces: the sum with the shortcut is written over the shortcut.
        func run(
            _ x: [Float], _ packed: [PackedWeight], bias: [Float], on backend: any Backend,
            precision: MatmulPrecision, replaces: Bool = false
        ) throws -> [Float] {
            try backend.reserve(
                .ofConvolution(
                    rows: first.gridRows, columns: max(9 * channels, outputs), features: max(outputs, 147)))
            let weights = try packed.map { try backend.prepare($0.source, precision: precision) }
            func map(_ window: ImageWindow, _ channels: Int, quantised: Bool = true) throws -> Tensor {
                let floats = try backend.makeTensor(.float32, [window.gridRows, channels])
                let takesQuants = zip(weights, [first, shortcut, middle, last, last]).allSatisfy {
                    backend.quantisesMaps(weights: [$0], window: $1)
                }
                guard quantised, takesQuants else { return floats }
                return Tensor(buffer: floats.buffer, byteOffset: floats.byteOffset, dtype: .uint8, shape: floats.shape)
            }
            func convolve(
                _ x: Tensor, _ index: Int, _ window: ImageWindow, into output: Tensor, residual: Tensor? = nil,
                activation: Activation? = .relu
            ) throws {
                let scratch = try backend.makeTensor(
                    .float32, [max(backend.convolutionScratchCount(weights: [weights[index]], window: window), 1)])
                try backend.convolve(
                    x, weights: [weights[index]], window: window, scratch: scratch,
                    epilogue: ConvolutionEpilogue(
                        bias: backend.makeTensor(Array(bias[0..<output.columns]), [output.columns]),
                        activation: activation, residual: residual, addsResidualFirst: true), into: output)
            }
            let input = try backend.makeTensor(x, [first.imageRows, 3])
            let (a, b) = (try map(first, channels), try map(pool, channels))
            let (c, d) = (try map(shortcut, outputs), try map(middle, channels))
            let sum = replaces ? c : try map(last, outputs)
            let output = try map(last, channels, quantised: false)
            try convolve(input, 0, first, into: a)
            try backend.maxPool(a, window: pool, into: b)
            try convolve(b, 1, shortcut, into: c, activation: nil)
            try convolve(b, 2, middle, into: d)
            try convolve(d, 3, last, into: sum, residual: c)
            try convolve(sum, 4, last, into: output)
            return try backend.readFloats(output)
        }
    }

    private static let blocks = [
        Block(imageCount: 2, size: 61, channels: 64, outputs: 160, stride: 1),
        Block(imageCount: 1, size: 40, channels: 80, outputs: 72, stride: 2),
        Block(imageCount: 3, size: 30, channels: 50, outputs: 33, stride: 1),
    ]

    private static func inputs(_ index: Int) -> (block: Block, x: [Float], bias: [Float], weights: [PackedWeight]) {
        let block = blocks[index]
        var random = SplitMix64(name: "quantised maps \(index)")
        let x = random.floats(block.first.imageRows * 3)
        // Small beside the products, whose errors would else not show.
        let bias = random.floats(max(block.outputs, block.channels), scale: 0.01)
        return (block, x, bias, block.weights(&random))
    }

    private static func bound(_ block: Block) -> Double { 1e-3 }

    @Test("a block of convolutions is near to one of exact activations", arguments: blocks.indices)
    func nearToFloats(_ index: Int) throws {
        let (block, x, bias, weights) = Self.inputs(index)
        let backend = try CPUBackend(threadCount: 2)
        let exact = try block.run(x, weights, bias: bias, on: backend, precision: .highest)
        let near = try block.run(x, weights, bias: bias, on: backend, precision: .automatic)
        let error = zip(near, exact).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let power = exact.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(power > 0 && error <= Self.bound(block) * power, "NMSE \(error / power)")
    }

    @Test("a sum written over its residual has the same bits", arguments: blocks.indices)
    func replacesResidual(_ index: Int) throws {
        let (block, x, bias, weights) = Self.inputs(index)
        let backend = try CPUBackend(threadCount: 2)
        for precision in [MatmulPrecision.highest, .automatic] {
            func bits(replaces: Bool) throws -> [UInt32] {
                try block.run(x, weights, bias: bias, on: backend, precision: precision, replaces: replaces)
                    .map(\.bitPattern)
            }
            #expect(try bits(replaces: true) == bits(replaces: false))
        }
    }

    @Test("it has the same bits on any number of threads, alone and beside other images", arguments: blocks.indices)
    func sameBits(_ index: Int) throws {
        let (block, x, bias, weights) = Self.inputs(index)
        func bits(threads: Int, image: Int? = nil) throws -> [UInt32] {
            let backend = try CPUBackend(threadCount: threads)
            guard let image else {
                return try block.run(x, weights, bias: bias, on: backend, precision: .automatic).map(\.bitPattern)
            }
            let alone = Block(
                imageCount: 1, size: block.size, channels: block.channels, outputs: block.outputs,
                stride: block.stride)
            let count = x.count / block.imageCount
            let part = Array(x[image * count..<(image + 1) * count])
            return try alone.run(part, weights, bias: bias, on: backend, precision: .automatic).map(\.bitPattern)
        }
        let expected = try bits(threads: 1)
        #expect(try bits(threads: 2) == expected)
        #expect(try bits(threads: 5) == expected)
        let perImage = expected.count / block.imageCount
        for image in 0..<block.imageCount {
            #expect(
                try bits(threads: 3, image: image) == Array(expected[image * perImage..<(image + 1) * perImage]))
        }
    }
}
