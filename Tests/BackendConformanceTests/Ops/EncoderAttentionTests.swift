import OpCases
import TensorCore
import TestSupport
import Testing

@Suite("attention without a cache")
struct EncoderAttentionTests {
    @Test("sizes", arguments: EncoderAttentionCase.sizes.selected)
    func sizes(_ one: EncoderAttentionCase) { check(one) }

    @Test("head sizes", arguments: EncoderAttentionCase.headSizes.selected)
    func headSizes(_ one: EncoderAttentionCase) { check(one) }

    @Test("batches", arguments: EncoderAttentionCase.batches.selected)
    func batches(_ one: EncoderAttentionCase) { check(one) }

    @Test("causal", arguments: EncoderAttentionCase.causal.selected)
    func causal(_ one: EncoderAttentionCase) { check(one) }

    @Test("relative-position bias", arguments: EncoderAttentionCase.biases.selected)
    func biases(_ one: EncoderAttentionCase) { check(one) }

    @Test("windows", arguments: EncoderAttentionCase.windows.selected)
    func windows(_ one: EncoderAttentionCase) { check(one) }

    @Test("scores by distance", arguments: EncoderAttentionCase.relative.selected)
    func relative(_ one: EncoderAttentionCase) { check(one) }

    @Test("layers of models", arguments: EncoderAttentionCase.modelLayers.selected)
    func modelLayers(_ one: EncoderAttentionCase) { check(one) }

    private func check(_ one: EncoderAttentionCase) {
        var random = one.random
        let ranges = one.keyRanges
        let keyRows = (ranges.map(\.upperBound).max() ?? 0) + one.hiddenRows
        let query = random.floats(one.tokenCount * one.columns, scale: 2)
        let seen = Set(ranges.joined())
        // What no sequence sees is NaN: reading it spoils a result.
        func rows(_ scale: Float) -> [Float] {
            (0..<keyRows).flatMap { row in
                random.floats(one.columns, scale: scale).map { seen.contains(row) ? $0 : .nan }
            }
        }
        let (key, value) = (rows(2), rows(1))
        let bias = one.reach.map { reach in
            let values = random.floats(one.headCount * (2 * reach + 1), scale: 3)
            let isEnd = { [0, 2 * reach].contains($0 % (2 * reach + 1)) }
            return values.indices.map { one.hidesFar && isEnd($0) ? -1e30 : values[$0] }
        }
        let relative = one.relative.map { RelativeInputs($0, one, keyRows: keyRows, seen: seen, &random) }
        let parameters = EncoderAttentionParameters(
            headCount: one.headCount, scale: one.scale ?? 1 / Float(one.headSize).squareRoot(), isCausal: one.isCausal)
        let expected = Reference.encoderAttention(
            query: Matrix(rows: one.tokenCount, columns: one.columns, floats: query),
            key: Matrix(rows: keyRows, columns: one.columns, floats: key),
            value: Matrix(rows: keyRows, columns: one.columns, floats: value),
            queryCounts: one.sequences.map { $0[0] }, keyRanges: ranges, parameters: parameters,
            bias: bias.map { Matrix(rows: one.headCount, columns: $0.count / one.headCount, floats: $0) },
            relative: relative?.reference)
        onEveryDevice(one.name) { backend, expectations in
            let inputs = [
                try GuardedTensor(on: backend, query, [one.tokenCount, one.columns], gap: one.gap),
                try GuardedTensor(on: backend, key, [keyRows, one.columns], gap: one.gap * 2),
                try GuardedTensor(on: backend, value, [keyRows, one.columns], gap: one.gap),
            ]
            let table = try bias.map {
                try GuardedTensor(on: backend, $0, [one.headCount, $0.count / one.headCount])
            }
            let batch = try EncoderAttentionBatch(one, on: backend)
            let output = try GuardedTensor(on: backend, .float32, [one.tokenCount, one.columns], gap: one.gap * 2)
            try backend.encoderAttention(
                query: inputs[0].tensor, key: inputs[1].tensor, value: inputs[2].tensor, batch: batch,
                parameters: parameters, bias: table.map { RelativePositionBias(table: $0.tensor) },
                relative: try relative?.scores(on: backend, gap: one.gap), into: output.tensor)
            try expectations.close(
                output, expected, bound: one.scale == 1 ? 1e-10 : 1e-11, eachRow: one.columns > 8)
            for (name, tensor) in zip(["query", "key", "value"], inputs) { try expectations.unchanged(tensor, name) }
            try expectations.unchanged(table, "bias")
        }
    }

