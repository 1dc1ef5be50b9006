/// Where the tokens of one sequence lie: block `i` holds the tokens from `i * L` on (`L` tokens a block).
///
/// A table holds references to its blocks in a pool; `release(to:)` gives them back. Copying the value does not count as
/// a second sequence: use `fork(in:)`.
public struct BlockTable: Sendable {
    /// What appending tokens asks of the device, in this order.
    public struct Growth: Sendable, Equatable {
        /// Blocks to copy before anything is written, because the sequence is about to write into a shared one.
        public var copies: [BlockCopy] = []
        /// The slot of each new token: `block * L + offset`.
        public var slots: [Int32] = []
    }

    /// A block's content to be copied into another.
    public struct BlockCopy: Sendable, Hashable {
        public let from: Int32
        public let to: Int32

        public init(from: Int32, to: Int32) {
            self.from = from
            self.to = to
        }
    }

    public private(set) var blocks: [Int32] = []
    public private(set) var tokenCount = 0
    public let namespace: CacheNamespace
    /// Leading blocks whose content the pool knows.
    private var publishedBlockCount = 0

    public init(namespace: CacheNamespace = CacheNamespace()) {
        self.namespace = namespace
    }

    /// A table that starts with as many whole blocks of `tokens` as the pool has cached, at most `tokens.count - 1`
    /// tokens, since at least one must be computed to have something to continue from.
    public init(
        matching tokens: [Int32], namespace: CacheNamespace = CacheNamespace(), in pool: inout BlockPool
    ) {
        self.namespace = namespace
        let size = pool.blockSizeInTokens
        var parent = BlockContent.Parent.root(namespace)
        while tokenCount + size < tokens.count {
            let block = pool.retainCached(Array(tokens[tokenCount..<tokenCount + size]), behind: parent)
            guard let block, let id = pool.contentID(of: block) else { break }
            blocks.append(block)
            tokenCount += size
            publishedBlockCount += 1
            parent = .block(id)
        }
    }

    /// Takes over the beginning of one more cached block, where `tokens` go on as that block does: the block is copied into
    /// one of this table's own, so that the cached one stays as it is. At most `tokens.count - 1` tokens are taken.
    ///
    /// - Returns: the copy to make before anything else is written; `nil` where no cached block goes on so, or no block is
    ///   free.
    public mutating func matchPartially(_ tokens: [Int32], in pool: inout BlockPool) -> BlockCopy? {
        let size = pool.blockSizeInTokens
        guard tokenCount % size == 0, tokenCount + 1 < tokens.count, publishedBlockCount == blocks.count else {
            return nil
        }
        var parent = BlockContent.Parent.root(namespace)
        if let last = blocks.last {
            guard let id = pool.contentID(of: last) else { return nil }
            parent = .block(id)
        }
        let rest = tokens[tokenCount..<min(tokenCount + size, tokens.count - 1)]
        guard let (source, count) = pool.retainLongestMatch(rest, behind: parent) else { return nil }
        defer { pool.release(source) }
        guard let own = try? pool.allocate(1) else { return nil }
        blocks += own
        tokenCount += count
        return BlockCopy(from: source, to: own[0])
    }

    /// Blocks that appending `count` tokens would take from the pool.
    public func blocksNeeded(toAppend count: Int, in pool: BlockPool) -> Int {
        let more = pool.blocks(forTokens: tokenCount + count) - blocks.count
        return max(more, 0) + (count > 0 && sharedTail(in: pool) != nil ? 1 : 0)
    }

    /// The last block, where it is partly filled and another sequence uses it too.
    private func sharedTail(in pool: BlockPool) -> Int32? {
        guard tokenCount % pool.blockSizeInTokens != 0, let last = blocks.last, pool.referenceCount(of: last) > 1 else {
            return nil
        }
        return last
    }

    /// Makes room for `count` more tokens.
    /// - Throws: `KVCacheError.outOfBlocks`, having changed nothing.
    public mutating func append(_ count: Int, in pool: inout BlockPool) throws -> Growth {
        precondition(count >= 0, "\(count) tokens")
        var growth = Growth()
        guard count > 0 else { return growth }
        let size = pool.blockSizeInTokens
        let shared = sharedTail(in: pool)
        var taken = try pool.allocate(blocksNeeded(toAppend: count, in: pool))
        if let shared, let copy = taken.popLast() {
            growth.copies.append(BlockCopy(from: shared, to: copy))
            pool.release(shared)
            blocks[blocks.count - 1] = copy
        } else if tokenCount % size != 0, let last = blocks.last {
            // Ours alone, but cut back into by `truncate`: its content is about to change.
            pool.forget(last)
        }
        publishedBlockCount = min(publishedBlockCount, tokenCount / size)
        blocks += taken
        growth.slots = (tokenCount..<tokenCount + count).map { position in
            blocks[position / size] * Int32(size) + Int32(position % size)
        }
        tokenCount += count
        return growth
    }

    /// Makes the full blocks known to the pool, so that other sequences find them. Call when their keys and values have
    /// been enqueued. Where the pool already knows an equal block, this table uses that one from now on.
    /// - Parameter tokens: the sequence's tokens from its start, at least `tokenCount` of them.
    public mutating func publish(_ tokens: [Int32], in pool: inout BlockPool) {
        precondition(tokens.count >= tokenCount, "\(tokens.count) tokens for \(tokenCount) places")
        let size = pool.blockSizeInTokens
        while (publishedBlockCount + 1) * size <= tokenCount {
            let index = publishedBlockCount
            var parent = BlockContent.Parent.root(namespace)
            if index > 0 {
                // A predecessor that is not known (the cache was dropped) leaves its successors unknown as well.
                guard let id = pool.contentID(of: blocks[index - 1]) else { return }
                parent = .block(id)
            }
            if pool.contentID(of: blocks[index]) == nil {
                let content = Array(tokens[index * size..<(index + 1) * size])
                let known = pool.publish(blocks[index], content, behind: parent)
                if known != blocks[index] { replace(index, with: known, content, parent, in: &pool) }
            }
            publishedBlockCount += 1
        }
    }

    private mutating func replace(
        _ index: Int, with known: Int32, _ content: [Int32], _ parent: BlockContent.Parent, in pool: inout BlockPool
    ) {
        guard let retained = pool.retainCached(content, behind: parent) else { return }
        precondition(retained == known, "two blocks known for one content")
        pool.release(blocks[index])
        blocks[index] = retained
    }

    /// A second sequence with the same tokens so far. The blocks are shared until one of the two writes into them.
    public func fork(in pool: inout BlockPool) -> BlockTable {
        for block in blocks { pool.retain(block) }
        return self
    }

    /// Drops the tokens from `count` on.
    public mutating func truncate(to count: Int, in pool: inout BlockPool) {
        precondition(count >= 0 && count <= tokenCount, "\(count) of \(tokenCount) tokens")
        let kept = pool.blocks(forTokens: count)
        // Last first, so that of a cached prefix the end is evicted before the beginning.
        while blocks.count > kept, let last = blocks.popLast() { pool.release(last) }
        tokenCount = count
        publishedBlockCount = min(publishedBlockCount, count / pool.blockSizeInTokens)
    }

    /// Gives all blocks back; the table is empty afterwards.
    public mutating func release(to pool: inout BlockPool) {
        truncate(to: 0, in: &pool)
    }
}
