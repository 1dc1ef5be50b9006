public import KVCache
public import TensorCore

/// The decoder of an encoder-decoder as the engine's passes run it: target texts of several requests at once, over the
/// paged cache. A sequence's source is encoded when it gets a place; its keys and values of every decoder layer lie in
/// blocks of the same cache, which belong to the sequence as those of its target tokens do.
public final class SourceDecoder: DecoderModel {
    public let description: DecoderDescription
    private let model: any EncoderDecoderModel

    init(_ model: any EncoderDecoderModel) {
        self.model = model
        description = model.description.target
    }

    /// Encodes sources and stores their keys and values in the slots, `[T]` int32. Does not block.
    /// - Throws: `BackendError`.
    public func encode(_ source: EncoderBatch, slots: Tensor, into cache: KVCacheStorage) throws {
        try model.encode(source, slots: slots, into: cache)
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        guard let states = try model.targetStates(batch, cache: cache) else { return }
        try model.predict(states, into: logits)
    }

    public func hiddenStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor? {
        try model.targetStates(batch, cache: cache)
    }
}

/// The blocks of the cache that a sequence's encoded source lies in.
public struct SourceBlocks: Sendable {
    public var blocks: [Int32]
    public var tokenCount: Int

    public init(blocks: [Int32], tokenCount: Int) {
        self.blocks = blocks
        self.tokenCount = tokenCount
    }
}

/// Tokens so far of some of a batch's sequences, for attention with a bias by distance, which the paged form does not
/// compute: their keys and values are gathered from the cache into plain rows.
public struct TargetHistory: Sendable {
    /// The batch's rows.
    let rows: Range<Int>
    /// `[N · KH]` int32: for each token its heads, as rows of the cache seen as `[B · KH · L, D]`.
    let cacheRows: Tensor
    let attention: EncoderAttentionBatch
}

/// Memory for the keys and values of a `TargetHistory`.
struct TargetHistoryWorkspace: Sendable {
    /// `[N, A]` each.
    let keys: Tensor
    let values: Tensor
    let headSize: Int

    /// - Returns: `nil` where `tokenCount` is 0.
    init?(_ sizes: EncoderDecoderDescription, tokenCount: Int, on backend: any Backend) throws {
        guard tokenCount > 0 else { return nil }
        var plan = WorkspacePlan()
        let keys = plan.float32([tokenCount, sizes.attentionSize])
        let values = plan.float32([tokenCount, sizes.attentionSize])
        let memory = try plan.allocate(on: backend)
        self.keys = memory[keys]
        self.values = memory[values]
        headSize = sizes.headSize
    }

    /// Copies the keys and values of a history out of the cache.
    func gather(
        _ history: TargetHistory, from cache: KVCacheLayer, on backend: any Backend
    ) throws -> (keys: Tensor, values: Tensor) {
        let rowCount = history.cacheRows.shape.elementCount
        let width = keys.columns
        func copy(_ elements: Tensor, _ output: Tensor) throws -> Tensor {
            let all = elements.shape.elementCount / headSize
            try backend.gatherRows(
                TargetHistoryWorkspace.view(elements, [all, headSize]), rows: history.cacheRows,
                into: TargetHistoryWorkspace.view(output, [rowCount, headSize]))
            return TargetHistoryWorkspace.view(output, [rowCount * headSize / width, width])
        }
        return (try copy(cache.keys, keys), try copy(cache.values, values))
    }

    private static func view(_ tensor: Tensor, _ shape: Shape) -> Tensor {
        Tensor(buffer: tensor.buffer, byteOffset: tensor.byteOffset, dtype: .float32, shape: shape)
    }
}

extension HostBatch {
    /// Groups of sequences whose contexts take at most `tokenCount` tokens together, or one that takes more.
    func historyGroups(tokenCount: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = 0
        var count = 0
        for (index, length) in contextLengths.enumerated() {
            if index > start, count + length > tokenCount {
                groups.append(start..<index)
                (start, count) = (index, 0)
            }
            count += length
        }
        if start < contextLengths.count { groups.append(start..<contextLengths.count) }
        return groups
    }

    /// The rows of the cache, seen as `[B · KH · L, D]`, that the context of a sequence takes, token by token.
    func historyRows(of sequence: Int, headCount: Int, blockSizeInTokens size: Int) -> [Int32] {
        let blocks = blockTables[sequence]
        var rows: [Int32] = []
        rows.reserveCapacity(contextLengths[sequence] * headCount)
        for position in 0..<contextLengths[sequence] {
            let first = Int(blocks[position / size]) * headCount * size + position % size
            for head in 0..<headCount { rows.append(Int32(first + head * size)) }
        }
        return rows
    }
}
