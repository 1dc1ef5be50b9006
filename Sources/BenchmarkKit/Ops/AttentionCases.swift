import CommandSupport
import Foundation
internal import TensorCore

/// Attention of one sequence over the paged cache: decoding at several contexts, with and without storing the token's own
/// keys and values in the same call, and prompts.
///
/// Legend: `T` query tokens, `C` tokens of context, `H`, `KH` heads, `D` elements a head, `L` tokens a block.
struct AttentionCases {
    static func groups(
        _ shape: ModelShape, cacheTypes: [DType], tokenCounts: [Int], contextLengths: [Int]
    ) -> [OpGroup] {
        let limit = shape.maxContextLength
        // One token at each context; each prompt alone and, where it is long, at the end of each context.
        var sizes = contextLengths.filter { $0 <= limit }.map { (tokens: 1, context: $0) }
        for tokens in tokenCounts where tokens > 1 && tokens <= limit {
            sizes.append((tokens, tokens))
            sizes += contextLengths.filter { $0 > tokens && $0 <= limit && tokens >= 512 }.map { (tokens, $0) }
        }
        return cacheTypes.flatMap { dtype in
            sizes.map { size in
                OpGroup(op: "attention") { context in
                    [try AttentionCase(shape, dtype, tokens: size.tokens, length: size.context, context).prepare()]
                }
            }
                + sizes.filter { $0.tokens == 1 }.map { size in
                    OpGroup(op: "store_attend") { context in
                        let attention = try AttentionCase(shape, dtype, tokens: 1, length: size.context, context)
                        return [try attention.prepare(stores: true)]
                    }
                }
        }
    }
}

private struct AttentionCase {
    private static let blockSize = CachePlane.blockSize

    let shape: ModelShape
    let dtype: DType
    let tokenCount: Int
    let contextLength: Int
    let context: OpContext
    private let blockCount: Int
    private let copyCount: Int
    private let keys: CachePlane
    private let values: CachePlane
    /// One row of block numbers a copy.
    private let tables: [[Int32]]

    init(_ shape: ModelShape, _ dtype: DType, tokens: Int, length: Int, _ context: OpContext) throws {
        self.shape = shape
        self.dtype = dtype
        self.context = context
        tokenCount = tokens
        contextLength = length
        blockCount = (length + Self.blockSize - 1) / Self.blockSize
        // Prompts are bound by arithmetic; only decoding must find its context outside the caches.
        copyCount =
            tokens > 1
            ? 1
            : context.copies(byteCount: shape.cacheByteCount(tokenCount: blockCount * Self.blockSize, dtype))
        let planeBlockCount = copyCount * blockCount
        func plane(seed: UInt64) -> CachePlane {
            CachePlane(
                dtype, blockCount: planeBlockCount, headCount: shape.keyValueHeadCount, headSize: shape.headSize,
                seed: seed)
        }
        (keys, values) = (plane(seed: 31), plane(seed: 32))
        var random = RandomNumbers(seed: 33)
        // Blocks of a context lie anywhere.
        let blocks = (0..<Int32(copyCount * blockCount)).shuffled(using: &random)
        let size = blockCount
        tables = (0..<copyCount).map { Array(blocks[$0 * size..<($0 + 1) * size]) }
    }

    /// - Parameter stores: whether each call also stores the last token's keys and values, which the cache of the first
    ///   copy has already.
    func prepare(stores: Bool = false) throws -> PreparedOp {
        let backend = context.backend
        let width = shape.headCount * shape.headSize
        try context.reserve(
            tokens: tokenCount, context: contextLength, features: width, inputs: width, heads: shape.headCount,
            headSize: shape.headSize)
        let cache = try KVCacheLayer(keys: keys, values: values, on: backend)
        var random = RandomNumbers(seed: 34)
        // Scores must be large for a cap to show.
        let queries = random.floats(tokenCount * width, scale: shape.softCaps == nil ? 1.5 : 50)
        let query = try backend.makeTensor(queries, [tokenCount, width])
        let output = try backend.makeTensor(.float32, [tokenCount, width])
        let batches = try tables.map(batch)
        let last = stores ? try LastToken(self) : nil
        let parameters = AttentionParameters(
            headCount: shape.headCount, scale: 1 / Float(shape.headSize).squareRoot(),
            softCap: shape.softCaps.map { Float($0.scores) })
        func call(_ index: Int) throws {
            let index = index % batches.count
            if let last {
                try backend.storeAndAttend(
                    query: query, key: last.key, value: last.value, slots: last.slots[index], rope: nil, cache: cache,
                    batch: batches[index], parameters: parameters, into: output)
            } else {
                try backend.attention(
                    query: query, cache: cache, batch: batches[index], parameters: parameters, into: output)
            }
        }
        return PreparedOp(
            opCase: opCase(stores: stores), call: call,
            error: {
                try call(0)
                return sampledError(try backend.readFloats(output), queries: queries)
            },
            tolerance: dtype == .float32 ? 1e-9 : 1e-5, rates: context.ceilings.rates(for: .float32))
    }

