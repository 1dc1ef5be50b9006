internal import Inference
internal import Synchronization

/// How many sequences of one model are under way, queued ones included.
final class ActivityTracker: Sendable {
    private let count = Atomic<Int>(0)

    var current: Int { count.load(ordering: .relaxed) }

    func enter(_ number: Int) { count.add(number, ordering: .relaxed) }

    func leave(_ number: Int) { count.subtract(number, ordering: .relaxed) }
}

/// Counts of what the server did, for `/metrics`.
final class Metrics: Sendable {
    struct ModelCounts: Sendable {
        var promptTokens = 0
        var cachedTokens = 0
        var generatedTokens = 0
        var finished: [String: Int] = [:]
        var timeToFirstToken = Histogram(bounds: Histogram.seconds)
        var timePerToken = Histogram(bounds: Histogram.shortSeconds)
        var total = Histogram(bounds: Histogram.seconds)
    }

    private struct State: Sendable {
        var models: [String: ModelCounts] = [:]
        var trackers: [String: ActivityTracker] = [:]
        var responses: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func activity(of model: String) -> ActivityTracker {
        state.withLock { state in
            if let tracker = state.trackers[model] { return tracker }
            let tracker = ActivityTracker()
            state.trackers[model] = tracker
            return tracker
        }
    }

    var totalActivity: Int { state.withLock { $0.trackers.values.reduce(0) { $0 + $1.current } } }

    func record(_ result: GenerationResult, model: String) {
        state.withLock { state in
            var counts = state.models[model] ?? ModelCounts()
            counts.promptTokens += result.promptTokenCount
            counts.cachedTokens += result.cachedTokenCount
            counts.generatedTokens += result.tokenCount
            counts.finished[result.finishReason.rawValue, default: 0] += 1
            counts.timeToFirstToken.add(result.timings.timeToFirstTokenSeconds)
            counts.total.add(result.timings.totalSeconds)
            if result.tokenCount > 1 {
                counts.timePerToken.add(result.timings.decodeSeconds / Double(result.tokenCount - 1))
            }
            state.models[model] = counts
        }
    }

    func counts(of model: String) -> ModelCounts { state.withLock { $0.models[model] ?? ModelCounts() } }

    /// Paths that no route serves are counted under one name, so that clients cannot grow the table.
    func countResponse(path: String, status: Int, isKnown: Bool = true) {
        let key = "path=\"\(isKnown ? path : "other")\",status=\"\(status)\""
        state.withLock { state in
            guard state.responses[key] != nil || state.responses.count < 1000 else { return }
            state.responses[key, default: 0] += 1
        }
    }

    var responses: [(labels: String, count: Int)] {
        state.withLock { $0.responses.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}

/// A histogram with fixed bounds, in the form of Prometheus.
struct Histogram: Sendable {
    static let seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
    static let shortSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

    let bounds: [Double]
    private(set) var counts: [Int]
    private(set) var sum = 0.0
    private(set) var count = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = [Int](repeating: 0, count: bounds.count)
    }

    mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        if let index = bounds.firstIndex(where: { value <= $0 }) { counts[index] += 1 }
        sum += value
        count += 1
    }
}
