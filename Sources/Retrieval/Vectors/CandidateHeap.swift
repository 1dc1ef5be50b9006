/// A vector that a walk through a graph has met, with its product with the query.
struct Candidate {
    var index: UInt32
    var score: Float

    static func isNearer(_ a: Candidate, _ b: Candidate) -> Bool {
        a.score != b.score ? a.score > b.score : a.index < b.index
    }
}

/// A binary heap whose first element is the nearest, or the farthest.
struct CandidateHeap {
    private(set) var elements: [Candidate] = []
    private let isBestFirst: Bool

    init(isBestFirst: Bool) { self.isBestFirst = isBestFirst }

    var count: Int { elements.count }
    var first: Candidate? { elements.first }

    private func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
        isBestFirst ? Candidate.isNearer(a, b) : Candidate.isNearer(b, a)
    }

    mutating func push(_ candidate: Candidate) {
        elements.append(candidate)
        var index = elements.count - 1
        while index > 0, precedes(elements[index], elements[(index - 1) / 2]) {
            elements.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func pop() -> Candidate? {
        guard let result = elements.first else { return nil }
        let last = elements.removeLast()
        guard !elements.isEmpty else { return result }
        elements[0] = last
        var index = 0
        while true {
            var first = index
            for child in [2 * index + 1, 2 * index + 2] where child < elements.count {
                if precedes(elements[child], elements[first]) { first = child }
            }
            guard first != index else { return result }
            elements.swapAt(first, index)
            index = first
        }
    }
}

/// The vectors that a walk has met. Marks carry the number of their walk, so a new walk clears nothing.
struct VisitedSet {
    private var marks: [UInt32]
    private var walk: UInt32 = 0

    init(count: Int) { marks = [UInt32](repeating: 0, count: count) }

    mutating func clear() {
        walk &+= 1
        guard walk == 0 else { return }
        marks = [UInt32](repeating: 0, count: marks.count)
        walk = 1
    }

    /// - Returns: whether it is new.
    mutating func insert(_ index: UInt32) -> Bool {
        guard marks[Int(index)] != walk else { return false }
        marks[Int(index)] = walk
        return true
    }
}
