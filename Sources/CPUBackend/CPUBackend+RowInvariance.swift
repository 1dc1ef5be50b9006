internal import CPUKernels
public import TensorCore

extension CPUBackend: RowInvariantBackend {
    /// Rows that one product takes: so few go through the kernels for few tokens, which add up in an order that does not
    /// depend on how many there are.
    static let invariantRowCount = 8

    public func makeRowInvariant() { isRowInvariant = true }

    /// A product in parts of few rows.
    func matmulByFewRows(_ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue) throws {
        for start in stride(from: 0, to: x.rows, by: CPUBackend.invariantRowCount) {
            let rows = start..<min(start + CPUBackend.invariantRowCount, x.rows)
            var part = epilogue
            part.residual = epilogue.residual?.rows(rows)
            try matmul(x.rows(rows), weight, into: output.rows(rows), epilogue: part)
        }
    }

    /// Attention in which each query is a sequence of its own, as it is where a sequence decodes.
    ///
    /// - Parameter run: attends once, with arguments whose tensors are those of `arguments`.
    func attendByQueries(
        _ arguments: cpuk_attention_args, _ batch: AttentionBatch,
        run: (inout cpuk_attention_args) throws -> Void
    ) throws {
        let columns = batch.blockTables.columns
        let most = max(limits?.sequenceCount ?? 1, 1)
        let queries = try batch.queries()
        for first in stride(from: 0, to: queries.count, by: most) {
            let part = queries[first..<min(first + most, queries.count)]
            let offsets = (0...Int32(part.count)).map { Int32(first) + $0 }
            let lengths = part.map(\.contextLength)
            var tables: [Int32] = []
            tables.reserveCapacity(part.count * columns)
            for query in part {
                let row = batch.blockTables.int32s + query.sequence * batch.blockTables.rowStride
                tables += UnsafeBufferPointer(start: row, count: columns)
            }
            try offsets.withUnsafeBufferPointer { offsets in
                try lengths.withUnsafeBufferPointer { lengths in
                    try tables.withUnsafeBufferPointer { tables in
                        var some = arguments
                        some.query_offsets = offsets.baseAddress
                        some.context_lengths = lengths.baseAddress
                        some.block_tables = tables.baseAddress
                        some.table_stride = Int64(columns)
                        some.sequences = Int64(part.count)
                        try run(&some)
                    }
                }
            }
        }
    }
}

extension AttentionBatch {
    /// The queries one by one: whose they are, and the context that ends with each.
    fileprivate func queries() throws -> [(sequence: Int, contextLength: Int32)] {
        var queries: [(sequence: Int, contextLength: Int32)] = []
        var end: Int32 = 0
        for sequence in 0..<sequenceCount {
            let (begin, next) = (queryOffsets.int32s[sequence], queryOffsets.int32s[sequence + 1])
            guard begin == end, next >= begin, next <= Int32(clamping: tokenCount) else {
                throw BackendError.invalidArgument(
                    op: "attention", reason: "query offsets of sequence \(sequence) leave 0...\(tokenCount)")
            }
            let context = contextLengths.int32s[sequence]
            guard context >= next - begin else {
                throw BackendError.invalidArgument(
                    op: "attention", reason: "context of sequence \(sequence) is shorter than its queries")
            }
            for query in begin..<next { queries.append((sequence, context - (next - 1 - query))) }
            end = next
        }
        return queries
    }
}
