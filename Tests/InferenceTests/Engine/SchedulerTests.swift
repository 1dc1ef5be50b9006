import Inference
import KVCache
import TestSupport
import Testing

@Suite("Scheduler")
struct SchedulerTests {
    private func scheduler(tokens: Int, sequences: Int, blocks: Int) -> Scheduler<Int> {
        Scheduler(
            limits: SchedulerLimits(tokenCount: tokens, sequenceCount: sequences),
            pool: BlockPool(blockCount: blocks, blockSizeInTokens: 4))
    }

    private func prompt(_ count: Int, _ start: Int32) -> [Int32] { (0..<Int32(count)).map { start + $0 } }

    @Test("prompts are computed in chunks of the budget, decodes go first")
    func chunks() throws {
        var scheduler = scheduler(tokens: 8, sequences: 4, blocks: 100)
        scheduler.add(0, prompt(3, 0), state: 0)
        #expect(try scheduler.schedule().entries.map(\.tokens.count) == [3])
        scheduler.append(50, to: 0)
        scheduler.add(1, prompt(20, 100), state: 1)
        let pass = try scheduler.schedule().entries
        #expect(pass.map(\.id) == [0, 1])
        #expect(pass.map(\.tokens.count) == [1, 7])
        #expect(pass.map(\.needsToken) == [true, false])
        scheduler.append(51, to: 0)
        let next = try scheduler.schedule().entries
        #expect(next.map(\.positions) == [4..<5, 7..<14])
    }

    @Test("a sequence too large for the whole cache is an error that changes nothing else")
    func tooLarge() throws {
        var scheduler = scheduler(tokens: 100, sequences: 4, blocks: 2)
        scheduler.add(0, prompt(20, 0), state: 0)
        #expect(throws: KVCacheError.self) { try scheduler.schedule() }
        scheduler.remove(0)
        #expect(scheduler.isIdle)
        #expect(scheduler.pool.freeBlockCount == 2)
    }

