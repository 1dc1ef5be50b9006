import Foundation
public import TensorCore

/// Slow float64 versions of every op of the backend contract, written from the formulas.
public enum Reference {
    public static func activate(_ x: Double, _ activation: Activation) -> Double {
        switch activation {
        case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .geluErf: x / 2 * (1 + erf(x / 2.0.squareRoot()))
        case .silu: x / (1 + exp(-x))
        case .relu: max(x, 0)
        case .leakyRelu: max(x, 0.2 * x)
        case .relu6: min(max(x, 0), 6)
        case .tanh: tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .quickGelu: x / (1 + exp(-1.702 * x))
        case .hardSigmoid: min(max(x + 3, 0), 6) / 6
        case .hardSwish: x * (min(max(x + 3, 0), 6) / 6)
        }
    }

    public static func activate(_ x: Matrix, _ activation: Activation) -> Matrix {
        Matrix(rows: x.rows, columns: x.columns, values: x.values.map { activate($0, activation) })
    }

    /// Element by element.
    public static func multiply(_ x: Matrix, _ y: Matrix) -> Matrix {
        Matrix(rows: x.rows, columns: x.columns, values: zip(x.values, y.values).map { $0 * $1 })
    }

    /// `cap · tanh(x / cap)`.
    public static func softCap(_ x: Matrix, cap: Float) -> Matrix {
        Matrix(rows: x.rows, columns: x.columns, values: x.values.map { Double(cap) * tanh($0 / Double(cap)) })
    }

    /// `e^(scale·x - max) / Σ`, each row for itself.
    public static func softmax(_ x: Matrix, scale: Double) -> Matrix {
        var result = x
        for row in 0..<x.rows {
            let values = softmax(x.row(row).map { $0 * scale })
            result.values.replaceSubrange(row * x.columns..<(row + 1) * x.columns, with: values)
        }
        return result
    }

    public static func softmax(_ scores: [Double]) -> [Double] {
        let largest = scores.max() ?? 0
        let powers = scores.map { exp($0 - largest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }
}
