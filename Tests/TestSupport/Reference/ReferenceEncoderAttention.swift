public import TensorCore

extension Reference {
    /// Attention over plain rows, with the whole row of scores in memory.
    ///
    /// - Parameters:
    ///   - queryCounts: query rows of each sequence.
    ///   - keyRanges: key rows that each sequence sees.
    ///   - bias: `[H, 2 R + 1]`.
    public static func encoderAttention(
        query: Matrix, key: Matrix, value: Matrix, queryCounts: [Int], keyRanges: [Range<Int>],
        parameters: EncoderAttentionParameters, bias: Matrix? = nil
    ) -> Matrix {
        var output = Matrix(rows: query.rows, columns: query.columns)
        let size = query.columns / parameters.headCount
        var row = 0
        for (count, keys) in zip(queryCounts, keyRanges) {
            for index in 0..<count {
                let position = keys.count - count + index
                let seen = parameters.isCausal ? keys.prefix(position + 1) : keys
                for head in 0..<parameters.headCount {
                    let columns = head * size..<(head + 1) * size
                    let scores = seen.map { j in
                        let product = columns.reduce(0.0) { $0 + query[row, $1] * key[j, $1] }
                        return Double(parameters.scale) * product
                            + offset(bias, head, distance: j - keys.lowerBound - position)
                    }
                    for (j, weight) in zip(seen, softmax(scores)) {
                        for column in columns { output[row, column] += weight * value[j, column] }
                    }
                }
                row += 1
            }
        }
        return output
    }

    private static func offset(_ bias: Matrix?, _ head: Int, distance: Int) -> Double {
        guard let bias else { return 0 }
        let reach = bias.columns / 2
        return bias[head, reach + min(max(distance, -reach), reach)]
    }
}

extension ReferenceBackend {
    public func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, into output: Tensor
    ) throws {
        let (heads, count) = (parameters.headCount, batch.sequenceCount)
        try EncoderAttentionArguments(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias, output: output
        ).validate(capabilities)
        launch("encoderAttention")
        let offsets = elements(batch.queryOffsets, as: Int32.self)
        let ranges = elements(batch.keyRanges, as: Int32.self)
        store(
            Reference.encoderAttention(
                query: matrix(query), key: matrix(key), value: matrix(value),
                queryCounts: (0..<count).map { Int(offsets[$0 + 1] - offsets[$0]) },
                keyRanges: (0..<count).map { Int(ranges[2 * $0])..<Int(ranges[2 * $0 + 1]) },
                parameters: parameters, bias: bias.map { matrix($0.table) }), to: output)
    }
}
