/// Merges the symbols of one word. Holds its scratch memory from word to word.
struct PairMerger {
    /// The ids of the word: characters before ``mergeAll(_:)``, tokens after it.
    var symbols: [UInt32] = []
    private var pairs: [UInt64] = []
    private var next: [UInt32] = []
    private var previous: [UInt32] = []
    private var heap = MinimumHeap()

    /// Up to this many symbols the least pair is searched for by scanning: quadratic, but without any bookkeeping.
    private static let maximumScanCount = 48

    mutating func mergeAll(_ merges: MergeTable.Lookup) {
        if symbols.count <= PairMerger.maximumScanCount {
            mergeByScanning(merges)
        } else {
            mergeByHeap(merges)
        }
    }

    private mutating func mergeByScanning(_ merges: MergeTable.Lookup) {
        guard symbols.count > 1 else { return }
        pairs.removeAll(keepingCapacity: true)
        for index in 1..<symbols.count { pairs.append(merges.packed(symbols[index - 1], symbols[index])) }
        while !pairs.isEmpty {
            var best = 0
            var bestPair = pairs[0]
            for index in 1..<pairs.count where pairs[index] >> 32 < bestPair >> 32 {
                best = index
                bestPair = pairs[index]
            }
            if bestPair == .max { return }
            symbols[best] = UInt32(truncatingIfNeeded: bestPair)
            symbols.remove(at: best + 1)
            pairs.remove(at: best)
            if best > 0 { pairs[best - 1] = merges.packed(symbols[best - 1], symbols[best]) }
            if best < pairs.count { pairs[best] = merges.packed(symbols[best], symbols[best + 1]) }
        }
    }

    /// n log n for words of any length: a heap of candidate pairs by rank, then position, over a linked list.
    private mutating func mergeByHeap(_ merges: MergeTable.Lookup) {
        let count = symbols.count
        let none = UInt32.max
        next = (0..<count).map { $0 + 1 < count ? UInt32($0 + 1) : none }
        previous = (0..<count).map { $0 > 0 ? UInt32($0 - 1) : none }
        heap.removeAll()
        func push(_ left: UInt32, _ right: UInt32, _ heap: inout MinimumHeap, _ symbols: [UInt32]) {
            let pair = merges.packed(symbols[Int(left)], symbols[Int(right)])
            if pair != .max { heap.push(pair & 0xFFFF_FFFF_0000_0000 | UInt64(left)) }
        }
        for index in 1..<count { push(UInt32(index - 1), UInt32(index), &heap, symbols) }
        while let entry = heap.pop() {
            let left = UInt32(truncatingIfNeeded: entry)
            let right = next[Int(left)]
            guard right != none, symbols[Int(left)] != none else { continue }
            let pair = merges.packed(symbols[Int(left)], symbols[Int(right)])
            // The pair has changed since it was queued.
            guard pair != .max, pair >> 32 == entry >> 32 else { continue }
            symbols[Int(left)] = UInt32(truncatingIfNeeded: pair)
            symbols[Int(right)] = none
            let after = next[Int(right)]
            next[Int(left)] = after
            if after != none {
                previous[Int(after)] = left
                push(left, after, &heap, symbols)
            }
            if previous[Int(left)] != none { push(previous[Int(left)], left, &heap, symbols) }
        }
        symbols.removeAll { $0 == none }
    }
}

/// A binary heap of integers, the least first.
struct MinimumHeap {
    private var entries: [UInt64] = []

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
    }

    mutating func push(_ entry: UInt64) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if entries[parent] <= entry { break }
            entries[child] = entries[parent]
            child = parent
        }
        entries[child] = entry
    }

    mutating func pop() -> UInt64? {
        guard let least = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return least }
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            if last <= entries[child] { break }
            entries[parent] = entries[child]
            parent = child
        }
        entries[parent] = last
        return least
    }
}
