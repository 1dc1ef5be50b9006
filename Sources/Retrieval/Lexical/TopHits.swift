/// A chunk that a search found.
public struct Hit: Sendable, Hashable {
    /// The chunk's number in its collection.
    public var chunk: Int64
    /// The higher, the better.
    public var score: Double

    public init(chunk: Int64, score: Double) {
        self.chunk = chunk
        self.score = score
    }

    /// Better scores first; of equal ones, the chunk that came first.
    package static func precedes(_ a: Hit, _ b: Hit) -> Bool {
        a.score != b.score ? a.score > b.score : a.chunk < b.chunk
    }
}

/// The best `count` hits of many, in a heap whose root is the worst of them.
public struct TopHits {
    private let count: Int
    private let floor: Double
    private var heap: [Hit] = []

    /// - Parameters:
    ///   - count: from 1 on.
    ///   - keepsAll: whether scores of 0 and below are hits too, as products of vectors may be.
    public init(count: Int, keepsAll: Bool = false) {
        precondition(count > 0, "the best \(count) hits")
        self.count = count
        floor = keepsAll ? -.infinity : 0
        heap.reserveCapacity(min(count, 1024))
    }

    /// The score that a hit must exceed to be kept.
    var threshold: Double { heap.count < count ? floor : heap[0].score }

    /// Hits come in the order of their chunks, so of equal ones the first stays.
    public mutating func insert(_ hit: Hit) {
        if heap.count < count {
            guard hit.score > floor else { return }
            heap.append(hit)
            rise(from: heap.count - 1)
        } else if Hit.precedes(hit, heap[0]) {
            heap[0] = hit
            sink()
        }
    }

    /// The hits, best first.
    public var sorted: [Hit] { heap.sorted(by: Hit.precedes) }

    private mutating func rise(from index: Int) {
        var index = index
        while index > 0 {
            let parent = (index - 1) / 2
            guard Hit.precedes(heap[parent], heap[index]) else { return }
            heap.swapAt(parent, index)
            index = parent
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var worst = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
                if Hit.precedes(heap[worst], heap[child]) { worst = child }
            }
            guard worst != index else { return }
            heap.swapAt(worst, index)
            index = worst
        }
    }
}
