import KVCache
import Testing

@Suite struct BlockPoolTests {
    @Test func allocatesToTheLastBlockAndThenRefusesWithoutChange() throws {
        var pool = BlockPool(blockCount: 4, blockSizeInTokens: 2)
        let blocks = try pool.allocate(3)
        #expect(Set(blocks).count == 3 && blocks.allSatisfy { (0..<4).contains($0) })
        #expect(throws: KVCacheError.outOfBlocks(needed: 2, free: 1)) { try pool.allocate(2) }
        #expect(pool.freeBlockCount == 1 && pool.usedBlockCount == 3)
        #expect(try pool.allocate(1).count == 1)
        #expect(try pool.allocate(0).isEmpty)
        let message = KVCacheError.outOfBlocks(needed: 2, free: 1).description
        #expect(message.contains("2 blocks needed, 1 free"))
    }

    @Test func blockIsFreeOnlyWithTheLastReference() throws {
        var pool = BlockPool(blockCount: 1)
        let block = try pool.allocate(1)[0]
        pool.retain(block)
        pool.release(block)
        #expect(pool.freeBlockCount == 0 && pool.referenceCount(of: block) == 1)
        pool.release(block)
        #expect(pool.freeBlockCount == 1)
    }

    @Test func slotsFollowTheBlocks() throws {
        var pool = BlockPool(blockCount: 8, blockSizeInTokens: 4)
        var table = BlockTable()
        let first = try table.append(6, in: &pool)
        let (a, b) = (table.blocks[0], table.blocks[1])
        #expect(first.copies.isEmpty)
        #expect(first.slots == [a * 4, a * 4 + 1, a * 4 + 2, a * 4 + 3, b * 4, b * 4 + 1])
        #expect(try table.append(2, in: &pool).slots == [b * 4 + 2, b * 4 + 3])
        #expect(table.blocks.count == 2 && table.blocksNeeded(toAppend: 1, in: pool) == 1)
        table.release(to: &pool)
        #expect(table.tokenCount == 0 && table.blocks.isEmpty && pool.freeBlockCount == 8)
    }

    @Test func failedAppendChangesNothing() throws {
        var pool = BlockPool(blockCount: 2, blockSizeInTokens: 4)
        var table = BlockTable()
        _ = try table.append(5, in: &pool)
        let before = table.blocks
        #expect(throws: KVCacheError.outOfBlocks(needed: 1, free: 0)) { try table.append(4, in: &pool) }
        #expect(table.blocks == before && table.tokenCount == 5)
        var fork = table.fork(in: &pool)
        #expect(throws: KVCacheError.outOfBlocks(needed: 1, free: 0)) { try fork.append(1, in: &pool) }
        #expect(fork.blocks == before && pool.referenceCount(of: before[1]) == 2)
    }

    @Test func forkCopiesOnWriteOnlyThePartialBlock() throws {
        var pool = BlockPool(blockCount: 8, blockSizeInTokens: 4)
        var table = BlockTable()
        _ = try table.append(6, in: &pool)
        var fork = table.fork(in: &pool)
        let growth = try fork.append(1, in: &pool)
        #expect(growth.copies == [.init(from: table.blocks[1], to: fork.blocks[1])])
        #expect(growth.slots == [fork.blocks[1] * 4 + 2])
        #expect(fork.blocks[0] == table.blocks[0] && fork.blocks[1] != table.blocks[1])
        #expect(try table.append(1, in: &pool).copies.isEmpty)
        // At a block's end nothing is shared that would be written to.
        var full = BlockTable()
        _ = try full.append(4, in: &pool)
        var other = full.fork(in: &pool)
        #expect(try other.append(1, in: &pool).copies.isEmpty)
    }

    @Test func equalPrefixesShareBlocksAndAtLeastOneTokenIsLeft() throws {
        var pool = BlockPool(blockCount: 8, blockSizeInTokens: 4)
        let tokens: [Int32] = [1, 2, 3, 4, 5, 6, 7, 8]
        var table = BlockTable()
        _ = try table.append(8, in: &pool)
        table.publish(tokens, in: &pool)
        // The whole prompt is there, but its last block must be computed for the last token's sake.
        let same = BlockTable(matching: tokens, in: &pool)
        #expect(same.tokenCount == 4 && same.blocks == [table.blocks[0]])
        let longer = BlockTable(matching: tokens + [9], in: &pool)
        #expect(longer.tokenCount == 8 && longer.blocks == table.blocks)
        #expect(BlockTable(matching: [1, 2, 3, 9, 5], in: &pool).tokenCount == 0)
        #expect(BlockTable(matching: tokens, namespace: CacheNamespace(adapter: 1), in: &pool).tokenCount == 0)
        #expect(BlockTable(matching: [], in: &pool).tokenCount == 0)
        // Equal tokens in the second block, but behind another first one.
        #expect(BlockTable(matching: [9, 9, 9, 9, 5, 6, 7, 8, 1], in: &pool).tokenCount == 0)
        #expect(pool.referenceCount(of: table.blocks[0]) == 3)
    }

