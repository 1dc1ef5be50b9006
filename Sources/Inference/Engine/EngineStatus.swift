/// The state of an engine after its last pass. Reading it never waits for the device.
public struct EngineStatus: Sendable, Hashable {
    /// Sequences that hold blocks and take part in passes, those that wait for their reader included.
    public var runningCount = 0
    /// Sequences that wait for a place, preempted ones included.
    public var waitingCount = 0
    /// Sequences that are paused until their reader has taken what was produced.
    public var pausedCount = 0
    /// The most sequences that run at once.
    public var sequenceCapacity = 0
    /// The most sequences that wait; a request beyond them is refused.
    public var queueCapacity = 0

    /// Blocks of the cache.
    public var blockCount = 0
    /// Blocks that sequences hold.
    public var usedBlockCount = 0
    /// Free blocks whose content can still be found.
    public var cachedBlockCount = 0
    /// Tokens of one block.
    public var blockSizeInTokens = 0

    /// Prompt tokens that were looked up in the prefix cache.
    public var prefixCacheQueryTokenCount = 0
    /// Prompt tokens that were found in the prefix cache.
    public var prefixCacheHitTokenCount = 0
    /// Prompt tokens of admitted requests since the engine started, those found in the prefix cache included.
    public var promptTokenCount = 0
    /// Tokens produced since the engine started.
    public var generatedTokenCount = 0
    /// Requests that ended by themselves.
    public var completedCount = 0
    /// Requests that were cancelled, by their client or by `shutdown`.
    public var cancelledCount = 0
    /// Requests that ended with an error.
    public var failedCount = 0
    /// Sequences that lost their blocks to others and were computed again.
    public var preemptionCount = 0

    /// Passes since the engine started.
    public var passCount = 0
    /// When the running pass began; `nil` between passes.
    public var passStart: ContinuousClock.Instant?
    /// When the last pass ended.
    public var lastPassEnd: ContinuousClock.Instant?
    /// Seconds that the last pass took.
    public var lastPassSeconds = 0.0
    /// Whether requests are accepted: false once `shutdown` was called.
    public var acceptsRequests = true

    public init() {}

    /// The part of the cache's blocks that sequences hold, 0 to 1.
    public var cacheUsage: Double { blockCount > 0 ? Double(usedBlockCount) / Double(blockCount) : 0 }
}
