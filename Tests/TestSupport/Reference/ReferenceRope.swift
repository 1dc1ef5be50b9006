import Foundation
public import TensorCore

extension Reference {
    /// The rotation of one op call, with host values.
    public struct Rope: Sendable {
        /// `[P, 2, rotarySize / 2]`: cosines, then sines.
        public let table: [Float]
        public let positions: [Int32]
        public let rotarySize: Int
        public let layout: RopeLayout

        public init(table: [Float], positions: [Int32], rotarySize: Int, layout: RopeLayout) {
            self.table = table
            self.positions = positions
            self.rotarySize = rotarySize
            self.layout = layout
        }
    }

    /// `cos(p / base^(2i / rotarySize))` and the sines, rounded from float64.
    public static func ropeTable(positions: Int, rotarySize: Int, base: Double = 10_000) -> [Float] {
        let half = rotarySize / 2
        var table: [Float] = []
        for position in 0..<positions {
            let angles = (0..<half).map { Double(position) / pow(base, Double(2 * $0) / Double(rotarySize)) }
            table += angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) }
        }
        return table
    }

    /// Rotates every head of `x` `[T, H * headSize]`.
    public static func rope(_ x: Matrix, headSize: Int, _ rope: Rope) -> Matrix {
        var result = x
        let half = rope.rotarySize / 2
        for t in 0..<x.rows {
            let tableRow = Int(rope.positions[t]) * rope.rotarySize
            for head in 0..<x.columns / max(headSize, 1) {
                for i in 0..<half {
                    let (first, second) =
                        switch rope.layout {
                        case .halfSplit: (head * headSize + i, head * headSize + i + half)
                        case .interleaved: (head * headSize + 2 * i, head * headSize + 2 * i + 1)
                        }
                    let (cosine, sine) = (Double(rope.table[tableRow + i]), Double(rope.table[tableRow + half + i]))
                    let (a, b) = (x[t, first], x[t, second])
                    result[t, first] = a * cosine - b * sine
                    result[t, second] = b * cosine + a * sine
                }
            }
        }
        return result
    }
}
