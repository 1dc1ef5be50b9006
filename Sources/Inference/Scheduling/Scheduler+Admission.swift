internal import KVCache

extension Scheduler {
    /// Whether `a` goes before `b`.
    private func precedes(_ a: Sequence, _ b: Sequence) -> Bool {
        (a.traits.priority, a.arrival, a.id) < (b.traits.priority, b.arrival, b.id)
    }

    mutating func insertRunning(_ id: Int) {
        guard let sequence = sequences[id] else { return }
        var (low, high) = (0, running.count)
        while low < high {
            let middle = (low + high) / 2
            if let other = sequences[running[middle]], precedes(sequence, other) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        running.insert(id, at: low)
        sequences[id]?.phase = .running
    }

    mutating func removeRunning(_ id: Int) {
        if let index = running.firstIndex(of: id) { running.remove(at: index) }
    }

    /// The running sequence to preempt so that `id` can continue: one that waits for its reader, else the last one
    /// behind it. Sequences that the pass already holds are left out.
    func victim(after id: Int) -> Int? {
        let free = running.filter { sequences[$0]?.lastPass != passNumber && $0 != id }
        if let paused = free.last(where: { sequences[$0]?.isPaused ?? false }) { return paused }
        guard let last = free.last, let candidate = sequences[last], let sequence = sequences[id] else { return nil }
        return precedes(sequence, candidate) ? last : nil
    }

    /// Takes a sequence's blocks and its place. It is computed again later.
    mutating func preempt(_ id: Int) {
        guard let sequence = sequences[id], sequence.isRunning else { return }
        removeRunning(id)
        sequences[id]?.publish(in: &pool)
        sequences[id]?.releaseBlocks(to: &pool)
        sequences[id]?.computedCount = 0
        counters.preemptionCount += 1
        if sequence.isPaused {
            sequences[id]?.phase = .parked
        } else {
            sequences[id]?.phase = .waiting
            waiting.putBack(id, priority: sequence.traits.priority, arrival: sequence.arrival)
        }
    }

    /// Before a pass: preempts those that wait for their readers, and those with a higher priority value, where the next
    /// waiting sequence lacks a place or blocks.
    mutating func makeWay() {
        while let next = waiting.first, let sequence = sequences[next] {
            let needed = sequence.blockCount(in: pool)
            guard running.count >= limits.sequenceCount || needed > pool.freeBlockCount else { return }
            if let paused = running.last(where: { sequences[$0]?.isPaused ?? false }) {
                preempt(paused)
            } else if let last = running.last, let worst = sequences[last],
                worst.traits.priority > sequence.traits.priority
            {
                preempt(last)
            } else {
                return
            }
        }
    }

    /// Starts the waiting sequence whose turn it is, with what the prefix cache has of it. All its tokens must find
    /// blocks, so that it is not preempted half-way; if nothing else runs, room for its first chunk is enough.
    mutating func admit(_ id: Int, _ budget: inout Budget, _ pass: inout SchedulerPass) throws -> SchedulerEntry? {
        guard let sequence = sequences[id] else { return nil }
        if sequence.scoredCount == nil {
            sequences[id]?.table = BlockTable(
                matching: sequence.tokens, namespace: sequence.traits.namespace, in: &pool)
        }
        var copy: BlockTable.BlockCopy?
        if sequence.scoredCount == nil { copy = sequences[id]?.table.matchPartially(sequence.tokens, in: &pool) }
        let table = sequences[id]?.table ?? BlockTable()
        let needed = sequence.blockCount(in: pool) - table.blocks.count
        guard needed <= pool.freeBlockCount else {
            sequences[id]?.table.release(to: &pool)
            guard running.isEmpty else { return nil }
            throw KVCacheError.outOfBlocks(needed: needed, free: pool.freeBlockCount)
        }
        waiting.removeFirst()
        sequences[id]?.computedCount = table.tokenCount
        sequences[id]?.phase = .running
        insertRunning(id)
        let encoding = try encode(id)
        if let copy { pass.copies.append(copy) }
        if sequence.cachedCount == nil {
            sequences[id]?.cachedCount = table.tokenCount
            counters.promptTokenCount += sequence.promptCount + sequence.sourceTokens.count
            if sequence.scoredCount == nil { counters.queriedTokenCount += sequence.promptCount }
            counters.foundTokenCount += table.tokenCount
        }
        guard let admitted = sequences[id] else { return nil }
        var entry = try reserve(id, max(budget.count(for: admitted), 1), &pass)
        entry.encoding = encoding
        return entry
    }

    /// Takes blocks for the source of a sequence, which is encoded anew each time that the sequence gets a place: its keys
    /// and values depend on all of it, so that no other source shares them.
    private mutating func encode(_ id: Int) throws -> SourceEncoding? {
        guard let sequence = sequences[id], !sequence.sourceTokens.isEmpty else { return nil }
        let tokens = sequence.sourceTokens
        guard let growth = try sequences[id]?.source.append(tokens.count, in: &pool) else { return nil }
        waiting.charge(Double(tokens.count), to: sequence.traits.client)
        return SourceEncoding(tokens: tokens, slots: growth.slots, adapter: sequence.traits.namespace.adapter)
    }
}
