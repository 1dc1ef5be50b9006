import Foundation
internal import OpCases
internal import TensorCore

/// What an output should be.
struct ExpectedOutput {
    var value: Double
    /// The square that errors are measured against: that of the value, or of its terms where these may cancel.
    var square: Double

    init(_ value: Double) { self.init(value, square: value * value) }

    init(_ value: Double, square: Double) {
        self.value = value
        self.square = square
    }
}

/// A sum of products, and the sum of the squares of its terms.
///
/// Rounding the factors changes the sum by errors that grow with its terms, however much these cancel. So errors are
/// measured against the terms: a product of few outputs that nearly cancel is otherwise wrong by rounding alone.
struct DotProduct {
    var value = 0.0
    var squares = 0.0
}

/// `Σ(a−b)² / Σb²` of a sample.
struct SampledError {
    private var difference = 0.0
    private var reference = 0.0

    mutating func add(_ found: Float, expected: ExpectedOutput) {
        difference += (Double(found) - expected.value) * (Double(found) - expected.value)
        reference += expected.square
    }

    mutating func add(_ found: Float, expected: Double) { add(found, expected: ExpectedOutput(expected)) }

    /// Infinite where something is not finite.
    var value: Double {
        let value = reference > 0 ? difference / reference : difference
        return value.isFinite ? value : .infinity
    }

    /// Of `count` elements at random places.
    /// - Parameter expected: what stands at a place.
    static func ofSample(
        _ count: Int, of found: [Float], seed: UInt64, expected: (Int) -> ExpectedOutput
    ) -> Double {
        var error = SampledError()
        var random = SplitMix64(seed: seed)
        for _ in 0..<count {
            let place = Int(random.next() % UInt64(found.count))
            error.add(found[place], expected: expected(place))
        }
        return error.value
    }
}

extension GuardedTensor {
    /// The elements of an output. Blocks.
    /// - Throws: `BenchmarkError.wroteOutside` where something around it was written.
    func floats(of opCase: OpCase) throws -> [Float] {
        let (bytes, damage) = try contents()
        if let damage { throw BenchmarkError.wroteOutside(name: opCase.name, damage: damage) }
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}

extension RandomWeight {
    /// Row `row` times a vector in double precision.
    func product(row: Int, _ vector: ArraySlice<Float>) -> DotProduct {
        var result = DotProduct()
        for (x, weight) in zip(vector, values(row: row)) {
            let term = Double(x) * Double(weight)
            result.value += term
            result.squares += term * term
        }
        return result
    }
}

extension ExpectedOutput {
    /// The output of a product with its epilogue: `activation(first) * second + residual`.
    /// - Parameter second: the other half of a gated product; `nil`: not gated.
    init(_ first: DotProduct, times second: DotProduct?, activation: Activation?, residual: Double = 0) {
        let value = (activation?.reference(first.value) ?? first.value) * (second?.value ?? 1) + residual
        self.init(value, square: max(value * value, first.squares * (second?.squares ?? 1)))
    }
}

extension Activation {
    /// In double precision.
    func reference(_ value: Double) -> Double {
        switch self {
        case .silu: value / (1 + exp(-value))
        case .relu: max(value, 0)
        case .leakyRelu: max(value, 0.2 * value)
        case .relu6: min(max(value, 0), 6)
        case .tanh: Foundation.tanh(value)
        case .sigmoid: 1 / (1 + exp(-value))
        case .quickGelu: value / (1 + exp(-1.702 * value))
        case .hardSigmoid: min(max(value + 3, 0), 6) / 6
        case .hardSwish: value * min(max(value + 3, 0), 6) / 6
        case .geluErf: value / 2 * (1 + erf(value / 2.0.squareRoot()))
        case .geluTanh:
            value / 2 * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (value + 0.044715 * value * value * value)))
        }
    }
}
