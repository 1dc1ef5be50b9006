import CommandSupport
internal import ModelIO
internal import TensorCore

/// Storing keys and values in the cache, and reading rows of the embedding.
struct CacheCases {
    static func groups(_ shape: ModelShape, tokenCounts: [Int]) -> [OpGroup] {
        tokenCounts.map { count in OpGroup(op: "store") { [try store(shape, count, $0)] } }
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
        var random = RandomNumbers(seed: 52)
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

    private static func store(_ shape: ModelShape, _ tokenCount: Int, _ context: OpContext) throws -> PreparedOp {
        let backend = context.backend
        let (heads, size) = (shape.keyValueHeadCount, shape.headSize)
        let blockCount = (tokenCount + 15) / 16 * 4
        try context.reserve(tokens: tokenCount, features: heads * size, heads: shape.headCount, headSize: size)
        let cache = KVCacheLayer(
            keys: try backend.makeTensor(.float32, [blockCount, heads, 16, size]),
            values: try backend.makeTensor(.float32, [blockCount, heads, 16, size]))
        var random = RandomNumbers(seed: 53)
        let keys = random.floats(tokenCount * heads * size)
        let key = try backend.makeTensor(keys, [tokenCount, heads * size])
        let value = try backend.makeTensor(random.floats(keys.count), [tokenCount, heads * size])
        let places = (0..<Int32(blockCount * 16)).shuffled(using: &random)
        let lists = (0..<4).map { Array(places[$0 * tokenCount..<($0 + 1) * tokenCount]) }
        let slots = try lists.map { try backend.makeTensor($0, [tokenCount]) }
        let opCase = OpCase(
            op: "store", shape: shape.name, operand: "\(heads) heads of \(size)", format: "float32",
            tokenCount: tokenCount, byteCount: tokenCount * (4 * 4 * heads * size + 4), flopCount: 0)
        func call(_ index: Int) throws {
            try backend.storeKeyValue(
                query: nil, key: key, value: value, slots: slots[index % slots.count], into: cache, rope: nil)
        }
        return PreparedOp(
            opCase: opCase, call: call,
            error: {
                try call(0)
                let slot = Int(lists[0][tokenCount - 1])
                let block = try backend.readFloats(cache.keys.rows(slot / 16..<slot / 16 + 1))
                var error = SampledError()
                for element in 0..<heads * size {
                    let place = (element / size * 16 + slot % 16) * size + element % size
                    error.add(block[place], expected: Double(keys[(tokenCount - 1) * heads * size + element]))
                }
                return error.value
            }, tolerance: 1e-12, rates: context.ceilings.rates(for: .float32))
    }
}
