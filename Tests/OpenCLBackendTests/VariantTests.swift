import Foundation
import OpenCLBackend
import TensorCore
import TestSupport
import Testing

/// Every op in the variant of the device's kind and in the GPU's, against float64: a machine without a GPU checks the
/// GPU's kernels too.
@Suite struct VariantTests {
    static let sizes = [1, 15, 16, 17, 300]
    private let tolerance = 1e-12

    @Test(arguments: OpenCLDevices.variants, sizes)
    func norms(_ variant: OpenCLDevices.Variant, columns: Int) throws {
        let backend = try variant.backend()
        var numbers = Numbers(seed: 1)
        let (rows, epsilon) = (3, Float(1e-5))
        let stride = columns + 3
        let xs = numbers.floats(rows * stride)
        let residuals = numbers.floats(rows * columns)
        let weights = numbers.floats(columns)
        let biases = numbers.floats(columns)
        let x = try backend.makeTensor(xs, [rows, stride]).columns(1..<columns + 1)
        let residual = try backend.makeTensor(residuals, [rows, columns])
        let weight = try backend.makeTensor(weights, [columns])
        let bias = try backend.makeTensor(biases, [columns])
        let output = try backend.makeTensor(.float32, [rows, columns])
        let sum = try backend.makeTensor(.float32, [rows, columns])
        for isSummed in [false, true] {
            var rms: [Double] = []
            var layer: [Double] = []
            for row in 0..<rows {
                let s = (0..<columns).map { column in
                    Double(xs[row * stride + 1 + column]) + (isSummed ? Double(residuals[row * columns + column]) : 0)
                }
                let mean = s.reduce(0, +) / Double(columns)
                let square = s.map { $0 * $0 }.reduce(0, +) / Double(columns)
                let variance = s.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(columns)
                for column in 0..<columns {
                    rms.append(s[column] / (square + Double(epsilon)).squareRoot() * Double(weights[column]))
                    let y = (s[column] - mean) / (variance + Double(epsilon)).squareRoot()
                    layer.append(y * Double(weights[column]) + Double(biases[column]))
                }
            }
            let addend = isSummed ? residual : nil
            try backend.rmsNorm(
                x, residual: addend, sum: isSummed ? sum : nil, weight: weight, epsilon: epsilon, into: output)
            #expect(normalizedError(try backend.readFloats(output), rms) < tolerance)
            for target in [nil, sum] {
                try backend.layerNorm(
                    x, residual: addend, sum: target, weight: weight, bias: bias, epsilon: epsilon, into: output)
                #expect(normalizedError(try backend.readFloats(output), layer) < tolerance)
            }
        }
        // In place.
        try backend.rmsNorm(residual, residual: nil, sum: nil, weight: weight, epsilon: epsilon, into: residual)
    }

    @Test(arguments: OpenCLDevices.variants, Activation.allCases)
    func activations(_ variant: OpenCLDevices.Variant, activation: Activation) throws {
        let backend = try variant.backend()
        var numbers = Numbers(seed: 2)
        let columns = 1_050
        let xs = numbers.floats(2 * columns).map { $0 * 12 }
        let x = try backend.makeTensor(xs, [2, columns])
        let expected = xs.map { Reference.activate(Double($0), activation) }
        try backend.activate(x, activation, into: x)
        #expect(normalizedError(try backend.readFloats(x), expected) < tolerance)
    }

    @Test(arguments: OpenCLDevices.variants, sizes + [70_000])
    func softmax(_ variant: OpenCLDevices.Variant, columns: Int) throws {
        let backend = try variant.backend()
        var numbers = Numbers(seed: 3)
        var xs = numbers.floats(2 * columns).map { $0 * 30 }
        if columns > 16 { for i in 0..<16 { xs[i] = -.infinity } }
        let x = try backend.makeTensor(xs, [2, columns])
        try backend.softmax(x, scale: 0.5, into: x)
        let expected = (0..<2).flatMap { row in
            let values = xs[row * columns..<(row + 1) * columns].map { exp(Double($0) * 0.5) }
            let total = values.reduce(0, +)
            return values.map { $0 / total }
        }
        // Sixteen work-items sum 4,375 numbers each in float32.
        #expect(normalizedError(try backend.readFloats(x), expected) < (columns > 1_000 ? 1e-10 : tolerance))
    }

    @Test(arguments: OpenCLDevices.variants, [(1, 1), (17, 17), (16, 1), (300, 40), (5_000, 256)])
    func selection(_ variant: OpenCLDevices.Variant, size: (columns: Int, count: Int)) throws {
        let backend = try variant.backend()
        var numbers = Numbers(seed: 4)
        let (columns, count) = size
        let rows = 4
        // Few distinct values, so that there are ties; a row with NaNs; a row of nothing but one value.
        var xs = numbers.floats(rows * columns).map { ($0 * 50).rounded() / 4 }
        for column in 0..<columns {
            if column % 3 == 0 { xs[columns + column] = .nan }
            xs[2 * columns + column] = -.infinity
        }
        let x = try backend.makeTensor(xs, [rows, columns])
        let values = try backend.makeTensor(.float32, [rows, count])
        let indices = try backend.makeTensor(.int32, [rows, count])
        let largest = try backend.makeTensor(.int32, [rows])
        try backend.topK(x, count: count, values: values, indices: indices)
        try backend.argmax(x, into: largest)
        let (foundIndices, foundValues) = (try backend.readInt32s(indices), try backend.readFloats(values))
        let foundLargest = try backend.readInt32s(largest)
        for row in 0..<rows {
            let elements = Array(xs[row * columns..<(row + 1) * columns])
            let order = elements.indices.sorted { a, b in
                let (x, y) = (elements[a], elements[b])
                if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? a < b : y.isNaN }
                return x == y ? a < b : x > y
            }
            let expected = order.prefix(count)
            #expect(foundIndices[row * count..<(row + 1) * count].map(Int.init) == Array(expected))
            #expect(
                foundValues[row * count..<(row + 1) * count].map(\.bitPattern)
                    == expected.map { elements[$0].bitPattern })
            #expect(Int(foundLargest[row]) == (elements[order[0]].isNaN ? 0 : order[0]))
        }
    }
}
