package import CommandSupport

/// The figures of one run, as vLLM's `bench serve` defines them; over the requests that completed.
package struct ServingMetrics: Sendable, Hashable {
    /// Mean, standard deviation and percentiles of one latency, in seconds.
    package typealias Latency = SampleStatistics

    package let completed: Int
    package let failed: Int
    package let durationSeconds: Double
    package let inputCount: Int
    package let outputCount: Int
    /// TTFT, TPOT (of requests with more than one token), ITL (of all requests together) and E2EL.
    package let firstToken: Latency
    package let perOutputToken: Latency
    package let betweenTokens: Latency
    package let endToEnd: Latency
    /// Requests a second that met the objective; `nil` without one.
    package let goodput: Double?
    /// The most requests that were under way at one moment.
    package let peakConcurrency: Int

    /// - Parameter durationSeconds: from the start of the run to the end of the last request.
    package init(_ records: [RequestRecord], durationSeconds: Double, objective: Objective?) {
        let complete = records.filter(\.isComplete)
        completed = complete.count
        failed = records.count - complete.count
        self.durationSeconds = durationSeconds
        inputCount = complete.reduce(0) { $0 + $1.promptCount }
        outputCount = complete.reduce(0) { $0 + $1.outputCount }
        firstToken = SampleStatistics(complete.map(\.firstTokenSeconds))
        perOutputToken = SampleStatistics(complete.compactMap(\.secondsPerOutputToken))
        betweenTokens = SampleStatistics(complete.flatMap(\.intervals))
        endToEnd = SampleStatistics(complete.map(\.totalSeconds))
        goodput = objective.map { objective in
            durationSeconds > 0 ? Double(complete.filter(objective.isMet).count) / durationSeconds : 0
        }
        peakConcurrency = ServingMetrics.peak(complete)
    }

    package var requestRate: Double { rate(Double(completed)) }
    package var outputRate: Double { rate(Double(outputCount)) }
    package var totalRate: Double { rate(Double(inputCount + outputCount)) }

    private func rate(_ count: Double) -> Double { durationSeconds > 0 ? count / durationSeconds : 0 }

    private static func peak(_ records: [RequestRecord]) -> Int {
        let changes = records.flatMap { [($0.startSeconds, 1), ($0.startSeconds + $0.totalSeconds, -1)] }
        var (current, peak) = (0, 0)
        // One that ends at the moment another begins leaves before it.
        for (_, change) in changes.sorted(by: { $0 < $1 }) {
            current += change
            peak = max(peak, current)
        }
        return peak
    }
}

/// What a request must keep to count as good: `ttft:500,tpot:50,e2el:10000`, in milliseconds.
package struct Objective: Sendable, Hashable {
    package var firstTokenSeconds: Double?
    package var secondsPerOutputToken: Double?
    package var totalSeconds: Double?

    /// `nil` where the text names another latency, one twice, or a bound that is not positive.
    package init?(_ text: String) {
        var names: Set<Substring> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 2, let bound = Double(fields[1]), bound > 0, bound.isFinite,
                names.insert(fields[0]).inserted
            else { return nil }
            switch fields[0] {
            case "ttft": firstTokenSeconds = bound / 1000
            case "tpot": secondsPerOutputToken = bound / 1000
            case "e2el": totalSeconds = bound / 1000
            default: return nil
            }
        }
    }

    /// A request of one token has no time per output token, which counts as 0.
    package func isMet(by record: RequestRecord) -> Bool {
        record.firstTokenSeconds <= firstTokenSeconds ?? .infinity
            && (record.secondsPerOutputToken ?? 0) <= secondsPerOutputToken ?? .infinity
            && record.totalSeconds <= totalSeconds ?? .infinity
    }
}
