import TensorCore
import TestSupport
import Testing

@Suite("images")
struct ImageTests {
    private static let channels = [1, 3, 15, 16, 17, 33]

    @Test("scaleChannels", arguments: channels, [1, 3])
    func scales(channels: Int, images: Int) {
        let name = "B=\(images) C=\(channels)"
        var random = SplitMix64(name: name)
        let (x, factors) = (random.floats(images * 7 * channels), random.floats(images * channels))
        let expected = Reference.scaleChannels(
            Matrix(rows: images * 7, columns: channels, floats: x),
            by: Matrix(rows: images, columns: channels, floats: factors))
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [images * 7, channels], gap: 2)
            let scales = try GuardedTensor(on: backend, factors, [images, channels], gap: 3)
            let output = try GuardedTensor(on: backend, .float32, [images * 7, channels], gap: 1)
            try backend.scaleChannels(input.tensor, by: scales.tensor, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-13)
            try expectations.unchanged(input, "x")
            try backend.scaleChannels(input.tensor, by: scales.tensor, into: input.tensor)
            try expectations.close(input, expected, bound: 1e-13)
        }
    }

    @Test(
        "resize", arguments: ImageInterpolation.allCases,
        [(1, 1), (2, 3), (5, 7), (6, 14), (10, 21), (13, 4)].map { Extent2D(height: $0.0, width: $0.1) })
    func resizes(_ interpolation: ImageInterpolation, to grid: Extent2D) {
        let image = Extent2D(height: 5, width: 7)
        for channels in Self.channels {
            let name = "\(interpolation) \(image) to \(grid) C=\(channels)"
            var random = SplitMix64(name: name)
            let x = random.floats(2 * image.pixelCount * channels)
            let expected = Reference.resize(
                Matrix(rows: 2 * image.pixelCount, columns: channels, floats: x), imageCount: 2, image: image,
                grid: grid, interpolation: interpolation)
            onEveryDevice(name) { backend, expectations in
                let input = try GuardedTensor(on: backend, x, [2 * image.pixelCount, channels], gap: 2)
                let output = try GuardedTensor(on: backend, .float32, [2 * grid.pixelCount, channels], gap: 1)
                try backend.resize(
                    input.tensor, imageCount: 2, image: image, grid: grid, interpolation: interpolation,
                    into: output.tensor)
                try expectations.close(output, expected, bound: 1e-12)
                try expectations.unchanged(input, "x")
            }
        }
    }

    @Test("pixelShuffle", arguments: [1, 2, 3], channels)
    func shuffles(factor: Int, channels: Int) {
        let image = Extent2D(height: 3, width: 5)
        let columns = channels * factor * factor
        let name = "factor \(factor) C=\(channels)"
        var random = SplitMix64(name: name)
        let x = random.floats(2 * image.pixelCount * columns)
        let expected = Reference.pixelShuffle(
            Matrix(rows: 2 * image.pixelCount, columns: columns, floats: x), imageCount: 2, image: image,
            factor: factor)
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [2 * image.pixelCount, columns], gap: 2)
            let output = try GuardedTensor(on: backend, .float32, [expected.rows, channels], gap: 1)
            try backend.pixelShuffle(input.tensor, imageCount: 2, image: image, factor: factor, into: output.tensor)
            try expectations.close(output, expected, bound: 0)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("shapes that do not fit are refused")
    func refuses() {
        onEveryDevice("refusals") { backend, _ in
            let x = try backend.makeTensor(.float32, [12, 8])
            let small = try backend.makeTensor(.float32, [5, 8])
            let output = try backend.makeTensor(.float32, [48, 2])
            #expect(throws: BackendError.self) { try backend.scaleChannels(x, by: small, into: x) }
            #expect(throws: BackendError.self) { try backend.scaleChannels(x, by: output.rows(0..<3), into: x) }
            let image = Extent2D(height: 3, width: 4)
            for factor in [0, 3, 4] {
                #expect(throws: BackendError.self) {
                    try backend.pixelShuffle(x, imageCount: 1, image: image, factor: factor, into: output)
                }
            }
            for grid in [Extent2D(0), Extent2D(2)] {
                #expect(throws: BackendError.self) {
                    try backend.resize(
                        x, imageCount: 1, image: image, grid: grid, interpolation: .bilinear, into: small)
                }
            }
        }
    }
}