    @Test("equal prompts share the blocks of the first one")
    func prefixSharing() throws {
        var scheduler = scheduler(tokens: 100, sequences: 4, blocks: 100)
        scheduler.add(0, prompt(12, 0), state: 0)
        let first = try scheduler.schedule().entries
        scheduler.append(99, to: 0)
        scheduler.add(1, prompt(12, 0), state: 1)
        let second = try scheduler.schedule().entries
        let shared = try #require(second.first { $0.id == 1 })
        #expect(shared.positions == 11..<12, "all blocks are found; the last token is computed for its logits")
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
        var copyCount = 0
        var finished = 0
        for id in 0..<30 {
            let count = Int(random.next() % 40) + 1
            lengths[id] = (count, count + Int(random.next() % 20) + 1)
            tokens[id] = prompt(count, Int32(random.next() % 3) * 1000)
            scheduler.add(id, tokens[id] ?? [], state: id)
        }
        var passes = 0
        while !scheduler.isIdle {
            passes += 1
            for id in lengths.keys.sorted() where random.next() % 4 == 0 || !scheduler.hasWork { scheduler.resume(id) }
            try #require(passes < 20_000, "no progress")
            try #require(scheduler.hasWork)
            let pass = try scheduler.schedule()
            let entries = pass.entries
            try #require(!entries.isEmpty)
            copyCount += pass.copies.count
            for copy in pass.copies {
                for offset in 0..<Int32(4) { written[copy.to * 4 + offset] = written[copy.from * 4 + offset] }
            }
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
                    let theirs = tokens[owner.id]?.prefix(position + 1)
                    #expect(theirs == tokens[entry.id]?.prefix(position + 1))
                }
                guard entry.needsToken else { continue }
                if all.count == lengths[entry.id]?.total {
                    scheduler.remove(entry.id)
                    finished += 1
                } else {
                    let token = Int32(5000 + entry.id * 100 + all.count)
                    // Now and then a second sequence goes on from here, and a reader is slow.
                    if random.next() % 8 == 0, lengths.count < 60 {
                        let id = lengths.count
                        lengths[id] = lengths[entry.id]
                        let other = token + 50_000
                        tokens[id] = all + [other]
                        scheduler.fork(entry.id, as: id, appending: other, state: id)
                    }
                    tokens[entry.id]?.append(token)
                    scheduler.append(token, to: entry.id)
                    if random.next() % 8 == 0 { scheduler.pause(entry.id) }
                }
            }
        }
        #expect(finished == lengths.count && finished > 30)
        #expect(copyCount > 0)
        #expect(scheduler.pool.freeBlockCount == 24)
    }

    @Test("lower priority values go first and take the place of higher ones")
    func priorities() throws {
        var scheduler = scheduler(tokens: 100, sequences: 2, blocks: 100)
        for id in 0..<3 { scheduler.add(id, prompt(4, Int32(id) * 100), SequenceTraits(priority: 5), state: id) }
        #expect(try scheduler.schedule().entries.map(\.id) == [0, 1])
        scheduler.append(7, to: 0)
        scheduler.append(7, to: 1)
        scheduler.add(3, prompt(4, 300), SequenceTraits(priority: -1), state: 3)
        #expect(try scheduler.schedule().entries.map(\.id) == [0, 3])
        #expect(scheduler.counters.preemptionCount == 1)
        scheduler.remove(0)
        scheduler.remove(3)
        // The preempted one comes back before the one that never had a place.
        #expect(try scheduler.schedule().entries.map(\.id) == [1, 2])
    }

    @Test("clients get equal shares, however much each asks for")
    func fairness() throws {
        var scheduler = scheduler(tokens: 100, sequences: 1, blocks: 100)
        for id in 0..<20 { scheduler.add(id, prompt(8, Int32(id) * 100), SequenceTraits(client: "many"), state: id) }
        for id in 20..<23 { scheduler.add(id, prompt(8, Int32(id) * 100), SequenceTraits(client: "few"), state: id) }
        var order: [Int] = []
        while let id = try scheduler.schedule().entries.first?.id {
            order.append(id)
            scheduler.remove(id)
        }
        #expect(order.count == 23)
        #expect(order.prefix(6).filter { $0 >= 20 }.count == 3, "of two that wait each has every second place")
        #expect(order.filter { $0 < 20 } == Array(0..<20), "a client's own requests keep their order")
        // Who was away has saved nothing up.
        for id in 30..<34 { scheduler.add(id, prompt(8, Int32(id) * 100), SequenceTraits(client: "many"), state: id) }
        for id in 34..<38 { scheduler.add(id, prompt(8, Int32(id) * 100), SequenceTraits(client: "few"), state: id) }
        order = []
        while let id = try scheduler.schedule().entries.first?.id {
            order.append(id)
            scheduler.remove(id)
        }
        #expect(order.prefix(4).contains { $0 < 34 } && order.prefix(4).contains { $0 >= 34 })
    }

    @Test("a paused sequence is left out, and gives way where its place or its blocks are needed")
    func pausing() throws {
        var scheduler = scheduler(tokens: 100, sequences: 1, blocks: 3)
        scheduler.add(0, prompt(4, 0), state: 0)
        _ = try scheduler.schedule()
        scheduler.append(9, to: 0)
        scheduler.pause(0)
        #expect(!scheduler.hasWork && scheduler.pausedCount == 1)
        scheduler.add(1, prompt(8, 100), state: 1)
        #expect(try scheduler.schedule().entries.map(\.id) == [1])
        scheduler.resume(0)
        scheduler.remove(1)
        let again = try scheduler.schedule().entries
        #expect(again.map(\.id) == [0] && again.map(\.positions.upperBound) == [5])
        scheduler.remove(0)
        #expect(scheduler.isIdle && scheduler.pool.usedBlockCount == 0)
    }

    @Test("samples share their prompt's blocks and copy the last one when they write")
    func samples() throws {
        var scheduler = scheduler(tokens: 100, sequences: 3, blocks: 100)
        scheduler.add(0, prompt(10, 0), state: 0)
        let first = try scheduler.schedule().entries
        scheduler.fork(0, as: 1, appending: 51, state: 1)
        scheduler.fork(0, as: 2, appending: 52, state: 2)
        scheduler.fork(0, as: 3, appending: 53, state: 3)
        scheduler.append(50, to: 0)
        #expect(scheduler.pool.usedBlockCount == 3 && scheduler.waitingCount == 1)
        let pass = try scheduler.schedule()
        #expect(pass.entries.map(\.id) == [0, 1, 2] && pass.copies.count == 2)
        #expect(pass.entries.allSatisfy { Array($0.blocks.prefix(2)) == Array(first[0].blocks.prefix(2)) })
        #expect(Set(pass.entries.map { $0.blocks[2] }).count == 3)
        // One without a place finds the prompt in the cache when it gets one, part of the last block included.
        for id in 0..<3 { scheduler.remove(id) }
        let late = try scheduler.schedule().entries
        #expect(late.map(\.id) == [3] && late[0].tokens.last == 53 && late[0].positions.lowerBound >= 8)
        scheduler.remove(3)
        #expect(scheduler.pool.usedBlockCount == 0)
    }

    @Test("a prompt that is scored gives all its logits out once, a bounded number a pass")
    func scoring() throws {
        var scheduler = Scheduler<Int>(
            limits: SchedulerLimits(tokenCount: 100, sequenceCount: 2, scoringRowCount: 4),
            pool: BlockPool(blockCount: 100, blockSizeInTokens: 4))
        // Its prefix is cached, but has no logits.
        scheduler.add(0, prompt(10, 0), state: 0)
        _ = try scheduler.schedule()
        scheduler.remove(0)
        scheduler.add(1, prompt(10, 0), SequenceTraits(scoresPrompt: true), state: 1)
        var positions: [Int] = []
        for expected in [4, 4, 2] {
            let entry = try #require(try scheduler.schedule().entries.first)
            #expect(entry.tokens.count == expected)
            positions += entry.logitPositions
        }
        #expect(positions == Array(0..<10))
        scheduler.append(5, to: 1)
        #expect(try scheduler.schedule().entries.map(\.logitPositions) == [10..<11])
    }

    @Test("prompts take no more of a pass than they may, decoding goes on")
    func prefillBudget() throws {
        var scheduler = scheduler(tokens: 100, sequences: 4, blocks: 100)
        scheduler.add(0, prompt(3, 0), state: 0)
        _ = try scheduler.schedule()
        scheduler.append(50, to: 0)
        scheduler.add(1, prompt(40, 100), state: 1)
        scheduler.add(2, prompt(40, 200), state: 2)
        #expect(try scheduler.schedule(prefillTokenCount: 10).entries.map(\.tokens.count) == [1, 10])
        scheduler.append(51, to: 0)
        #expect(try scheduler.schedule(prefillTokenCount: 35).entries.map(\.tokens.count) == [1, 30, 5])
    }

    @Test("4,096 sequences are scheduled in linear time")
    func manySequences() throws {
        var scheduler = scheduler(tokens: 8192, sequences: 4096, blocks: 5000)
        for id in 0..<4096 {
            scheduler.add(id, prompt(2, Int32(id) * 2), SequenceTraits(client: "\(id % 50)"), state: id)
        }
        let clock = ContinuousClock()
        let time = try clock.measure {
            for _ in 0..<3 {
                let entries = try scheduler.schedule().entries
                #expect(entries.count == 4096)
                for entry in entries { scheduler.append(1, to: entry.id) }
            }
            for id in 0..<4096 { scheduler.remove(id) }
        }
        // Pairwise comparison of 4,096 sequences took minutes.
        #expect(time < .seconds(5))
    }
}
