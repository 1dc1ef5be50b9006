internal import Glibc
import TensorCore

/// The learned positions of a vision transformer's tokens.
struct TokenPositions: Sendable {
    /// The tensor: those of learned tokens, then those of patches line by line.
    var name: String
    /// How many of the learned tokens have a position; `nil`: all.
    var learnedCount: Int?
    /// Lines and columns of patches that there are positions of.
    var grid: Extent2D
    /// How positions are made for other grids; `nil`: images have one size.
    var resizing: PositionResizing?
}

/// Resizes positions as `torch.nn.functional.interpolate` does with `mode="bicubic"`.
enum PositionResizing: Sendable {
    case bicubic
    /// With `antialias`: where there are fewer patches, each sees a wider part of the grid.
    case antialiased

    /// - Parameter values: a row of `width` a patch.
    func resized(_ values: [Float], from old: Extent2D, to new: Extent2D, width: Int) -> [Float] {
        if old == new { return values }
        let lines = (0..<new.height).map { taps($0, from: old.height, to: new.height) }
        let columns = (0..<new.width).map { taps($0, from: old.width, to: new.width) }
        var result: [Float] = []
        result.reserveCapacity(new.pixelCount * width)
        for line in lines {
            for column in columns {
                var row = [Double](repeating: 0, count: width)
                for (y, share) in line {
                    for (x, other) in column {
                        let start = (y * old.width + x) * width
                        for c in 0..<width { row[c] += share * other * Double(values[start + c]) }
                    }
                }
                result += row.map(Float.init)
            }
        }
        return result
    }

    /// The old places that the new place `index` is made of, with their shares.
    private func taps(_ index: Int, from old: Int, to new: Int) -> [(place: Int, share: Double)] {
        let ratio = Double(old) / Double(new)
        let middle = (Double(index) + 0.5) * ratio
        switch self {
        case .bicubic:
            let first = (middle - 0.5).rounded(.down)
            return (-1...2).map { step in
                let place = first + Double(step)
                // Behind the edge its own value goes on.
                return (min(max(Int(place), 0), old - 1), Self.cubic(place - (middle - 0.5), slope: -0.75))
            }
        case .antialiased:
            let widening = max(ratio, 1)
            let begin = max(Int(middle - 2 * widening + 0.5), 0)
            let end = min(Int(middle + 2 * widening + 0.5), old)
            let shares = (begin..<end).map { Self.cubic((Double($0) - middle + 0.5) / widening, slope: -0.5) }
            let sum = shares.reduce(0, +)
            return zip(begin..<end, shares).map { ($0, $1 / sum) }
        }
    }

    /// The cubic convolution kernel. (Keys, 1981)
    private static func cubic(_ distance: Double, slope a: Double) -> Double {
        let x = abs(distance)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
    }
}
