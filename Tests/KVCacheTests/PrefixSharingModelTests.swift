import KVCache
import TestSupport
import Testing

/// Random work on several sequences, against a naive model: `memory` stands for the device's cache, and every sequence
/// must find exactly its own tokens, each behind exactly its own prefix, in the slots that its table names.
private struct CacheModel {
    /// What a slot holds: the token and the whole history before it, as keys and values depend on both.
    struct Cell: Equatable {
        let token: Int32
        let history: Int
    }
    struct Sequence {
        var table: BlockTable
        var tokens: [Int32]
    }

    var pool: BlockPool
    var memory: [Cell?]
    var sequences: [Sequence] = []
    var generator: SplitMix64
    let size: Int
    var sharedTokenCount = 0
    var refusalCount = 0
    var copyCount = 0
    var partialCount = 0

    init(_ pool: BlockPool, seed: UInt64) {
        self.pool = pool
        size = pool.blockSizeInTokens
        memory = [Cell?](repeating: nil, count: pool.blockCount * size)
        generator = SplitMix64(seed: seed)
    }

    mutating func random(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }

    func cell(_ sequence: Sequence, _ position: Int) -> Cell {
        var hasher: UInt64 = UInt64(sequence.table.namespace.adapter) &+ 0x9E37
        for token in sequence.tokens[..<position] { hasher = (hasher ^ UInt64(token)) &* 0x100_0000_01B3 &+ 7 }
        return Cell(token: sequence.tokens[position], history: Int(truncatingIfNeeded: hasher))
    }

    /// Appends and computes the tokens a sequence has but its table does not; false where the pool is full.
    mutating func compute(_ index: Int, count: Int) throws -> Bool {
        let from = sequences[index].table.tokenCount
        let free = pool.freeBlockCount
        let needed = sequences[index].table.blocksNeeded(toAppend: count, in: pool)
        let growth: BlockTable.Growth
        do {
            growth = try sequences[index].table.append(count, in: &pool)
        } catch let error as KVCacheError {
            #expect(error == .outOfBlocks(needed: needed, free: free) && needed > free)
            #expect(pool.freeBlockCount == free && sequences[index].table.tokenCount == from)
            return false
        }
        #expect(free - pool.freeBlockCount == needed)
        for copy in growth.copies {
            copyCount += 1
            for offset in 0..<size {
                memory[Int(copy.to) * size + offset] = memory[Int(copy.from) * size + offset]
            }
        }
        for (offset, slot) in growth.slots.enumerated() {
            memory[Int(slot)] = cell(sequences[index], from + offset)
        }
        return true
    }

    mutating func step() throws {
        switch random(0..<10) {
        case 0...2:
            // Few distinct tokens, so that prefixes often meet.
            let tokens = (0..<random(1..<20)).map { _ in Int32(random(0..<2)) }
            let namespace = CacheNamespace(adapter: random(0..<2))
            var sequence = Sequence(
                table: BlockTable(matching: tokens, namespace: namespace, in: &pool), tokens: tokens)
            if random(0..<2) == 0, let copy = sequence.table.matchPartially(tokens, in: &pool) {
                partialCount += 1
                for offset in 0..<size {
                    memory[Int(copy.to) * size + offset] = memory[Int(copy.from) * size + offset]
                }
            }
            sharedTokenCount += sequence.table.tokenCount
            sequences.append(sequence)
            if try !compute(sequences.count - 1, count: tokens.count - sequence.table.tokenCount) {
                refusalCount += 1
                sequence.table.release(to: &pool)
                sequences.removeLast()
            }
        case 3...5:
            guard let index = sequences.indices.randomElement(using: &generator) else { return }
            let more = random(1..<6)
            sequences[index].tokens += (0..<more).map { _ in Int32(random(0..<2)) }
            if try !compute(index, count: more) {
                refusalCount += 1
                sequences[index].tokens.removeLast(more)
            }
        case 6:
            guard let index = sequences.indices.randomElement(using: &generator) else { return }
            sequences[index].table.publish(sequences[index].tokens, in: &pool)
        case 7:
            guard let index = sequences.indices.randomElement(using: &generator) else { return }
            sequences.append(
                Sequence(table: sequences[index].table.fork(in: &pool), tokens: sequences[index].tokens))
        case 8:
            guard let index = sequences.indices.randomElement(using: &generator) else { return }
            let kept = random(0..<sequences[index].tokens.count + 1)
            sequences[index].table.truncate(to: kept, in: &pool)
            sequences[index].tokens.removeLast(sequences[index].tokens.count - kept)
        default:
            guard let index = sequences.indices.randomElement(using: &generator) else { return }
            sequences[index].table.release(to: &pool)
            sequences.remove(at: index)
            if random(0..<50) == 0 { pool.dropCache() }
        }
    }

    func check() {
        var references = [Int](repeating: 0, count: pool.blockCount)
        for sequence in sequences {
            #expect(sequence.table.tokenCount == sequence.tokens.count)
            #expect(sequence.table.blocks.count == pool.blocks(forTokens: sequence.tokens.count))
            for block in sequence.table.blocks { references[Int(block)] += 1 }
            for position in sequence.tokens.indices {
                let slot = Int(sequence.table.blocks[position / size]) * size + position % size
                guard memory[slot] == cell(sequence, position) else {
                    Issue.record("slot \(slot) of token \(position) holds another's content")
                    return
                }
            }
        }
        for block in references.indices { #expect(pool.referenceCount(of: Int32(block)) == references[block]) }
        #expect(pool.usedBlockCount == references.count { $0 > 0 })
    }
}

@Suite struct PrefixSharingModelTests {
    @Test(arguments: [(7, 2, false), (12, 3, false), (40, 4, false), (12, 2, true), (5, 1, false)])
    func everySequenceFindsItsOwnTokens(blockCount: Int, size: Int, colliding: Bool) throws {
        let pool =
            colliding
            ? BlockPool(collidingBlockCount: blockCount, blockSizeInTokens: size)
            : BlockPool(blockCount: blockCount, blockSizeInTokens: size)
        var model = CacheModel(pool, seed: UInt64(blockCount * 10 + size))
        for _ in 0..<3000 {
            try model.step()
            model.check()
        }
        // The walk must have met what it is there to test.
        #expect(model.sharedTokenCount > 100 && model.refusalCount > 10)
        // In blocks of two tokens, parts of blocks are shared too seldom to count on it.
        #expect(size <= 2 || model.copyCount > 10 && model.partialCount > 10)
        while var last = model.sequences.popLast() { last.table.release(to: &model.pool) }
        #expect(model.pool.freeBlockCount == blockCount)
        model.pool.dropCache()
        #expect(try model.pool.allocate(blockCount).count == blockCount)
    }
}
