import CommandSupport
import Foundation
internal import OpCases
internal import TensorCore

/// Attention of one sequence over the paged cache: decoding at several contexts, with and without storing the token's own
/// keys and values in the same call, and prompts.
///
/// Legend: `T` query tokens, `C` tokens of context, `H`, `KH` heads, `D` elements a head, `L` tokens a block.
struct AttentionCases {
    static func groups(
        _ shape: ModelShape, cacheTypes: [DType], tokenCounts: [Int], contextLengths: [Int]
    ) -> [OpGroup] {
        let cases = AttentionCase.timed(
            shape, cacheTypes: cacheTypes, tokenCounts: tokenCounts, contextLengths: contextLengths)
        // Each, then what is stored in the same call; cache type by cache type.
        return cacheTypes.flatMap { dtype in
            let own = cases.filter { $0.dtype == dtype }
            return own.map { group("attention", $0, shape) }
                + own.filter { $0.tokenCount == 1 }.map { group("store_attend", $0, shape, stores: true) }
        }
    }

    private static func group(
        _ op: String, _ one: AttentionCase, _ shape: ModelShape, stores: Bool = false
    ) -> OpGroup {
        OpGroup(op: op) { context in
            guard one.isSupported(by: context.backend.capabilities) else { return [] }
            return [try AttentionOperands(one, shape, context).prepare(stores: stores)]
        }
    }
}

private struct AttentionOperands {
    private static let blockSize = CachePlane.blockSize

    let one: AttentionCase
    let shape: ModelShape
    let context: OpContext
    private let blockCount: Int
    private let copyCount: Int
    private let keys: CachePlane
    private let values: CachePlane
    /// One row of block numbers a copy.
    private let tables: [[Int32]]

    init(_ one: AttentionCase, _ shape: ModelShape, _ context: OpContext) throws {
        self.one = one
        self.shape = shape
        self.context = context
        blockCount = (one.contextLength + Self.blockSize - 1) / Self.blockSize
        // Prompts are bound by arithmetic; only decoding must find its context outside the caches.
        copyCount =
            one.tokenCount > 1
            ? 1
            : context.copies(byteCount: shape.cacheByteCount(tokenCount: blockCount * Self.blockSize, one.dtype))
        let planeBlockCount = copyCount * blockCount
        func plane(seed: UInt64) -> CachePlane {
            CachePlane(
                one.dtype, blockCount: planeBlockCount, headCount: one.keyHeads, headSize: one.headSize, seed: seed)
        }
        (keys, values) = (plane(seed: 31), plane(seed: 32))
        var random = SplitMix64(seed: 33)
        // Blocks of a context lie anywhere.
        let blocks = (0..<Int32(copyCount * blockCount)).shuffled(using: &random)
        let size = blockCount
        tables = (0..<copyCount).map { Array(blocks[$0 * size..<($0 + 1) * size]) }
    }

    /// - Parameter stores: whether each call also stores the last token's keys and values, which the cache of the first
    ///   copy has already.
    func prepare(stores: Bool = false) throws -> PreparedOp {
        let backend = context.backend
        let width = one.columns
        try context.reserve(
            tokens: one.tokenCount, context: one.contextLength, features: width, inputs: width, heads: one.headCount,
            headSize: one.headSize)
        let cache = try KVCacheLayer(keys: keys, values: values, on: backend)
        var random = SplitMix64(seed: 34)
        let queries = random.floats(one.tokenCount * width, scale: one.scores == .large ? 50 : 1.5)
        let query = try backend.makeTensor(queries, [one.tokenCount, width])
        let output = try GuardedTensor(on: backend, .float32, [one.tokenCount, width])
        let batches = try tables.map(batch)
        let last = stores ? try LastToken(self) : nil
        let parameters = AttentionParameters(
            headCount: one.headCount, scale: 1 / Float(one.headSize).squareRoot(), softCap: one.softCap)
        func call(_ index: Int) throws {
            let index = index % batches.count
            if let last {
                try backend.storeAndAttend(
                    query: query, key: last.key, value: last.value, slots: last.slots[index], rope: nil, cache: cache,
                    batch: batches[index], parameters: parameters, into: output.tensor)
            } else {
                try backend.attention(
                    query: query, cache: cache, batch: batches[index], parameters: parameters, into: output.tensor)
            }
        }
        let opCase = opCase(stores: stores)
        return PreparedOp(
            opCase: opCase, call: call,
            error: {
                try call(0)
                return sampledError(try output.floats(of: opCase), queries: queries)
            },
            tolerance: one.dtype == .float32 ? 1e-9 : 1e-5, rates: context.ceilings.rates(for: .float32))
    }

    /// What is stored of the last token, and where in each copy.
    private struct LastToken {
        let key: Tensor
        let value: Tensor
        let slots: [Tensor]

        init(_ attention: AttentionOperands) throws {
            let (one, backend) = (attention.one, attention.context.backend)
            let last = one.contextLength - 1
            func row(of plane: CachePlane) throws -> Tensor {
                let values = (0..<one.keyHeads).flatMap { attention.row(plane, last, $0) }
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
        let (width, tokenCount, contextLength) = (one.columns, one.tokenCount, one.contextLength)
        // Query `i` sees all before the prompt, and `i + 1` of the prompt.
        let visible = tokenCount * (contextLength - tokenCount) + tokenCount * (tokenCount + 1) / 2
        let storedByteCount = stores ? shape.storedByteCount(tokenCount: 1, one.dtype) : 0
        return OpCase(
            op: stores ? "store_attend" : "attention", shape: one.timing?.model ?? "",
            operand: one.timing?.operand ?? "", format: one.dtype.rawValue, tokenCount: tokenCount,
            contextLength: contextLength,
            byteCount: shape.cacheByteCount(tokenCount: contextLength, one.dtype) + 2 * 4 * tokenCount * width
                + storedByteCount,
            flopCount: 4 * visible * width)
    }

    private func batch(_ table: [Int32]) throws -> AttentionBatch {
        let (backend, tokenCount, contextLength) = (context.backend, one.tokenCount, one.contextLength)
        return AttentionBatch(
            queryOffsets: try backend.makeTensor([0, Int32(tokenCount)], [2]),
            contextLengths: try backend.makeTensor([Int32(contextLength)], [1]),
            blockTables: try backend.makeTensor(table, [1, table.count]), tokenCount: tokenCount,
            maxQueryCount: tokenCount, maxContextLength: contextLength)
    }

    /// Of four heads of tokens.
    private func sampledError(_ found: [Float], queries: [Float]) -> Double {
        var error = SampledError()
        var random = SplitMix64(seed: 35)
        for _ in 0..<4 {
            let token = Int(random.next() % UInt64(one.tokenCount))
            let head = Int(random.next() % UInt64(one.headCount))
            let start = (token * one.headCount + head) * one.headSize
            let expected = attend(Array(queries[start..<start + one.headSize]), token: token, head: head)
            for (index, value) in expected.enumerated() { error.add(found[start + index], expected: value) }
        }
        return error.value
    }

    private func attend(_ query: [Float], token: Int, head: Int) -> [Double] {
        let keyHead = head / one.group
        let count = one.contextLength - one.tokenCount + token + 1
        let scale = 1 / Double(one.headSize).squareRoot()
        let scores = (0..<count).map { position in
            let score =
                zip(query, row(keys, position, keyHead)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * scale
            return one.softCap.map { Double($0) * tanh(score / Double($0)) } ?? score
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let sum = weights.reduce(0, +)
        var result = [Double](repeating: 0, count: one.headSize)
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
