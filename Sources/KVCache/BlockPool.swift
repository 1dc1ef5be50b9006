/// Hands out the blocks of a paged cache, counts who uses them, and finds blocks whose content is already there.
/// (Kwon et al., 2023)
///
/// A block is free, or used by one or more block tables. A free block may still hold the keys and values of a known
/// prefix ("cached"): it can be found again until it is needed for something else. Blocks without content are given out
/// first, then cached ones, least recently used first.
///
/// A value type that knows nothing of tensors: it only keeps the books.
public struct BlockPool: Sendable {
    public let blockCount: Int
    public let blockSizeInTokens: Int

    private var referenceCounts: [Int32]
    private var emptyBlocks: [Int32]
    /// Free blocks that hold known content, least recently used first.
    private var evictable: EvictionQueue
    private var contents: [Int32: (content: BlockContent, id: ContentID)] = [:]
    private var blocksByContent: [BlockContent: Int32] = [:]
    /// Blocks with known content by what comes before them and their first token, latest last.
    private var continuations: [Continuation: [Int32]] = [:]
    private var nextContentNumber: UInt64 = 0
    private let hash: @Sendable (BlockContent.Parent, [Int32]) -> Int

    /// - Precondition: `blockCount` fits 31 bits and neither argument is below 1.
    public init(blockCount: Int, blockSizeInTokens: Int = 16) {
        self.init(
            blockCount: blockCount, blockSizeInTokens: blockSizeInTokens,
            hash: { BlockContent.standardHash(parent: $0, tokens: $1) })
    }

    /// A pool in which all content has the same hash, to test that nothing rests on hashes being different.
    package init(collidingBlockCount blockCount: Int, blockSizeInTokens: Int) {
        self.init(blockCount: blockCount, blockSizeInTokens: blockSizeInTokens, hash: { _, _ in 0 })
    }

    private init(
        blockCount: Int, blockSizeInTokens: Int, hash: @escaping @Sendable (BlockContent.Parent, [Int32]) -> Int
    ) {
        precondition(blockCount > 0 && blockCount < Int(Int32.max), "\(blockCount) blocks")
        precondition(blockSizeInTokens > 0, "\(blockSizeInTokens) tokens a block")
        self.blockCount = blockCount
        self.blockSizeInTokens = blockSizeInTokens
        self.hash = hash
        referenceCounts = [Int32](repeating: 0, count: blockCount)
        emptyBlocks = (0..<Int32(blockCount)).reversed()
        evictable = EvictionQueue(capacity: blockCount)
    }

    // MARK: Blocks

    /// Blocks that can be given out, cached ones included.
    public var freeBlockCount: Int { emptyBlocks.count + evictable.count }
    /// Free blocks that still hold known content.
    public var cachedFreeBlockCount: Int { evictable.count }
    public var usedBlockCount: Int { blockCount - freeBlockCount }

    /// Blocks that `tokenCount` tokens take.
    public func blocks(forTokens tokenCount: Int) -> Int {
        tokenCount / blockSizeInTokens + (tokenCount % blockSizeInTokens == 0 ? 0 : 1)
    }

    /// Takes `count` blocks, each with one reference.
    /// - Throws: `KVCacheError.outOfBlocks`, having changed nothing.
    public mutating func allocate(_ count: Int) throws -> [Int32] {
        precondition(count >= 0, "\(count) blocks")
        guard count <= freeBlockCount else {
            throw KVCacheError.outOfBlocks(needed: count, free: freeBlockCount)
        }
        var blocks: [Int32] = []
        blocks.reserveCapacity(count)
        while blocks.count < count, let block = emptyBlocks.popLast() ?? evictOldest() {
            referenceCounts[Int(block)] = 1
            blocks.append(block)
        }
        return blocks
    }

    /// Adds a reference to a block in use.
    public mutating func retain(_ block: Int32) {
        precondition(referenceCounts[Int(block)] > 0, "block \(block) is not in use")
        referenceCounts[Int(block)] += 1
    }

