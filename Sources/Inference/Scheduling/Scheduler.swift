package import KVCache

/// Decides which tokens of which sequences the next pass computes. A value that knows nothing of tensors or devices.
///
/// Running sequences that only need their next token come first, then prompts, in chunks, up to a token budget. When
/// blocks run out the sequence with the highest priority value that arrived last gives its blocks back and is computed
/// again later. (Continuous batching: Yu et al., 2022; chunked prefill: Agrawal et al., 2023)
///
/// It keeps all there is to know of a sequence, with `State` for what its owner wants to keep beside it.
package struct Scheduler<State: Sendable>: Sendable {
    package let limits: SchedulerLimits
    package internal(set) var pool: BlockPool
    var sequences: [Int: Sequence] = [:]
    /// Ids by priority, then arrival.
    package internal(set) var running: [Int] = []
    var waiting = WaitingQueue()
    package internal(set) var counters = SchedulerCounters()
    private var nextArrival = 0
    var passNumber = 0

    package init(limits: SchedulerLimits, pool: BlockPool) {
        self.limits = limits
        self.pool = pool
    }

    package var isIdle: Bool { sequences.isEmpty }
    package var waitingCount: Int { waiting.count }

    /// Whether a pass would compute anything. It would not where all sequences wait for their readers.
    package var hasWork: Bool {
        !waiting.isEmpty || running.contains { sequences[$0].map { !$0.isPaused && $0.pendingCount > 0 } ?? false }
    }

    /// Sequences that the next pass continues by a token.
    package var decodingCount: Int {
        running.count { sequences[$0].map { !$0.isPaused && $0.pendingCount == 1 } ?? false }
    }

    /// Sequences that `pause` excludes from passes.
    package var pausedCount: Int { sequences.values.count { $0.isPaused } }

    package var firstWaiting: Int? { waiting.first }

    package subscript(_ id: Int) -> Sequence? { sequences[id] }

    /// Changes the owner's state of a sequence in place.
    package mutating func withState<Result>(_ id: Int, _ body: (inout State) throws -> Result) rethrows -> Result? {
        try sequences[id]?.withState(body)
    }

    // MARK: Sequences

    /// Queues a sequence. The caller has checked that its tokens fit the context and that the id is new.
    package mutating func add(_ id: Int, _ tokens: [Int32], _ traits: SequenceTraits = SequenceTraits(), state: State) {
        sequences[id] = Sequence(
            id: id, tokens: tokens, traits: traits, arrival: nextArrival,
            scoredCount: traits.scoresPrompt ? 0 : nil, state: state)
        nextArrival += 1
        waiting.append(id, priority: traits.priority, client: traits.client)
    }

    /// Appends a sampled token.
    package mutating func append(_ token: Int32, to id: Int) { sequences[id]?.tokens.append(token) }

    /// Adds a sequence that continues all of `id`'s tokens with another one, sharing its blocks until one of the two writes
    /// into them.
    package mutating func fork(_ id: Int, as newID: Int, appending token: Int32, state: State) {
        guard let original = sequences[id] else { return }
        var copy = original
        copy.id = newID
        copy.state = state
        copy.tokens.append(token)
        copy.scoredCount = nil
        copy.lastPass = 0
        copy.isPaused = false
        if original.isRunning, running.count < limits.sequenceCount {
            copy.table = original.table.fork(in: &pool)
            copy.source = original.source.fork(in: &pool)
            sequences[newID] = copy
            insertRunning(newID)
        } else {
            // The sequence waits for a place. What it shares will be found in the cache when it gets one.
            copy.table = BlockTable(namespace: original.traits.namespace)
            copy.source = BlockTable()
            copy.computedCount = 0
            copy.phase = .waiting
            sequences[newID] = copy
            waiting.putBack(newID, priority: copy.traits.priority, arrival: copy.arrival)
        }
    }

    /// Removes a sequence and returns its blocks.
    /// - Parameter keepsContent: whether others may reuse what it has computed; false after a pass that failed.
    package mutating func remove(_ id: Int, keepsContent: Bool = true) {
        guard let sequence = sequences[id] else { return }
        switch sequence.phase {
        case .running:
            if keepsContent { sequences[id]?.publish(in: &pool) }
            sequences[id]?.releaseBlocks(to: &pool)
            removeRunning(id)
        case .waiting: waiting.remove(id, priority: sequence.traits.priority, client: sequence.traits.client)
        case .parked: break
        }
        sequences[id] = nil
    }

    /// Leaves a sequence out of passes until `resume`. It keeps its blocks as long as nobody else needs them.
    package mutating func pause(_ id: Int) { sequences[id]?.isPaused = true }

    package mutating func resume(_ id: Int) {
        guard let sequence = sequences[id], sequence.isPaused else { return }
        sequences[id]?.isPaused = false
        guard sequence.phase == .parked else { return }
        sequences[id]?.phase = .waiting
        waiting.putBack(id, priority: sequence.traits.priority, arrival: sequence.arrival)
    }

    // MARK: Passes

    /// The next pass. Empty when there is no work.
    /// - Parameter prefillTokenCount: most tokens of prompts.
    /// - Throws: `KVCacheError.outOfBlocks` when a sequence alone needs more blocks than there are.
    package mutating func schedule(prefillTokenCount: Int = .max) throws -> SchedulerPass {
        passNumber += 1
        // What the last pass stored is enqueued by now, so later sequences may share it.
        for id in running { sequences[id]?.publish(in: &pool) }
        makeWay()
        var pass = SchedulerPass()
        var budget = Budget(
            tokens: limits.tokenCount, prefill: prefillTokenCount, scoring: limits.scoringRowCount,
            source: limits.sourceTokenCount)
        let preemptions = counters.preemptionCount
        for decodes in [true, false] {
            for id in running {
                guard let sequence = sequences[id], sequence.isRunning, !sequence.isPaused else { continue }
                let pending = sequence.pendingCount
                guard pending > 0, (pending == 1) == decodes, sequence.lastPass != passNumber else { continue }
                let count = budget.count(for: sequence)
                guard count > 0, let entry = try compute(id, count, &pass) else { continue }
                budget.spend(entry)
                pass.entries.append(entry)
            }
        }
        // After a preemption, the freed blocks belong to the sequences ahead.
        guard counters.preemptionCount == preemptions else { return finish(pass) }
        while running.count < limits.sequenceCount, let id = waiting.first, let sequence = sequences[id] {
            guard budget.count(for: sequence) > 0, budget.takesSource(of: sequence),
                let entry = try admit(id, &budget, &pass)
            else { break }
            budget.spend(entry)
            pass.entries.append(entry)
        }
        return finish(pass)
    }

    private mutating func finish(_ pass: SchedulerPass) -> SchedulerPass {
        counters.copyCount += pass.copies.count
        return pass
    }

    /// Reserves room for the next tokens of a running sequence, preempting others where blocks run out.
    private mutating func compute(_ id: Int, _ count: Int, _ pass: inout SchedulerPass) throws -> SchedulerEntry? {
        while true {
            do {
                return try reserve(id, count, &pass)
            } catch let error as KVCacheError {
                guard case .outOfBlocks = error else { throw error }
                if let victim = victim(after: id) {
                    preempt(victim)
                } else if running.count > 1 || !pass.entries.isEmpty {
                    preempt(id)
                    return nil
                } else {
                    throw error
                }
            }
        }
    }

    func reserveEntry(_ sequence: Sequence, _ start: Int, _ count: Int, _ slots: [Int32]) -> SchedulerEntry {
        let end = start + count
        var logits = end == sequence.tokens.count ? end - 1..<end : end..<end
        // The logits at a position predict the next one, so that a prompt's last row is that of the first new token.
        if let scored = sequence.scoredCount { logits = min(max(start, scored), end)..<end }
        return SchedulerEntry(
            id: sequence.id, tokens: Array(sequence.tokens[start..<end]), positions: start..<end, slots: slots,
            blocks: sequence.table.blocks, logitPositions: logits, needsToken: end == sequence.tokens.count,
            sourceBlocks: sequence.source.blocks)
    }

    mutating func reserve(_ id: Int, _ count: Int, _ pass: inout SchedulerPass) throws -> SchedulerEntry {
        guard let start = sequences[id]?.computedCount,
            let growth = try sequences[id]?.table.append(count, in: &pool)
        else { preconditionFailure("sequence \(id) is not there") }
        pass.copies += growth.copies
        sequences[id]?.computedCount += count
        sequences[id]?.lastPass = passNumber
        guard let sequence = sequences[id] else { preconditionFailure("sequence \(id) is not there") }
        let entry = reserveEntry(sequence, start, count, growth.slots)
        if sequence.scoredCount != nil { sequences[id]?.scoredCount = max(start + count, sequence.scoredCount ?? 0) }
        if start + count >= sequence.promptCount { sequences[id]?.scoredCount = nil }
        // A decoded token costs about as much as two of a prompt.
        waiting.charge(count == 1 ? 2 : Double(count), to: sequence.traits.client)
        return entry
    }
}
