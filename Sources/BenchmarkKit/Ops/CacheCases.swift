import CommandSupport
internal import ModelIO
internal import OpCases
internal import TensorCore

/// Storing keys and values in the cache, and reading rows of the embedding.
struct CacheCases {
    static func groups(_ shape: ModelShape, cacheTypes: [DType], tokenCounts: [Int]) -> [OpGroup] {
        cacheTypes.flatMap { dtype in
            tokenCounts.map { count in OpGroup(op: "store") { [try StoreCase(shape, dtype, count, $0).prepare()] } }
        }
    }

    static func embeddings(_ shape: ModelShape, formats: [WeightFormat], tokenCounts: [Int]) -> [OpGroup] {
        formats.filter { shape.hiddenSize % $0.blockSize == 0 }.map { format in
            OpGroup(op: "embed") { context in
                let table = RandomWeight(
                    "embedding", format: format, rows: shape.vocabularySize, columns: shape.hiddenSize, seed: 51)
                let weight = try context.backend.prepare(table.source)
                return try tokenCounts.map { try embed(shape, table, weight, $0, context) }
            }
        }
    }

    private static func embed(
        _ shape: ModelShape, _ table: RandomWeight, _ weight: any Weight, _ tokenCount: Int, _ context: OpContext
    ) throws -> PreparedOp {
        let backend = context.backend
        try context.reserve(tokens: tokenCount, features: shape.hiddenSize)
        var random = SplitMix64(seed: 52)
        let lists = (0..<16).map { _ in random.tokens(tokenCount, vocabularySize: shape.vocabularySize) }
        let ids = try lists.map { try backend.makeTensor($0, [tokenCount]) }
        let output = try backend.makeTensor(.float32, [tokenCount, shape.hiddenSize])
        let rowBytes = table.source.byteCount / shape.vocabularySize
        let opCase = OpCase(
            op: "embed", shape: shape.name, operand: "\(shape.vocabularySize)x\(shape.hiddenSize)",
            format: weight.format.rawValue, tokenCount: tokenCount,
            byteCount: tokenCount * (rowBytes + 4 * shape.hiddenSize + 4), flopCount: 0)
        return PreparedOp(
            opCase: opCase,
            call: { try backend.embed(ids[$0 % ids.count], weight, accumulate: false, into: output) },
            error: {
                try backend.embed(ids[0], weight, accumulate: false, into: output)
                let found = try backend.readFloats(output)
                var error = SampledError()
                let token = tokenCount / 2
                for (column, value) in table.values(row: Int(lists[0][token])).enumerated() {
                    error.add(found[token * shape.hiddenSize + column], expected: Double(value))
                }
                return error.value
            }, tolerance: 1e-12, rates: context.ceilings.rates(for: .float32))
    }
}

/// Storing the keys and values of tokens in slots that lie anywhere.
///
/// Legend: `T` tokens, `KH` heads, `D` elements a head, `L` tokens a block.
private struct StoreCase {
    let shape: ModelShape
    let dtype: DType
    let tokenCount: Int
    let context: OpContext
    private let cache: KVCacheLayer
    /// `[T, KH * D]`.
    private let keys: [Float]
    /// Of each call that differs.
    private let slots: [[Int32]]

    init(_ shape: ModelShape, _ dtype: DType, _ tokenCount: Int, _ context: OpContext) throws {
        self.shape = shape
        self.dtype = dtype
        self.tokenCount = tokenCount
        self.context = context
        let (heads, size) = (shape.keyValueHeadCount, shape.headSize)
        let blockCount = (tokenCount + CachePlane.blockSize - 1) / CachePlane.blockSize * 4
        let plane = CachePlane(dtype, blockCount: blockCount, headCount: heads, headSize: size, seed: 53)
        cache = try KVCacheLayer(keys: plane, values: plane, on: context.backend)
        var random = SplitMix64(seed: 54)
        keys = random.floats(tokenCount * heads * size)
        let places = (0..<Int32(blockCount * CachePlane.blockSize)).shuffled(using: &random)
        slots = (0..<4).map { Array(places[$0 * tokenCount..<($0 + 1) * tokenCount]) }
    }

    func prepare() throws -> PreparedOp {
        let (backend, heads, size) = (context.backend, shape.keyValueHeadCount, shape.headSize)
        try context.reserve(tokens: tokenCount, features: heads * size, heads: shape.headCount, headSize: size)
        let key = try backend.makeTensor(keys, [tokenCount, heads * size])
        let value = try backend.makeTensor(keys.reversed(), [tokenCount, heads * size])
        let slotTensors = try slots.map { try backend.makeTensor($0, [tokenCount]) }
        let opCase = OpCase(
            op: "store", shape: shape.name, operand: "\(heads) heads of \(size)", format: dtype.rawValue,
            tokenCount: tokenCount,
            byteCount: shape.storedByteCount(tokenCount: tokenCount, dtype), flopCount: 0)
        func call(_ index: Int) throws {
            try backend.storeKeyValue(
                query: nil, key: key, value: value, slots: slotTensors[index % slots.count], into: cache, rope: nil)
        }
        return PreparedOp(
            opCase: opCase, call: call,
            error: {
                try call(0)
                return try storedError()
            }, tolerance: tolerance, rates: context.ceilings.rates(for: .float32))
    }

    /// What rounding to the cache's numbers may cost.
    private var tolerance: Double {
        switch dtype {
        case .float16: 1e-6
        case .bfloat16: 1e-4
        case .int8: 1e-4
        default: 1e-12
        }
    }

    /// Of the last token's keys.
    private func storedError() throws -> Double {
        let (heads, size) = (shape.keyValueHeadCount, shape.headSize)
        let (block, offset) = Int(slots[0][tokenCount - 1]).quotientAndRemainder(dividingBy: CachePlane.blockSize)
        let stored = try CachePlane(reading: cache.keys, cache.keyScales, block: block, on: context.backend)
        var error = SampledError()
        for head in 0..<heads {
            let start = ((tokenCount - 1) * heads + head) * size
            for (index, found) in stored.row(block: 0, offset: offset, head: head).enumerated() {
                error.add(found, expected: Double(keys[start + index]))
            }
        }
        return error.value
    }
}
