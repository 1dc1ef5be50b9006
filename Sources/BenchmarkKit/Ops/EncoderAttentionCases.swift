import CommandSupport
import Foundation
package import OpCases
internal import TensorCore

/// Attention without a cache of one text, as encoders compute it.
///
/// Legend: `T` tokens, `H` heads, `D` elements a head.
package struct EncoderAttentionCases {
    package static func groups(_ shape: ModelShape, tokenCounts: [Int]) -> [OpGroup] {
        EncoderAttentionCase.timed(shape, tokenCounts: tokenCounts).map { one in
            OpGroup(op: "encoder_attention") { context in
                guard one.isSupported(by: context.backend.capabilities) else { return [] }
                return [try EncoderAttentionOperands(one).prepare(context)]
            }
        }
    }
}

private struct EncoderAttentionOperands {
    let one: EncoderAttentionCase
    /// Query, key and value side by side, as the projections leave them: `[T, 3 H D]`.
    private let projections: [Float]
    private var width: Int { one.columns }

    init(_ one: EncoderAttentionCase) {
        self.one = one
        var random = SplitMix64(seed: 36)
        projections = random.floats(3 * one.tokenCount * one.columns, scale: 1.5)
    }

    func prepare(_ context: OpContext) throws -> PreparedOp {
        let (backend, count, width) = (context.backend, one.tokenCount, width)
        try context.reserve(
            tokens: count, features: 3 * width, inputs: width, heads: one.headCount, headSize: one.headSize)
        let input = try backend.makeTensor(projections, [count, 3 * width])
        let output = try GuardedTensor(on: backend, .float32, [count, width])
        let batch = EncoderAttentionBatch(
            queryOffsets: try backend.makeTensor([0, Int32(count)], [2]),
            keyRanges: try backend.makeTensor([0, Int32(count)], [1, 2]), tokenCount: count, maxQueryCount: count,
            maxKeyCount: count)
        let parameters = EncoderAttentionParameters(
            headCount: one.headCount, scale: 1 / Float(one.headSize).squareRoot())
        func call(_: Int) throws {
            try backend.encoderAttention(
                query: input.columns(0..<width), key: input.columns(width..<2 * width),
                value: input.columns(2 * width..<3 * width), batch: batch, parameters: parameters, bias: nil,
                into: output.tensor)
        }
        let opCase = OpCase(
            op: "encoder_attention", shape: one.timing?.model ?? "", operand: one.timing?.operand ?? "",
            format: DType.float32.rawValue, tokenCount: count, byteCount: 4 * 4 * count * width,
            flopCount: 4 * count * count * width)
        return PreparedOp(
            opCase: opCase, call: call,
            error: {
                try call(0)
                return sampledError(try output.floats(of: opCase))
            },
            tolerance: 1e-9, rates: context.ceilings.rates(for: .float32))
    }

    /// Of four heads of tokens.
    private func sampledError(_ found: [Float]) -> Double {
        var error = SampledError()
        var random = SplitMix64(seed: 37)
        for _ in 0..<4 {
            let token = Int(random.next() % UInt64(one.tokenCount))
            let head = Int(random.next() % UInt64(one.headCount))
            let start = token * width + head * one.headSize
            for (index, value) in attend(token: token, head: head).enumerated() {
                error.add(found[start + index], expected: value)
            }
        }
        return error.value
    }

    private func attend(token: Int, head: Int) -> [Double] {
        let query = row(0, token, head)
        let scale = 1 / Double(one.headSize).squareRoot()
        let scores = (0..<one.tokenCount).map { zip(query, row(1, $0, head)).reduce(0) { $0 + $1.0 * $1.1 } * scale }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let sum = weights.reduce(0, +)
        var result = [Double](repeating: 0, count: one.headSize)
        for (position, weight) in weights.enumerated() {
            for (index, value) in row(2, position, head).enumerated() { result[index] += weight / sum * value }
        }
        return result
    }

    /// A head of a token's query (0), key (1) or value (2).
    private func row(_ part: Int, _ token: Int, _ head: Int) -> [Double] {
        let start = (token * 3 + part) * width + head * one.headSize
        return projections[start..<start + one.headSize].map(Double.init)
    }
}