    /// What is stored of the last token, and where in each copy.
    private struct LastToken {
        let key: Tensor
        let value: Tensor
        let slots: [Tensor]

        init(_ attention: AttentionCase) throws {
            let (shape, backend) = (attention.shape, attention.context.backend)
            let last = attention.contextLength - 1
            func row(of plane: CachePlane) throws -> Tensor {
                let values = (0..<shape.keyValueHeadCount).flatMap { attention.row(plane, last, $0) }
                return try backend.makeTensor(values, [1, values.count])
            }
            key = try row(of: attention.keys)
            value = try row(of: attention.values)
            let (block, offset) = last.quotientAndRemainder(dividingBy: CachePlane.blockSize)
            slots = try attention.tables.map {
                try backend.makeTensor([$0[block] * Int32(CachePlane.blockSize) + Int32(offset)], [1])
            }
        }
    }

    private func opCase(stores: Bool) -> OpCase {
        let width = shape.headCount * shape.headSize
        // Query `i` sees all before the prompt, and `i + 1` of the prompt.
        let visible = tokenCount * (contextLength - tokenCount) + tokenCount * (tokenCount + 1) / 2
        let storedByteCount = stores ? shape.storedByteCount(tokenCount: 1, dtype) : 0
        return OpCase(
            op: stores ? "store_attend" : "attention", shape: shape.name,
            operand: "\(shape.headCount)/\(shape.keyValueHeadCount) heads of \(shape.headSize)"
                + (shape.softCaps == nil ? "" : " capped"),
            format: dtype.rawValue, tokenCount: tokenCount, contextLength: contextLength,
            byteCount: shape.cacheByteCount(tokenCount: contextLength, dtype) + 2 * 4 * tokenCount * width
                + storedByteCount,
            flopCount: 4 * visible * width)
    }

    private func batch(_ table: [Int32]) throws -> AttentionBatch {
        let backend = context.backend
        return AttentionBatch(
            queryOffsets: try backend.makeTensor([0, Int32(tokenCount)], [2]),
            contextLengths: try backend.makeTensor([Int32(contextLength)], [1]),
            blockTables: try backend.makeTensor(table, [1, table.count]), tokenCount: tokenCount,
            maxQueryCount: tokenCount, maxContextLength: contextLength)
    }

    /// Of four heads of tokens.
    private func sampledError(_ found: [Float], queries: [Float]) -> Double {
        var error = SampledError()
        var random = RandomNumbers(seed: 35)
        for _ in 0..<4 {
            let token = Int(random.next() % UInt64(tokenCount))
            let head = Int(random.next() % UInt64(shape.headCount))
            let start = (token * shape.headCount + head) * shape.headSize
            let expected = attend(Array(queries[start..<start + shape.headSize]), token: token, head: head)
            for (index, value) in expected.enumerated() { error.add(found[start + index], expected: value) }
        }
        return error.value
    }

    private func attend(_ query: [Float], token: Int, head: Int) -> [Double] {
        let keyHead = head / (shape.headCount / shape.keyValueHeadCount)
        let count = contextLength - tokenCount + token + 1
        let scale = 1 / Double(shape.headSize).squareRoot()
        let scores = (0..<count).map { position in
            let score =
                zip(query, row(keys, position, keyHead)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * scale
            return shape.softCaps.map { $0.scores * tanh(score / $0.scores) } ?? score
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let sum = weights.reduce(0, +)
        var result = [Double](repeating: 0, count: shape.headSize)
        for (position, weight) in weights.enumerated() {
            for (index, value) in row(values, position, keyHead).enumerated() {
                result[index] += weight / sum * Double(value)
            }
        }
        return result
    }

    /// A key or value of the first copy.
    private func row(_ plane: CachePlane, _ position: Int, _ head: Int) -> [Float] {
        let (block, offset) = position.quotientAndRemainder(dividingBy: Self.blockSize)
        return plane.row(block: Int(tables[0][block]), offset: offset, head: head)
    }
}
