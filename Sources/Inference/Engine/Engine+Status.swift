internal import KVCache

extension Engine {
    /// What the engine is doing. Never waits for the device.
    public nonisolated var status: EngineStatus { inbox.status }

    func count(tokens: Int) { counters.generatedTokenCount += tokens }

    /// Publishes the status, after a pass or when requests have come or gone.
    func publishStatus(passStart: ContinuousClock.Instant? = nil) {
        let pool = scheduler.pool
        let (used, cached) = (pool.usedBlockCount, pool.cachedFreeBlockCount)
        let (running, waiting) = (scheduler.running.count, scheduler.waitingCount)
        let paused = scheduler.pausedCount
        let (books, counters) = (scheduler.counters, counters)
        inbox.updateStatus { status in
            status.runningCount = running
            status.waitingCount = waiting
            status.pausedCount = paused
            status.usedBlockCount = used
            status.cachedBlockCount = cached
            status.prefixCacheQueryTokenCount = books.queriedTokenCount
            status.prefixCacheHitTokenCount = books.foundTokenCount
            status.promptTokenCount = books.promptTokenCount
            status.preemptionCount = books.preemptionCount
            status.generatedTokenCount = counters.generatedTokenCount
            status.completedCount = counters.completedCount
            status.cancelledCount = counters.cancelledCount
            status.failedCount = counters.failedCount
            guard let passStart else { return }
            let now = ContinuousClock.now
            status.passStart = nil
            status.passCount += 1
            status.lastPassEnd = now
            status.lastPassSeconds = (now - passStart).seconds
        }
    }
}
