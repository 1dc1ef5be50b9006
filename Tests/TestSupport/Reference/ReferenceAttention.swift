import Foundation
public import TensorCore

extension Reference {
    /// One sequence of an attention batch on the host.
    public struct Sequence: Sendable {
        public let queryCount: Int
        public let contextLength: Int
        /// The blocks of its context in order.
        public let blocks: [Int32]

        public init(queryCount: Int, contextLength: Int, blocks: [Int32]) {
            self.queryCount = queryCount
            self.contextLength = contextLength
            self.blocks = blocks
        }
    }

    /// Causal attention of every query over its sequence's context, with the whole row of scores in memory.
    public static func attention(
        query: Matrix, keys: ReferenceCache, values: ReferenceCache, sequences: [Sequence],
        parameters: AttentionParameters
    ) -> Matrix {
        var output = Matrix(rows: query.rows, columns: query.columns)
        var row = 0
        for sequence in sequences {
            for index in 0..<sequence.queryCount {
                let position = sequence.contextLength - sequence.queryCount + index
                for head in 0..<parameters.headCount {
                    attend(
                        row: row, position: position, head: head, query: query, keys: keys, values: values,
                        sequence: sequence, parameters: parameters, output: &output)
                }
                row += 1
            }
        }
        return output
    }

    private static func attend(
        row: Int, position: Int, head: Int, query: Matrix, keys: ReferenceCache, values: ReferenceCache,
        sequence: Sequence, parameters: AttentionParameters, output: inout Matrix
    ) {
        let size = keys.headSize
        let keyHead = head / (parameters.headCount / keys.headCount)
        let first = parameters.slidingWindow.map { max(0, position - $0 + 1) } ?? 0
        let starts = (first...position).map { j in
            let block = Int(sequence.blocks[j / keys.blockSizeInTokens])
            let slot = block * keys.blockSizeInTokens + j % keys.blockSizeInTokens
            return keys.index(slot: slot, head: keyHead)
        }
        let queryStart = row * query.columns + head * size
        let scores = starts.map { start in
            var sum = 0.0
            for d in 0..<size { sum += query.values[queryStart + d] * Double(keys.values[start + d]) }
            let scaled = Double(parameters.scale) * sum
            return parameters.softCap.map { Double($0) * tanh(scaled / Double($0)) } ?? scaled
        }
        for (start, weight) in zip(starts, softmax(scores)) {
            for d in 0..<size { output.values[queryStart + d] += weight * Double(values.values[start + d]) }
        }
    }
}
