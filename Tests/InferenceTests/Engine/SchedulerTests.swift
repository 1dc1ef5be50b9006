import Inference
import KVCache
import TestSupport
import Testing

@Suite("Scheduler")
struct SchedulerTests {
    private func scheduler(tokens: Int, sequences: Int, blocks: Int, context: Int = 1000) -> Scheduler {
        Scheduler(
            limits: Scheduler.Limits(tokenCount: tokens, sequenceCount: sequences, contextLength: context),
            pool: BlockPool(blockCount: blocks, blockSizeInTokens: 4))
    }

    private func prompt(_ count: Int, _ start: Int32) -> [Int32] { (0..<Int32(count)).map { start + $0 } }

    @Test("prompts are computed in chunks of the budget, decodes go first")
    func chunks() throws {
        var scheduler = scheduler(tokens: 8, sequences: 4, blocks: 100)
        scheduler.add(id: 0, tokens: prompt(3, 0))
        #expect(try scheduler.schedule().map(\.tokens.count) == [3])
        scheduler.append(50, to: 0)
        scheduler.add(id: 1, tokens: prompt(20, 100))
        let pass = try scheduler.schedule()
        #expect(pass.map(\.id) == [0, 1])
        #expect(pass.map(\.tokens.count) == [1, 7])
        #expect(pass.map(\.needsToken) == [true, false])
        scheduler.append(51, to: 0)
        let next = try scheduler.schedule()
        #expect(next.map(\.positions) == [4..<5, 7..<14])
    }

    @Test("a sequence too large for the whole cache is an error that changes nothing else")
    func tooLarge() throws {
        var scheduler = scheduler(tokens: 100, sequences: 4, blocks: 2)
        scheduler.add(id: 0, tokens: prompt(20, 0))
        #expect(throws: KVCacheError.self) { try scheduler.schedule() }
        scheduler.remove(0)
        #expect(scheduler.isIdle)
        #expect(scheduler.pool.freeBlockCount == 2)
    }

    @Test("equal prompts share the blocks of the first one")
    func prefixSharing() throws {
        var scheduler = scheduler(tokens: 100, sequences: 4, blocks: 100)
        scheduler.add(id: 0, tokens: prompt(12, 0))
        let first = try scheduler.schedule()
        scheduler.append(99, to: 0)
        scheduler.add(id: 1, tokens: prompt(12, 0))
        let second = try scheduler.schedule()
        let shared = try #require(second.first { $0.id == 1 })
        #expect(shared.positions == 8..<12, "two whole blocks are found, the last is computed for its logits")
        #expect(Array(shared.blocks.prefix(2)) == Array(first[0].blocks.prefix(2)))
    }

    /// Many sequences through few blocks: every pass stays within its limits, no slot is used twice, and every sequence
    /// gets each of its tokens computed in order, however often it is preempted.
    @Test("random load keeps every promise", arguments: 0..<20)
    func randomLoad(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var scheduler = scheduler(tokens: 16, sequences: 5, blocks: 24)
        var lengths: [Int: (prompt: Int, total: Int)] = [:]
        var tokens: [Int: [Int32]] = [:]
        var written: [Int32: (id: Int, position: Int)] = [:]
        var finished = 0
        for id in 0..<30 {
            let count = Int(random.next() % 40) + 1
            lengths[id] = (count, count + Int(random.next() % 20) + 1)
            tokens[id] = prompt(count, Int32(random.next() % 3) * 1000)
            scheduler.add(id: id, tokens: tokens[id] ?? [])
        }
        var passes = 0
        while !scheduler.isIdle {
            passes += 1
            try #require(passes < 20_000, "no progress")
            let entries = try scheduler.schedule()
            try #require(!entries.isEmpty)
            #expect(entries.reduce(0) { $0 + $1.tokens.count } <= 16)
            #expect(entries.count <= 5)
            #expect(Set(entries.map(\.id)).count == entries.count)
            let slots = entries.flatMap(\.slots)
            #expect(Set(slots).count == slots.count)
            for entry in entries {
                let all = tokens[entry.id] ?? []
                #expect(Array(all[entry.positions]) == entry.tokens)
                for (slot, position) in zip(entry.slots, entry.positions) {
                    #expect(entry.blocks[position / 4] * 4 + Int32(position % 4) == slot)
                    written[slot] = (entry.id, position)
                }
                // Every position of the context holds this sequence's token, or an equal one of a shared prefix.
                for position in 0..<entry.positions.upperBound {
                    let owner = try #require(written[entry.blocks[position / 4] * 4 + Int32(position % 4)])
                    #expect(owner.position == position)
                    #expect(tokens[owner.id]?.prefix(position + 1) == tokens[entry.id]?.prefix(position + 1))
                }
                guard entry.needsToken else { continue }
                if all.count == lengths[entry.id]?.total {
                    scheduler.remove(entry.id)
                    finished += 1
                } else {
                    let token = Int32(5000 + entry.id * 100 + all.count)
                    tokens[entry.id]?.append(token)
                    scheduler.append(token, to: entry.id)
                }
            }
        }
        #expect(finished == 30)
        #expect(scheduler.pool.freeBlockCount == 24)
    }
}
