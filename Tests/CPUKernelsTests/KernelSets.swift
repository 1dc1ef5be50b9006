import CPUBackend
import CPUKernels
import CPUKernelsProbe
import Foundation
import TensorCore
import TestSupport
import Testing

/// A kernel set that this machine runs, under its number.
struct RunningSet: Sendable, CustomTestStringConvertible {
    let number: Int32
    let kernels: CPUBackend.KernelSet

    var testDescription: String { kernels.name }

    static let all: [RunningSet] = CPUBackend.KernelSet.all.enumerated().filter(\.element.isSupported).map {
        RunningSet(number: Int32($0.offset), kernels: $0.element)
    }
    static let ofFloats = all.filter { $0.kernels.kind == .floats }
    static let ofInt8 = all.filter { $0.kernels.kind == .int8 }

    /// Lanes of a vector of floats.
    var vectorLanes: Int {
        switch kernels.instructionSet {
        case .generic, .neon: 4
        case .avx2: 8
        case .avx512: 16
        }
    }

    /// What the set makes of activations for weights of a format.
    func rounded(_ x: [Float], columns: Int, for format: WeightFormat) -> [Float] {
        switch kernels.kind {
        case .floats: x
        case .bfloat16: x.map { NumberFormats.decode(NumberFormats.encode([$0], as: .bfloat16), as: .bfloat16)[0] }
        case .int8: QuantisedRow.rows(x, columns: columns, groupSize: format.scaleGroupSize).flatMap(\.values)
        }
    }
}

extension WeightFormat {
    var code: Int32 { Int32(numberFormat.code) }
    /// How many weights have one scale, as far as products of integers go, and so how many activations do.
    var scaleGroupSize: Int { [.q2_K, .q3_K, .q6_K].contains(self) ? 16 : 32 }
}

/// A row of activations as 8-bit integers with a scale for 16 or 32 of them, computed plainly: the better of two
/// roundings.
struct QuantisedRow {
    var integers: [Int] = []
    /// Of each 16; where 32 have one scale, it is there twice.
    var scales: [Float] = []

    init(_ x: ArraySlice<Float>, groupSize: Int) {
        for begin in stride(from: x.startIndex, to: x.endIndex, by: groupSize) {
            let group = Array(x[begin..<min(begin + groupSize, x.endIndex)])
            let largest = group.reduce(0) { max($0, abs($1)) }
            let (first, second, isSecond, _) = Self.roundings(of: group, largest: largest)
            let scale = Double(largest) / (isSecond ? 125.5 : 127) * (isSecond ? second : first).factor
            integers += (isSecond ? second : first).quants
            scales += Array(repeating: Float(scale), count: groupSize / 16)
        }
    }

    /// A group rounded in steps of both sizes, whether the second leaves less, and whether that shows in FP32 too.
    private static func roundings(of group: [Float], largest: Float) -> (Rounding, Rounding, Bool, isClear: Bool) {
        let values = group.map { $0 * (largest > 0 ? 127 / largest : 0) }
        let first = rounded(values), second = rounded(values.map { $0 * (125.5 / 127) })
        let limit = first.left * pow(125.5 / 127, 2)
        return (first, second, second.left < limit, abs(second.left - limit) >= 1e-4 * limit)
    }

    /// The rows with zeros for groups of which both sizes of steps leave nearly the same: which of them a kernel takes
    /// then depends on the order of its sums.
    static func clear(_ x: [Float], columns: Int, groupSize: Int) -> [Float] {
        var cleared = x
        for row in stride(from: 0, to: x.count, by: columns) {
            for begin in stride(from: row, to: row + columns, by: groupSize) {
                let places = begin..<min(begin + groupSize, row + columns), group = Array(x[places])
                let largest = group.reduce(0) { max($0, abs($1)) }
                guard !roundings(of: group, largest: largest).isClear else { continue }
                for place in places { cleared[place] = 0 }
            }
        }
        return cleared
    }

    private typealias Rounding = (quants: [Int], factor: Double, left: Double)

    /// Numbers of steps as integers, the factor of the steps that brings them nearest in least squares, and the squares
    /// that it leaves.
    private static func rounded(_ values: [Float]) -> Rounding {
        let quants = values.map { Int($0.rounded(.toNearestOrEven)) }
        let pairs = zip(values, quants).map { (rest: Double($0) - Double($1), quant: Double($1)) }
        let energy = pairs.reduce(0) { $0 + $1.quant * $1.quant }
        guard energy > 0 else { return (quants, 1, 0) }
        let products = pairs.reduce(0) { $0 + $1.rest * $1.quant }
        let squares = pairs.reduce(0) { $0 + $1.rest * $1.rest }
        return (quants, 1 + products / energy, squares - products * products / energy)
    }

    var values: [Float] { integers.enumerated().map { Float($0.element) * scales[$0.offset / 16] } }

    static func rows(_ x: [Float], columns: Int, groupSize: Int) -> [QuantisedRow] {
        stride(from: 0, to: x.count, by: columns).map { QuantisedRow(x[$0..<$0 + columns], groupSize: groupSize) }
    }
}

extension PackedWeight {
    /// The rows of a weight of one part as the probe takes them, valid within `body`.
    func withRows<Result>(_ body: (inout probe_rows) -> Result) -> Result {
        let part = source.parts[0]
        var rows = probe_rows(
            format: source.format.code, rows: part.bytes.pointer.baseAddress,
            row_bytes: Int64(source.format.rowByteCount(columns: source.columns) ?? 0), count: Int64(part.rows),
            columns: Int64(source.columns),
            scales: part.scales?.pointer.baseAddress?.assumingMemoryBound(to: Float.self))
        return withExtendedLifetime(source) { body(&rows) }
    }
}

/// `Σ(a−b)² / Σb²`.
func nmse(_ found: [Double], _ expected: [Double]) -> Double {
    let error = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return error / max(expected.reduce(0) { $0 + $1 * $1 }, .leastNormalMagnitude)
}
