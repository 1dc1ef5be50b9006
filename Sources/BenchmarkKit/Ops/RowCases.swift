import CommandSupport
import Foundation
internal import OpCases
internal import TensorCore

/// The ops that read and write rows and multiply nothing: norms, activations, softmax, rotation, choosing tokens.
///
/// Legend: `R` rows, `C` columns.
struct RowCases {
    static func groups(_ shape: ModelShape, tokenCounts: [Int]) -> [OpGroup] {
        let width = shape.hiddenSize
        let sizes = tokenCounts.map { [$0, width] }
        let norm = sizes.map { size in
            OpGroup(op: "norm") { [try RowCase(shape, "norm", size, $0).norm()] }
        }
        let activation = tokenCounts.map { count in
            OpGroup(op: "activation") {
                [try RowCase(shape, "activation", [count, shape.intermediateSize], $0).activation()]
            }
        }
        let rope =
            shape.family == .gpt2
            ? []
            : tokenCounts.map { count in
                OpGroup(op: "rope") { context in
                    [try RowCase(shape, "rope", [count, shape.headCount * shape.headSize], context).rope()]
                }
            }
        let headNorm = (shape.normalizesHeads ? tokenCounts : []).map { count in
            OpGroup(op: "head_norm") { context in
                [try RowCase(shape, "head_norm", [count, shape.headCount * shape.headSize], context).headNorm()]
            }
        }
        let gather = sizes.map { size in
            OpGroup(op: "gather") { [try RowCase(shape, "gather", size, $0).gather()] }
        }
        let logits = [1, shape.vocabularySize]
        let softCap = shape.softCaps.map { caps in
            OpGroup(op: "soft_cap") { [try RowCase(shape, "soft_cap", logits, $0).softCap(caps.logits)] }
        }
        return norm + headNorm + activation + rope + gather + [softCap].compactMap(\.self) + [
            OpGroup(op: "softmax") { [try RowCase(shape, "softmax", logits, $0).softmax()] },
            OpGroup(op: "argmax") { [try RowCase(shape, "argmax", logits, $0).argmax()] },
            OpGroup(op: "topk") { [try RowCase(shape, "topk", logits, $0).topK()] },
        ]
    }
}

private struct RowCase {
    let shape: ModelShape
    let op: String
    let rows: Int
    let columns: Int
    let context: OpContext
    /// Of the first copy.
    private let values: [Float]
    private let inputs: [Tensor]
    private let output: Tensor

    init(_ shape: ModelShape, _ op: String, _ size: [Int], _ context: OpContext) throws {
        self.shape = shape
        self.op = op
        self.context = context
        (rows, columns) = (size[0], size[1])
        let count = rows * columns
        var random = SplitMix64(seed: 41)
        // Small rows stay in caches in a model, too: its kernel before has just written them.
        let copies = min(context.copies(byteCount: 4 * count), 4)
        let all = (0..<copies).map { _ in random.floats(count, scale: 3) }
        values = all[0]
        inputs = try all.map { try context.backend.makeTensor($0, [size[0], size[1]]) }
        output = try context.backend.makeTensor(.float32, [size[0], size[1]])
        try context.reserve(tokens: rows, features: columns, heads: shape.headCount, headSize: shape.headSize)
    }

    private var backend: any Backend { context.backend }

    /// - Parameters:
    ///   - written: elements that are written.
    ///   - call: enqueues the op on an input.
    ///   - expected: of row `r` and column `c` of the output, which the sampled outputs are held against.
    private func prepared(
        flops: Int = 0, written: Int, tolerance: Double = 1e-9, call: @escaping (Tensor) throws -> Void,
        found: @escaping () throws -> [Float], expected: @escaping (Int) -> Double
    ) -> PreparedOp {
        let opCase = OpCase(
            op: op, shape: shape.name, operand: "\(rows)x\(columns)", format: "float32", tokenCount: rows,
            byteCount: 4 * (rows * columns + written), flopCount: flops)
        return PreparedOp(
            opCase: opCase, call: { [inputs] in try call(inputs[$0 % inputs.count]) },
            error: { [inputs] in
                try call(inputs[0])
                return SampledError.ofSample(64, of: try found(), seed: 42) { ExpectedOutput(expected($0)) }
            },
            tolerance: tolerance, rates: context.ceilings.rates(for: .float32))
    }

    private func readOutput() throws -> [Float] { try backend.readFloats(output) }

    private func row(of place: Int) -> ArraySlice<Float> {
        values[place / columns * columns..<(place / columns + 1) * columns]
    }

    func norm() throws -> PreparedOp {
        var random = SplitMix64(seed: 43)
        let scales = random.floats(columns)
        let weight = try backend.makeTensor(scales, [columns])
        let isLayerNorm = shape.family == .gpt2
        return prepared(
            flops: 4 * rows * columns, written: rows * columns,
            call: { x in
                if isLayerNorm {
                    try backend.layerNorm(
                        x, residual: nil, sum: nil, weight: weight, bias: nil, epsilon: 1e-5, into: output)
                } else {
                    try backend.rmsNorm(x, residual: nil, sum: nil, weight: weight, epsilon: 1e-5, into: output)
                }
            }, found: readOutput
        ) { place in
            let row = row(of: place).map(Double.init)
            let mean = isLayerNorm ? row.reduce(0, +) / Double(columns) : 0
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            return (Double(values[place]) - mean) / (variance + 1e-5).squareRoot() * Double(scales[place % columns])
        }
    }