    @Test("what does not fit is refused")
    func refusals() {
        onEveryDevice("refused encoder attention") { backend, expectations in
            func refuse(
                _ what: String, query: Shape = [4, 32], key: Shape = [6, 32], value: Shape = [6, 32],
                output: Shape = [4, 32], heads: Int = 2, offsets: [Int32] = [0, 4], tokenCount: Int = 4,
                bias: Shape? = nil
            ) throws {
                func float(_ shape: Shape) throws -> GuardedTensor {
                    let values = [Float](repeating: 1, count: shape.elementCount)
                    return try GuardedTensor(on: backend, values, shape)
                }
                let out = try float(output)
                let batch = EncoderAttentionBatch(
                    queryOffsets: try backend.makeTensor(offsets, [offsets.count]),
                    keyRanges: try backend.makeTensor([0, 6] as [Int32], [1, 2]), tokenCount: tokenCount,
                    maxQueryCount: 4,
                    maxKeyCount: 6)
                let (query, key, value) = (try float(query), try float(key), try float(value))
                let table = try bias.map { RelativePositionBias(table: try float($0).tensor) }
                try expectations.refuses(backend, "encoder attention with \(what)", writing: [out]) {
                    try backend.encoderAttention(
                        query: query.tensor, key: key.tensor, value: value.tensor, batch: batch,
                        parameters: EncoderAttentionParameters(headCount: heads, scale: 1), bias: table,
                        into: out.tensor)
                }
            }
            try refuse("heads that do not divide", heads: 3)
            try refuse("no heads", heads: 0)
            try refuse("too wide heads", query: [4, 600], key: [6, 600], value: [6, 600], output: [4, 600])
            try refuse("narrow keys", key: [6, 16])
            try refuse("fewer values than keys", value: [5, 32])
            try refuse("a narrow output", output: [4, 31])
            try refuse("too many queries", query: [5, 32])
            try refuse("too many offsets", offsets: [0, 2, 4])
            try refuse("a bias of other heads", bias: [3, 5])
        }
    }
}

/// Scores by distance of a case. Those of keys that no sequence sees are NaN.
private struct RelativeInputs {
    let one: EncoderAttentionCase.Relative
    let queries: Matrix?
    let keys: Matrix?
    let buckets: [Int32]

    init(
        _ one: EncoderAttentionCase.Relative, _ whole: EncoderAttentionCase, keyRows: Int, seen: Set<Int>,
        _ random: inout SplitMix64
    ) {
        self.one = one
        let columns = whole.headCount * one.bucketCount
        queries =
            one.hasQueries
            ? Matrix(
                rows: whole.tokenCount, columns: columns, floats: random.floats(whole.tokenCount * columns, scale: 2))
            : nil
        let rows = (0..<keyRows).flatMap { row in
            random.floats(columns, scale: 2).map { seen.contains(row) ? $0 : .nan }
        }
        keys = one.hasKeys ? Matrix(rows: keyRows, columns: columns, floats: rows) : nil
        buckets = (0..<2 * one.reach + 1).map { _ in Int32(random.next() % UInt64(one.bucketCount)) }
    }

    var reference: (queries: Matrix?, keys: Matrix?, buckets: [Int]) { (queries, keys, buckets.map(Int.init)) }

    func scores(on backend: any Backend, gap: Int) throws -> RelativeScores {
        func tensor(_ matrix: Matrix?) throws -> Tensor? {
            try matrix.map {
                try GuardedTensor(on: backend, $0.values.map { Float($0) }, [$0.rows, $0.columns], gap: gap).tensor
            }
        }
        return RelativeScores(
            queries: try tensor(queries), keys: try tensor(keys),
            buckets: try GuardedTensor(on: backend, buckets, [buckets.count]).tensor, bucketCount: one.bucketCount)
    }
}

extension EncoderAttentionBatch {
    init(_ one: EncoderAttentionCase, on backend: any Backend) throws {
        var offsets: [Int32] = [0]
        for sequence in one.sequences { offsets.append((offsets.last ?? 0) + Int32(sequence[0])) }
        let ranges = one.keyRanges.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }
        self.init(
            queryOffsets: try GuardedTensor(on: backend, offsets, [offsets.count]).tensor,
            keyRanges: try GuardedTensor(on: backend, ranges, [one.sequences.count, 2]).tensor,
            tokenCount: one.tokenCount, maxQueryCount: one.sequences.map { $0[0] }.max() ?? 0,
            maxKeyCount: one.sequences.map { $0[1] }.max() ?? 0)
    }
}
