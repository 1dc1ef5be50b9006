package import KVCache

/// Decides which tokens of which sequences the next pass computes. A value that knows nothing of tensors or devices.
///
/// Running sequences that only need their next token come first, then prompts, in chunks, up to a token budget. When
/// blocks run out the sequence that arrived last gives its blocks back and is computed again later. (Continuous batching:
/// Yu et al., 2022; chunked prefill: Agrawal et al., 2023)
package struct Scheduler: Sendable {
    package struct Limits: Sendable, Hashable {
        /// Most tokens of one pass.
        package var tokenCount: Int
        /// Most sequences of one pass.
        package var sequenceCount: Int
        /// Most tokens of one sequence.
        package var contextLength: Int

        package init(tokenCount: Int, sequenceCount: Int, contextLength: Int) {
            self.tokenCount = tokenCount
            self.sequenceCount = sequenceCount
            self.contextLength = contextLength
        }
    }

    /// A sequence as the scheduler sees it.
    package struct Sequence: Sendable {
        package let id: Int
        /// Prompt and output so far.
        package var tokens: [Int32]
        /// Tokens whose keys and values lie in the cache, or will after the pass that is under way.
        package var computedCount = 0
        /// Prompt tokens found in the prefix cache at the first admission.
        package var cachedCount = 0
        package var table: BlockTable
    }

    /// One sequence's part of a pass.
    package struct Entry: Sendable {
        package let id: Int
        /// The token ids to compute and their positions in the sequence.
        package let tokens: [Int32]
        package let positions: Range<Int>
        package let slots: [Int32]
        package let blocks: [Int32]
        /// The pass reaches the sequence's last token, so the next one is to be sampled.
        package let needsToken: Bool
    }

    package let limits: Limits
    package private(set) var pool: BlockPool
    package private(set) var waiting: [Sequence] = []
    package private(set) var running: [Sequence] = []

    package init(limits: Limits, pool: BlockPool) {
        self.limits = limits
        self.pool = pool
    }

    package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

    /// Queues a sequence. The caller has checked that its tokens fit the context.
    package mutating func add(id: Int, tokens: [Int32]) {
        waiting.append(Sequence(id: id, tokens: tokens, table: BlockTable()))
    }

    /// Appends a sampled token.
    package mutating func append(_ token: Int32, to id: Int) {
        guard let index = running.firstIndex(where: { $0.id == id }) else { return }
        running[index].tokens.append(token)
    }

    /// Forgets a sequence and gives its blocks back.
    /// - Returns: the prompt tokens it found in the prefix cache.
    @discardableResult
    package mutating func remove(_ id: Int) -> Int {
        if let index = running.firstIndex(where: { $0.id == id }) {
            var sequence = running.remove(at: index)
            sequence.table.publish(sequence.tokens, in: &pool)
            sequence.table.release(to: &pool)
            return sequence.cachedCount
        }
        waiting.removeAll { $0.id == id }
        return 0
    }

    /// The next pass. Empty when nothing is queued.
    /// - Throws: `KVCacheError.outOfBlocks` when a sequence alone needs more blocks than there are.
    package mutating func schedule() throws -> [Entry] {
        var entries: [Entry] = []
        var budget = limits.tokenCount
        let waitingBefore = waiting.count
        // What the last pass stored is enqueued by now, so later sequences may share it.
        for index in running.indices { running[index].table.publish(running[index].tokens, in: &pool) }
        // Sequences that decode, then prompts that were begun: `running` is in order of arrival.
        for decodes in [true, false] {
            var index = 0
            while index < running.count, budget > 0 {
                let pending = running[index].tokens.count - running[index].computedCount
                if pending > 0, (pending == 1) == decodes, !entries.contains(where: { $0.id == running[index].id }),
                    let entry = try compute(at: &index, atMost: min(pending, budget), protecting: entries)
                {
                    budget -= entry.tokens.count
                    entries.append(entry)
                }
                index += 1
            }
        }
        // After a preemption the freed blocks belong to those that are ahead.
        guard waiting.count == waitingBefore else { return entries }
        while budget > 0, running.count < limits.sequenceCount, !waiting.isEmpty {
            guard let entry = try admit(atMost: budget) else { break }
            budget -= entry.tokens.count
            entries.append(entry)
        }
        return entries
    }

    /// Reserves room for the next tokens of a running sequence, preempting later ones where blocks run out.
    private mutating func compute(at index: inout Int, atMost count: Int, protecting entries: [Entry]) throws -> Entry?
    {
        while true {
            do {
                return try reserve(index, count)
            } catch let error as KVCacheError {
                guard case .outOfBlocks = error else { throw error }
                let victim = running.indices.last { candidate in
                    candidate > index && !entries.contains { $0.id == running[candidate].id }
                }
                if let victim {
                    preempt(victim)
                } else if running.count > 1 || !entries.isEmpty {
                    preempt(index)
                    index -= 1
                    return nil
                } else {
                    throw error
                }
            }
        }
    }

    private mutating func reserve(_ index: Int, _ count: Int) throws -> Entry {
        let start = running[index].computedCount
        let tokens = Array(running[index].tokens[start..<start + count])
        let growth = try running[index].table.append(count, in: &pool)
        precondition(growth.copies.isEmpty, "sequences that are never forked share no partly filled block")
        running[index].computedCount += count
        return Entry(
            id: running[index].id, tokens: tokens, positions: start..<start + count, slots: growth.slots,
            blocks: running[index].table.blocks, needsToken: start + count == running[index].tokens.count)
    }

    private mutating func preempt(_ index: Int) {
        var sequence = running.remove(at: index)
        sequence.table.release(to: &pool)
        sequence.computedCount = 0
        waiting.insert(sequence, at: 0)
    }

    /// Starts the first waiting sequence with what the prefix cache has of it, if its first chunk fits.
    private mutating func admit(atMost budget: Int) throws -> Entry? {
        var sequence = waiting[0]
        sequence.table = BlockTable(matching: sequence.tokens, in: &pool)
        let found = sequence.table.tokenCount
        sequence.computedCount = found
        sequence.cachedCount = max(sequence.cachedCount, found)
        running.append(sequence)
        do {
            let entry = try reserve(running.count - 1, min(sequence.tokens.count - found, budget))
            waiting.removeFirst()
            return entry
        } catch let error as KVCacheError {
            var withdrawn = running.removeLast()
            withdrawn.table.release(to: &pool)
            guard case .outOfBlocks = error, !running.isEmpty else { throw error }
            return nil
        }
    }
}
