import Foundation
internal import OpCases
internal import TensorCore

/// `Σ(a−b)² / Σb²` of a sample.
struct SampledError {
    private var difference = 0.0
    private var reference = 0.0

    mutating func add(_ found: Float, expected: Double) {
        difference += (Double(found) - expected) * (Double(found) - expected)
        reference += expected * expected
    }

    /// Infinite where something is not finite.
    var value: Double {
        let value = reference > 0 ? difference / reference : difference
        return value.isFinite ? value : .infinity
    }

    /// Of `count` elements at random places.
    /// - Parameter expected: what stands at a place.
    static func ofSample(
        _ count: Int, of found: [Float], seed: UInt64, expected: (Int) -> Double
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
    func product(row: Int, _ vector: ArraySlice<Float>) -> Double {
        zip(vector, values(row: row)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
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