    /// Drops a reference. With the last one the block is free; content that is known stays findable.
    public mutating func release(_ block: Int32) {
        precondition(referenceCounts[Int(block)] > 0, "block \(block) is not in use")
        referenceCounts[Int(block)] -= 1
        guard referenceCounts[Int(block)] == 0 else { return }
        if contents[block] == nil { emptyBlocks.append(block) } else { evictable.append(block) }
    }

    public func referenceCount(of block: Int32) -> Int { Int(referenceCounts[Int(block)]) }

    private mutating func evictOldest() -> Int32? {
        guard let block = evictable.popFirst() else { return nil }
        forget(block)
        return block
    }

    // MARK: Content

    /// The content of a block, where it is known.
    public func contentID(of block: Int32) -> ContentID? { contents[block]?.id }

    /// Finds a block that holds `tokens` behind `parent` and takes a reference to it.
    mutating func retainCached(_ tokens: [Int32], behind parent: BlockContent.Parent) -> Int32? {
        guard let block = blocksByContent[content(tokens, parent)] else { return nil }
        if referenceCounts[Int(block)] == 0 { evictable.remove(block) }
        referenceCounts[Int(block)] += 1
        return block
    }

    private struct Continuation: Hashable {
        let parent: BlockContent.Parent
        let firstToken: Int32
    }

    /// Of so many blocks at most, the latest, is the one looked for that begins with most of the tokens.
    private static let comparedContinuationCount = 64

    /// Finds the block behind `parent` that begins with most of `tokens`, at least one, and takes a reference to it.
    mutating func retainLongestMatch(
        _ tokens: ArraySlice<Int32>, behind parent: BlockContent.Parent
    ) -> (block: Int32, count: Int)? {
        guard let first = tokens.first,
            let candidates = continuations[Continuation(parent: parent, firstToken: first)]
        else { return nil }
        var best: (block: Int32, count: Int)?
        for block in candidates.suffix(BlockPool.comparedContinuationCount) {
            guard let held = contents[block]?.content.tokens else { continue }
            let count = zip(held, tokens).prefix { $0 == $1 }.count
            if count > best?.count ?? 0 { best = (block, count) }
        }
        guard let best else { return nil }
        if referenceCounts[Int(best.block)] == 0 { evictable.remove(best.block) }
        referenceCounts[Int(best.block)] += 1
        return best
    }

    /// Makes known what a block in use holds. Where another block holds the same already, that one stays the known one.
    /// - Returns: the block that is known for the content.
    mutating func publish(_ block: Int32, _ tokens: [Int32], behind parent: BlockContent.Parent) -> Int32 {
        precondition(referenceCounts[Int(block)] > 0, "block \(block) is not in use")
        precondition(tokens.count == blockSizeInTokens, "only full blocks are published")
        precondition(contents[block] == nil, "block \(block) is published twice")
        let content = content(tokens, parent)
        if let known = blocksByContent[content] { return known }
        blocksByContent[content] = block
        contents[block] = (content, ContentID(number: nextContentNumber))
        continuations[Continuation(parent: parent, firstToken: tokens[0]), default: []].append(block)
        nextContentNumber += 1
        return block
    }

    /// Forgets what a block holds, because it will be written to or given away.
    mutating func forget(_ block: Int32) {
        guard let (content, _) = contents.removeValue(forKey: block) else { return }
        blocksByContent.removeValue(forKey: content)
        let key = Continuation(parent: content.parent, firstToken: content.tokens[0])
        continuations[key]?.removeAll { $0 == block }
        if continuations[key]?.isEmpty ?? false { continuations[key] = nil }
    }

    /// Forgets all content; blocks in use stay in use.
    public mutating func dropCache() {
        while let block = evictOldest() { emptyBlocks.append(block) }
        contents.removeAll()
        blocksByContent.removeAll()
        continuations.removeAll()
    }

    private func content(_ tokens: [Int32], _ parent: BlockContent.Parent) -> BlockContent {
        BlockContent(parent: parent, tokens: tokens, hash: hash(parent, tokens))
    }
}
