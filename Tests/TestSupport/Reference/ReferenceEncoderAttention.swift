public import TensorCore

extension Reference {
    /// Attention over plain rows, with the whole row of scores in memory.
    ///
    /// - Parameters:
    ///   - queryCounts: query rows of each sequence.
    ///   - keyRanges: key rows that each sequence sees.
    ///   - bias: `[H, 2 R + 1]`.
    ///   - relative: scores of queries and keys by bucket, `[T, H B]` and `[K, H B]`, and the bucket of each distance.
    public static func encoderAttention(
        query: Matrix, key: Matrix, value: Matrix, queryCounts: [Int], keyRanges: [Range<Int>],
        parameters: EncoderAttentionParameters, bias: Matrix? = nil,
        relative: (queries: Matrix?, keys: Matrix?, buckets: [Int])? = nil
    ) -> Matrix {
        func byDistance(_ row: Int, _ key: Int, _ head: Int, _ distance: Int) -> Double {
            guard let relative else { return 0 }
            let reach = relative.buckets.count / 2
            let bucket = relative.buckets[reach + min(max(distance, -reach), reach)]
            return [(relative.queries, row), (relative.keys, key)].reduce(0) { sum, part in
                guard let scores = part.0 else { return sum }
                return sum + scores[part.1, head * (scores.columns / parameters.headCount) + bucket]
            }
        }
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
                        let distance = j - keys.lowerBound - position
                        return Double(parameters.scale) * (product + byDistance(row, j, head, distance))
                            + offset(bias, head, distance: distance)
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
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, relative: RelativeScores?,
        into output: Tensor
    ) throws {
        let count = batch.sequenceCount
        try EncoderAttentionArguments(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias,
            relative: relative, output: output
        ).validate(capabilities)
        launch("encoderAttention")
        let offsets = elements(batch.queryOffsets, as: Int32.self)
        let ranges = elements(batch.keyRanges, as: Int32.self)
        store(
            Reference.encoderAttention(
                query: matrix(query), key: matrix(key), value: matrix(value),
                queryCounts: (0..<count).map { Int(offsets[$0 + 1] - offsets[$0]) },
                keyRanges: (0..<count).map { Int(ranges[2 * $0])..<Int(ranges[2 * $0 + 1]) },
                parameters: parameters, bias: bias.map { matrix($0.table) },
                relative: relative.map { scores in
                    (
                        scores.queries.map { matrix($0) }, scores.keys.map { matrix($0) },
                        elements(scores.buckets, as: Int32.self).map(Int.init)
                    )
                }), to: output)
    }
}
