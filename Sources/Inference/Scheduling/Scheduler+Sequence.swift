package import KVCache

/// The limits of one pass.
package struct SchedulerLimits: Sendable, Hashable {
    /// The most tokens of one pass.
    package var tokenCount: Int
    /// The most sequences of one pass.
    package var sequenceCount: Int
    /// The most tokens of a pass that belong to prompts whose log-probabilities are wanted.
    package var scoringRowCount: Int
    /// The most tokens of the sources that are encoded in one pass, and of one source.
    package var sourceTokenCount: Int

    package init(tokenCount: Int, sequenceCount: Int, scoringRowCount: Int = 1, sourceTokenCount: Int = 0) {
        self.tokenCount = tokenCount
        self.sequenceCount = sequenceCount
        self.scoringRowCount = scoringRowCount
        self.sourceTokenCount = sourceTokenCount
    }
}

/// What scheduling depends on besides a sequence's tokens.
package struct SequenceTraits: Sendable, Hashable {
    /// Lower values go first.
    package var priority = 0
    package var client: String?
    package var namespace = CacheNamespace()
    /// Whether the logits of all its prompt tokens are wanted, in which case none may come from the cache.
    package var scoresPrompt = false

    package init(
        priority: Int = 0, client: String? = nil, namespace: CacheNamespace = CacheNamespace(),
        scoresPrompt: Bool = false
    ) {
        self.priority = priority
        self.client = client
        self.namespace = namespace
        self.scoresPrompt = scoresPrompt
    }
}

/// Counts of the work so far.
package struct SchedulerCounters: Sendable, Hashable {
    package var preemptionCount = 0
    package var copyCount = 0
    /// Prompt tokens of admitted sequences, those looked up in the prefix cache, and those found there.
    package var promptTokenCount = 0
    package var queriedTokenCount = 0
    package var foundTokenCount = 0
}

/// A source that is encoded before a pass: its keys and values go to slots of the cache.
package struct SourceEncoding: Sendable, Equatable {
    package let tokens: [Int32]
    package let slots: [Int32]
    /// The number of the adapter that it is encoded with; 0: none.
    package let adapter: Int
}

/// One sequence's part of a pass.
package struct SchedulerEntry: Sendable {
    package let id: Int
    /// The token ids to compute and their positions in the sequence.
    package let tokens: [Int32]
    package let positions: Range<Int>
    package let slots: [Int32]
    package let blocks: [Int32]
    /// Positions whose logits are wanted: the last ones of `positions`, or none.
    package let logitPositions: Range<Int>
    /// Whether the pass reaches the sequence's last token, so that the next one is sampled.
    package let needsToken: Bool
    /// Where the sequence's source lies; empty where it has none.
    package let sourceBlocks: [Int32]
    /// The source, where it has to be encoded first.
    package var encoding: SourceEncoding?

    /// Whether it only takes the next token of a text.
    var isDecode: Bool { tokens.count == 1 && encoding == nil }
    /// Tokens that it computes before text is written, those of the source included.
    var prefillTokenCount: Int { isDecode ? 0 : tokens.count + (encoding?.tokens.count ?? 0) }
}

/// The work of one pass.
package struct SchedulerPass: Sendable {
    package var entries: [SchedulerEntry] = []
    /// Blocks to copy before the pass, in order: the source of a copy may be the target of a later one.
    package var copies: [BlockTable.BlockCopy] = []

    package init() {}

    package var decodeCount: Int { entries.count { $0.isDecode } }
    package var prefillTokenCount: Int { entries.reduce(0) { $0 + $1.prefillTokenCount } }
    /// The sources to encode before the pass.
    package var encodings: [SourceEncoding] { entries.compactMap(\.encoding) }
}

extension Scheduler {
    /// The scheduler's state of one sequence.
    package struct Sequence: Sendable {
        enum Phase: Sendable { case waiting, running, parked }

        package internal(set) var id: Int
        /// Prompt and output so far.
        package internal(set) var tokens: [Int32]
        package let traits: SequenceTraits
        package let promptCount: Int
        /// The number of the sequence's arrival.
        let arrival: Int
        /// Tokens whose keys and values are in the cache, or will be after the running pass.
        package internal(set) var computedCount = 0
        /// Prompt tokens found in the prefix cache at the first admission.
        package internal(set) var cachedCount: Int?
        /// Prompt tokens whose logits were delivered; `nil` where only the last one's are wanted.
        var scoredCount: Int?
        package internal(set) var table: BlockTable
        /// The encoded source; empty where there is none, or no place yet.
        package internal(set) var source = BlockTable()
        var phase = Phase.waiting
        var isPaused = false
        var lastPass = 0
        package var state: State

        init(id: Int, tokens: [Int32], traits: SequenceTraits, arrival: Int, scoredCount: Int?, state: State) {
            self.id = id
            self.tokens = tokens
            self.traits = traits
            self.arrival = arrival
            self.scoredCount = scoredCount
            self.state = state
            promptCount = tokens.count
            table = BlockTable(namespace: traits.namespace)
        }

        package var pendingCount: Int { tokens.count - computedCount }
        /// The text that is encoded before; empty: none.
        package var sourceTokens: [Int32] { traits.namespace.source }
        package var isRunning: Bool { phase == .running }

        mutating func publish(in pool: inout BlockPool) { table.publish(tokens, in: &pool) }

        mutating func releaseBlocks(to pool: inout BlockPool) {
            table.release(to: &pool)
            source.release(to: &pool)
        }

        /// Blocks that all its tokens take, the source's included.
        func blockCount(in pool: BlockPool) -> Int {
            pool.blocks(forTokens: tokens.count) + pool.blocks(forTokens: sourceTokens.count)
        }

        mutating func withState<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
            try body(&state)
        }
    }

    /// What remains of a pass's limits.
    struct Budget {
        var tokens: Int
        var prefill: Int
        var scoring: Int
        var source: Int

        /// Whether the sequence's source can be encoded in the pass. It is computed as a whole.
        func takesSource(of sequence: Sequence) -> Bool { sequence.sourceTokens.count <= source }

        /// How many tokens of a sequence fit into the rest.
        func count(for sequence: Sequence) -> Int {
            let pending = sequence.pendingCount
            var count = min(pending, tokens)
            if sequence.scoredCount != nil { count = min(count, scoring) }
            return pending == 1 && sequence.isRunning ? count : min(count, max(prefill, 0))
        }

        mutating func spend(_ entry: SchedulerEntry) {
            tokens -= entry.tokens.count
            prefill -= entry.prefillTokenCount
            source -= entry.encoding?.tokens.count ?? 0
            if entry.logitPositions.count > 1 || !entry.needsToken { scoring -= entry.logitPositions.count }
        }
    }
}