    @Test func theBeginningOfACachedBlockIsCopied() throws {
        var pool = BlockPool(blockCount: 4, blockSizeInTokens: 4)
        var table = BlockTable()
        _ = try table.append(8, in: &pool)
        table.publish([1, 2, 3, 4, 5, 6, 7, 8], in: &pool)
        let cached = table.blocks
        table.release(to: &pool)
        var other = BlockTable(matching: [1, 2, 3, 4, 5, 6, 9], in: &pool)
        let copy = try #require(other.matchPartially([1, 2, 3, 4, 5, 6, 9], in: &pool))
        #expect(copy == BlockTable.BlockCopy(from: cached[1], to: other.blocks[1]) && other.tokenCount == 6)
        // The cached block is as it was, for who goes on as it does; its last token is computed, to continue from.
        var same = BlockTable(matching: [1, 2, 3, 4, 5, 6, 7, 8], in: &pool)
        let second = try #require(same.matchPartially([1, 2, 3, 4, 5, 6, 7, 8], in: &pool))
        #expect(second.from == cached[1] && same.tokenCount == 7)
        var salted = BlockTable(matching: [1, 2, 9], namespace: CacheNamespace(salt: "s"), in: &pool)
        #expect(salted.matchPartially([1, 2, 9], in: &pool) == nil)
        for table in [other, same] {
            var table = table
            table.release(to: &pool)
        }
        #expect(pool.freeBlockCount == 4)
    }

    @Test func freedBlocksStayFindableUntilNeededOldestLast() throws {
        var pool = BlockPool(blockCount: 4, blockSizeInTokens: 2)
        var table = BlockTable()
        _ = try table.append(8, in: &pool)
        table.publish([1, 2, 3, 4, 5, 6, 7, 8], in: &pool)
        table.release(to: &pool)
        #expect(pool.freeBlockCount == 4 && pool.cachedFreeBlockCount == 4)
        // The tail of the prefix goes first.
        let taken = try pool.allocate(2)
        var again = BlockTable(matching: [1, 2, 3, 4, 5, 6, 7, 8, 9], in: &pool)
        #expect(again.tokenCount == 4)
        again.release(to: &pool)
        _ = try pool.allocate(2)
        #expect(BlockTable(matching: [1, 2, 3, 4, 5], in: &pool).tokenCount == 0)
        #expect(pool.freeBlockCount == 0 && taken.count == 2)
    }

    @Test func equalContentComputedTwiceEndsInOneBlock() throws {
        var pool = BlockPool(blockCount: 4, blockSizeInTokens: 2)
        var (one, two) = (BlockTable(), BlockTable())
        _ = try one.append(2, in: &pool)
        _ = try two.append(2, in: &pool)
        one.publish([1, 2], in: &pool)
        two.publish([1, 2], in: &pool)
        #expect(one.blocks == two.blocks && pool.usedBlockCount == 1)
    }

    @Test func evictedParentHidesItsChildrenEvenWhenComputedAgain() throws {
        var pool = BlockPool(blockCount: 3, blockSizeInTokens: 1)
        var table = BlockTable()
        _ = try table.append(2, in: &pool)
        table.publish([1, 2], in: &pool)
        table.release(to: &pool)
        pool.dropCache()
        #expect(pool.freeBlockCount == 3 && pool.cachedFreeBlockCount == 0)
        var other = BlockTable()
        _ = try other.append(1, in: &pool)
        other.publish([1], in: &pool)
        #expect(BlockTable(matching: [1, 2, 3], in: &pool).tokenCount == 1)
    }

    @Test func writingIntoAKnownBlockMakesItUnknown() throws {
        var pool = BlockPool(blockCount: 4, blockSizeInTokens: 4)
        var table = BlockTable()
        _ = try table.append(4, in: &pool)
        table.publish([1, 2, 3, 4], in: &pool)
        table.truncate(to: 2, in: &pool)
        #expect(try table.append(1, in: &pool).copies.isEmpty)
        #expect(BlockTable(matching: [1, 2, 3, 4, 5], in: &pool).tokenCount == 0)
        // Shared with a sequence that found it: copied instead.
        var first = BlockTable()
        _ = try first.append(4, in: &pool)
        first.publish([6, 7, 8, 9], in: &pool)
        let second = BlockTable(matching: [6, 7, 8, 9, 1], in: &pool)
        first.truncate(to: 3, in: &pool)
        #expect(try first.append(1, in: &pool).copies.count == 1)
        #expect(second.blocks != first.blocks)
        #expect(BlockTable(matching: [6, 7, 8, 9, 1], in: &pool).blocks == second.blocks)
    }
}
