internal import Foundation
public import TensorCore

extension Reference {
    /// For each window, its taps and their pixels; `nil` in the padding.
    private static func taps(_ window: ImageWindow) -> [[Int?]] {
        var windows: [[Int?]] = []
        for image in 0..<window.imageCount {
            for gridY in 0..<window.grid.height {
                for gridX in 0..<window.grid.width {
                    var pixels: [Int?] = []
                    for i in 0..<window.kernel.height {
                        for j in 0..<window.kernel.width {
                            let y = gridY * window.stride.height - window.padding.height + i * window.dilation.height
                            let x = gridX * window.stride.width - window.padding.width + j * window.dilation.width
                            let isInside = (0..<window.image.height).contains(y) && (0..<window.image.width).contains(x)
                            pixels.append(
                                isInside ? (image * window.image.height + y) * window.image.width + x : nil)
                        }
                    }
                    windows.append(pixels)
                }
            }
        }
        return windows
    }

    public static func unfold(_ x: Matrix, window: ImageWindow) -> Matrix {
        let values = taps(window).flatMap { pixels in
            pixels.flatMap { pixel in pixel.map { x.row($0) } ?? [Double](repeating: 0, count: x.columns) }
        }
        return Matrix(rows: window.gridRows, columns: window.tapCount * x.columns, values: values)
    }

    public static func fold(
        _ patches: Matrix, window: ImageWindow, bias: [Float]?, activation: Activation?
    ) -> Matrix {
        let channels = patches.columns / window.tapCount
        var sums = Matrix(rows: window.imageRows, columns: channels)
        for (row, pixels) in taps(window).enumerated() {
            for (tap, pixel) in pixels.enumerated() {
                guard let pixel else { continue }
                for c in 0..<channels { sums[pixel, c] += patches[row, tap * channels + c] }
            }
        }
        return finished(sums, bias: bias, activation: activation)
    }

    /// Straight from the definition of a convolution of groups. `weight` is `[N, C / G, K]`, as PyTorch stores it.
    public static func convolve(
        _ x: Matrix, weight: [Double], outputs: Int, groups: Int, window: ImageWindow, bias: [Float]?,
        activation: Activation?
    ) -> Matrix {
        let (inner, outer, count) = (x.columns / groups, outputs / groups, window.tapCount)
        var sums = Matrix(rows: window.gridRows, columns: outputs)
        for (row, pixels) in taps(window).enumerated() {
            for n in 0..<outputs {
                for (tap, pixel) in pixels.enumerated() {
                    guard let pixel else { continue }
                    for c in 0..<inner {
                        sums[row, n] += x[pixel, n / outer * inner + c] * weight[(n * inner + c) * count + tap]
                    }
                }
            }
        }
        return finished(sums, bias: bias, activation: activation)
    }

    /// What `convolve` is the transpose of: `x` is a row a window, `weight` is `[C, N / G, K]`.
    public static func convolveTransposed(
        _ x: Matrix, weight: [Double], outputs: Int, groups: Int, window: ImageWindow, bias: [Float]?,
        activation: Activation?
    ) -> Matrix {
        let (inner, outer, count) = (x.columns / groups, outputs / groups, window.tapCount)
        var sums = Matrix(rows: window.imageRows, columns: outputs)
        for (row, pixels) in taps(window).enumerated() {
            for (tap, pixel) in pixels.enumerated() {
                guard let pixel else { continue }
                for c in 0..<x.columns {
                    for n in 0..<outer {
                        sums[pixel, c / inner * outer + n] += x[row, c] * weight[(c * outer + n) * count + tap]
                    }
                }
            }
        }
        return finished(sums, bias: bias, activation: activation)
    }

    public static func maxPool(_ x: Matrix, window: ImageWindow) -> Matrix {
        pooled(x, window) { values, _ in values.max() ?? 0 }
    }

    public static func averagePool(_ x: Matrix, window: ImageWindow, countsPadding: Bool) -> Matrix {
        pooled(x, window) { values, row in
            guard countsPadding else { return values.reduce(0, +) / Double(values.count) }
            let place = row % window.grid.pixelCount
            func span(_ position: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ size: Int) -> Int {
                let start = position * stride - padding
                return min(start + kernel, size + padding) - start
            }
            let height = span(
                place / window.grid.width, window.kernel.height, window.stride.height, window.padding.height,
                window.image.height)
            let width = span(
                place % window.grid.width, window.kernel.width, window.stride.width, window.padding.width,
                window.image.width)
            return values.reduce(0, +) / Double(height * width)
        }
    }

    public static func adaptiveAveragePool(
        _ x: Matrix, imageCount: Int, image: Extent2D, grid: Extent2D
    ) -> Matrix {
        var result = Matrix(rows: imageCount * grid.pixelCount, columns: x.columns)
        func part(_ index: Int, _ size: Int, _ parts: Int) -> Range<Int> {
            Int(
                (Double(index * size) / Double(parts)).rounded(.down))..<Int(
                    (Double((index + 1) * size) / Double(parts)).rounded(.up))
        }
        for row in 0..<result.rows {
            let place = row % grid.pixelCount
            let rows = part(place / grid.width, image.height, grid.height)
            let columns = part(place % grid.width, image.width, grid.width)
            for c in 0..<x.columns {
                var sum = 0.0
                for y in rows {
                    for column in columns {
                        sum += x[(row / grid.pixelCount * image.height + y) * image.width + column, c]
                    }
                }
                result[row, c] = sum / Double(rows.count * columns.count)
            }
        }
        return result
    }

    private static func pooled(
        _ x: Matrix, _ window: ImageWindow, _ body: ([Double], Int) -> Double
    ) -> Matrix {
        var result = Matrix(rows: window.gridRows, columns: x.columns)
        for (row, pixels) in taps(window).enumerated() {
            for c in 0..<x.columns { result[row, c] = body(pixels.compactMap { $0 }.map { x[$0, c] }, row) }
        }
        return result
    }

    private static func finished(_ sums: Matrix, bias: [Float]?, activation: Activation?) -> Matrix {
        var result = sums
        for row in 0..<sums.rows {
            for c in 0..<sums.columns {
                let value = sums[row, c] + Double(bias?[c] ?? 0)
                result[row, c] = activation.map { activate(value, $0) } ?? value
            }
        }
        return result
    }
}

extension Reference {
    public static func localResponseNorm(
        _ x: Matrix, size: Int, alpha: Float, beta: Float, k: Float
    ) -> Matrix {
        var result = x
        for row in 0..<x.rows {
            for c in 0..<x.columns {
                let channels = (c - size / 2..<c - size / 2 + size).filter { (0..<x.columns).contains($0) }
                let sum = channels.reduce(0.0) { $0 + x[row, $1] * x[row, $1] }
                result[row, c] = x[row, c] / pow(Double(k) + Double(alpha) * sum / Double(size), Double(beta))
            }
        }
        return result
    }

    /// `1 + weight · g / (mean of g + epsilon)`, `g = √(pixelCount · squares)`.
    public static func responseGains(
        _ squares: Matrix, pixelCount: Int, weight: [Float], epsilon: Float
    ) -> Matrix {
        mapRows(squares) { row in
            let lengths = row.map { (Double(pixelCount) * $0).squareRoot() }
            let mean = lengths.reduce(0, +) / Double(row.count)
            return zip(lengths, weight).map { 1 + Double($1) * $0 / (mean + Double(epsilon)) }
        }
    }
}