    func activation() throws -> PreparedOp {
        prepared(
            written: rows * columns, call: { try backend.activate($0, .silu, into: output) }, found: readOutput
        ) { Activation.silu.reference(Double(values[$0])) }
    }

    /// Of all rows, in another order.
    func gather() throws -> PreparedOp {
        var random = SplitMix64(seed: 45)
        let order = (0..<Int32(rows)).shuffled(using: &random)
        let indices = try backend.makeTensor(order, [rows])
        return prepared(
            written: rows * columns, call: { try backend.gatherRows($0, rows: indices, into: output) },
            found: readOutput
        ) { Double(values[Int(order[$0 / columns]) * columns + $0 % columns]) }
    }

    func softCap(_ cap: Double) throws -> PreparedOp {
        prepared(
            written: rows * columns, call: { try backend.softCap($0, cap: Float(cap), into: output) },
            found: readOutput
        ) { cap * tanh(Double(values[$0]) / cap) }
    }

    /// In place, so that what is timed norms its own output again: weights of 1 and -1 keep that as it is. The sample has
    /// other weights.
    func headNorm() throws -> PreparedOp {
        var random = SplitMix64(seed: 44)
        let scales = random.floats(columns)
        let weight = try backend.makeTensor(scales, [columns])
        let signs = try backend.makeTensor(scales.map { Float($0 < 0 ? -1 : 1) }, [columns])
        let size = shape.headSize
        return prepared(
            flops: 4 * rows * columns, written: rows * columns,
            call: { try backend.rmsNormHeads($0, headSize: size, weight: signs, epsilon: 1e-5) },
            found: {
                let sample = try backend.makeTensor(values, [rows, columns])
                try backend.rmsNormHeads(sample, headSize: size, weight: weight, epsilon: 1e-5)
                return try backend.readFloats(sample)
            }
        ) { place in
            let head = values[place / size * size..<(place / size + 1) * size].map(Double.init)
            let variance = head.reduce(0) { $0 + $1 * $1 } / Double(size)
            return Double(values[place]) / (variance + 1e-5).squareRoot() * Double(scales[place % columns])
        }
    }

    func softmax() throws -> PreparedOp {
        prepared(
            written: rows * columns, tolerance: 1e-8, call: { try backend.softmax($0, scale: 1, into: output) },
            found: readOutput
        ) { place in
            let row = row(of: place).map(Double.init)
            return exp(Double(values[place])) / row.reduce(0) { $0 + exp($1) }
        }
    }

    func rope() throws -> PreparedOp {
        let half = shape.headSize / 2
        let angles = (0..<rows).flatMap { position in
            (0..<half).map { Double(position) * pow(10000, -Double($0) / Double(half)) }
        }
        let table = (0..<rows).flatMap { position -> [Float] in
            let row = angles[position * half..<(position + 1) * half]
            return row.map { Float(cos($0)) } + row.map { Float(sin($0)) }
        }
        let arguments = RopeArguments(
            table: try backend.makeTensor(table, [rows, 2, half]),
            positions: try backend.makeTensor((0..<Int32(rows)).map { $0 }, [rows]), rotarySize: shape.headSize,
            layout: .halfSplit)
        return prepared(
            flops: 3 * rows * columns, written: rows * columns,
            call: { try backend.rope($0, headSize: shape.headSize, arguments) },
            found: {
                // It works in place, so the sample rotates a copy of its own.
                let sample = try backend.makeTensor(values, [rows, columns])
                try backend.rope(sample, headSize: shape.headSize, arguments)
                return try backend.readFloats(sample)
            }
        ) { place in
            let (position, element) = (place / columns, place % shape.headSize)
            let angle = angles[position * half + element % half]
            let other = Double(values[element < half ? place + half : place - half])
            return Double(values[place]) * cos(angle) + (element < half ? -1 : 1) * other * sin(angle)
        }
    }

    func argmax() throws -> PreparedOp {
        let indices = try backend.makeTensor(.int32, [rows])
        return prepared(
            written: rows, call: { try backend.argmax($0, into: indices) },
            found: { try backend.readInt32s(indices).map { values[Int($0)] } }
        ) { _ in Double(values.max() ?? 0) }
    }

    func topK() throws -> PreparedOp {
        let count = min(40, backend.capabilities.maxTopK)
        let best = try backend.makeTensor(.float32, [rows, count])
        let indices = try backend.makeTensor(.int32, [rows, count])
        let expected = values.sorted(by: >)
        return prepared(
            written: 2 * rows * count, call: { try backend.topK($0, count: count, values: best, indices: indices) },
            found: { try backend.readFloats(best) }
        ) { Double(expected[$0]) }
    }
}
