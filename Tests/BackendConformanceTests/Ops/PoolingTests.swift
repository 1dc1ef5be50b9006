import TensorCore
import TestSupport
import Testing

@Suite("pooling")
struct PoolingTests {
    @Test("maxPool", arguments: WindowCase.pools.selected)
    func poolsMaxima(_ one: WindowCase) {
        let (window, x) = (one.window, one.input)
        let expected = Reference.maxPool(one.matrix(x), window: window)
        onEveryDevice(one.name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [window.imageRows, one.channels], gap: one.gap)
            let output = try GuardedTensor(on: backend, .float32, [window.gridRows, one.channels], gap: one.gap)
            try backend.maxPool(input.tensor, window: window, into: output.tensor)
            try expectations.close(output, expected, bound: 0)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("averagePool", arguments: WindowCase.pools.selected, [false, true])
    func poolsMeans(_ one: WindowCase, countsPadding: Bool) {
        let (window, x) = (one.window, one.input)
        let expected = Reference.averagePool(one.matrix(x), window: window, countsPadding: countsPadding)
        onEveryDevice(one.name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [window.imageRows, one.channels], gap: one.gap)
            let output = try GuardedTensor(on: backend, .float32, [window.gridRows, one.channels], gap: one.gap)
            try backend.averagePool(input.tensor, window: window, countsPadding: countsPadding, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-12)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("adaptiveAveragePool", arguments: [1, 2, 3, 7, 10], [1, 5, 16, 33])
    func poolsAdaptively(parts: Int, channels: Int) {
        let image = Extent2D(height: 7, width: 10)
        let grid = Extent2D(height: min(parts, 7), width: parts)
        let name = "\(image) to \(grid) C=\(channels)"
        var random = SplitMix64(name: name)
        let x = random.floats(2 * image.pixelCount * channels)
        let expected = Reference.adaptiveAveragePool(
            Matrix(rows: 2 * image.pixelCount, columns: channels, floats: x), imageCount: 2, image: image, grid: grid)
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [2 * image.pixelCount, channels])
            let output = try GuardedTensor(on: backend, .float32, [2 * grid.pixelCount, channels], gap: 1)
            try backend.adaptiveAveragePool(
                input.tensor, imageCount: 2, image: image, grid: grid, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-12)
        }
    }

    @Test("localResponseNorm", arguments: [1, 2, 5, 40], [1, 3, 17, 96])
    func normsLocally(size: Int, columns: Int) {
        let name = "size \(size) C=\(columns)"
        var random = SplitMix64(name: name)
        let x = random.floats(5 * columns, scale: 4)
        let expected = Reference.localResponseNorm(
            Matrix(rows: 5, columns: columns, floats: x), size: size, alpha: 0.5, beta: 0.75, k: 2)
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [5, columns], gap: 2)
            let output = try GuardedTensor(on: backend, .float32, [5, columns], gap: 3)
            try backend.localResponseNorm(input.tensor, size: size, alpha: 0.5, beta: 0.75, k: 2, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-11)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("responseGains", arguments: [1, 3], [1, 15, 16, 17, 33, 300])
    func findsGains(images: Int, columns: Int) {
        let name = "B=\(images) C=\(columns)"
        var random = SplitMix64(name: name)
        // An image of a channel without any response, and one of nothing at all.
        var squares = random.floats(images * columns, scale: 3).map { $0 * $0 }
        squares[0] = 0
        if images > 1 { squares.replaceSubrange(columns..<2 * columns, with: repeatElement(0, count: columns)) }
        let weight = random.floats(columns)
        let expected = Reference.responseGains(
            Matrix(rows: images, columns: columns, floats: squares), pixelCount: 35, weight: weight, epsilon: 1e-6)
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, squares, [images, columns], gap: 2)
            let scales = try GuardedTensor(on: backend, weight, [columns])
            let output = try GuardedTensor(on: backend, .float32, [images, columns], gap: 3)
            try backend.responseGains(
                input.tensor, pixelCount: 35, weight: scales.tensor, epsilon: 1e-6, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-12)
            try expectations.unchanged(input, "squares")
            try backend.responseGains(
                input.tensor, pixelCount: 35, weight: scales.tensor, epsilon: 1e-6, into: input.tensor)
            try expectations.close(input, expected, bound: 1e-12)
        }
    }

    @Test("gains of other sizes are refused")
    func refusesGains() {
        onEveryDevice("refusals") { backend, _ in
            let squares = try backend.makeTensor(.float32, [2, 3])
            let (short, weight) = (try backend.makeTensor(.float32, [2]), try backend.makeTensor(.float32, [3]))
            for (scales, pixels, epsilon) in [(short, 4, 1e-6 as Float), (weight, 0, 1e-6), (weight, 4, 0)] {
                #expect(throws: BackendError.self) {
                    try backend.responseGains(
                        squares, pixelCount: pixels, weight: scales, epsilon: epsilon, into: squares)
                }
            }
        }
    }

    @Test("windows without a pixel are refused")
    func refuses() {
        onEveryDevice("refusals") { backend, _ in
            let x = try backend.makeTensor(.float32, [16, 3])
            let output = try backend.makeTensor(.float32, [9, 3])
            // The last window would start behind the image, the first end before it.
            let behind = ImageWindow(
                imageCount: 1, image: Extent2D(4), grid: Extent2D(3), kernel: Extent2D(2), stride: Extent2D(2))
            let before = ImageWindow(
                imageCount: 1, image: Extent2D(4), grid: Extent2D(3), kernel: Extent2D(2), padding: Extent2D(2))
            for window in [behind, before] {
                #expect(throws: BackendError.self) { try backend.maxPool(x, window: window, into: output) }
                #expect(throws: BackendError.self) {
                    try backend.averagePool(x, window: window, countsPadding: true, into: output)
                }
            }
        }
    }
}

extension WindowCase {
    fileprivate var input: [Float] {
        var random = random
        return random.floats(window.imageRows * channels)
    }

    fileprivate func matrix(_ x: [Float]) -> Matrix {
        Matrix(rows: window.imageRows, columns: channels, floats: x)
    }
}
