/// The best documents of one segment for a disjunction of terms, without a look at what cannot be among them: MaxScore with
/// the bounds of blocks. (Turtle and Flood, 1995; Chakrabarti, Chaudhuri and Ganti, 2011)
///
/// Lists are ordered by the most that they can add. Documents that only the first lists hold, whose bounds together do not beat
/// the worst of the best documents so far, need not be found; so only the other lists are gone through, and the first ones are
/// asked for documents that could still be among the best.
struct BlockMaxScore {
    /// Documents that may be found; `nil`: all.
    let isAllowed: ((UInt32) -> Bool)?
    /// One a term of the query, each at its first document, in the order of their bounds.
    private let cursors: UnsafeMutableBufferPointer<PostingCursor>
    /// The most that a cursor and all before it can add.
    private let bounds: UnsafeMutableBufferPointer<Double>
    /// What each term of the query adds to a document, in the order of the query: so that a score is the same whichever way it
    /// was found.
    private let parts: UnsafeMutableBufferPointer<Double>

    /// What sums in another order may differ by.
    private static let slack = 1e-12

    /// - Parameters:
    ///   - cursors: live as long as this value is used; they are ordered.
    ///   - bounds: as many numbers, which are written.
    ///   - parts: the same.
    init(
        _ cursors: UnsafeMutableBufferPointer<PostingCursor>, bounds: UnsafeMutableBufferPointer<Double>,
        parts: UnsafeMutableBufferPointer<Double>, isAllowed: ((UInt32) -> Bool)?
    ) {
        var cursors = cursors
        cursors.sort { $0.bound < $1.bound }
        var sum = 0.0
        for index in cursors.indices {
            sum += cursors[index].bound
            bounds[index] = sum
        }
        self.cursors = cursors
        self.bounds = bounds
        self.parts = parts
        self.isAllowed = isAllowed
    }

    /// - Parameters:
    ///   - best: the best documents found so far, also of other segments; what is found is added.
    ///   - chunks: the collection's number of each document of this segment.
    func search(into best: inout TopHits, chunks: [Int64]) {
        var threshold = best.threshold * (1 - BlockMaxScore.slack)
        // The first list that is gone through.
        var first = 0
        while true {
            while first < cursors.count, bounds[first] <= threshold { first += 1 }
            guard first < cursors.count else { return }
            let reachable = first > 0 ? bounds[first - 1] : 0
            if first == cursors.count - 1, skipsBlock(of: first, beside: reachable, threshold) { continue }
            var document = cursors[first].document
            for index in first..<cursors.count { document = min(document, cursors[index].document) }
            guard document != PostingCursor.end else { return }
            for index in parts.indices { parts[index] = 0 }
            var score = 0.0
            for index in first..<cursors.count where cursors[index].document == document {
                score += add(index)
                cursors[index].next()
            }
            guard score + reachable > threshold, isAllowed?(document) ?? true else { continue }
            var index = first - 1
            while index >= 0, score + bounds[index] > threshold {
                cursors[index].advance(to: document)
                if cursors[index].document == document { score += add(index) }
                index -= 1
            }
            guard index < 0, score > threshold, Int(document) < chunks.count else { continue }
            best.insert(Hit(chunk: chunks[Int(document)], score: parts.reduce(0, +)))
            threshold = best.threshold * (1 - BlockMaxScore.slack)
        }
    }

    private func add(_ index: Int) -> Double {
        let part = cursors[index].score
        parts[cursors[index].place] = part
        return part
    }

    /// Where only one list is gone through: leaves out its next block if it cannot beat the threshold.
    /// - Returns: whether it did.
    private func skipsBlock(of index: Int, beside reachable: Double, _ threshold: Double) -> Bool {
        let document = cursors[index].document
        guard document != PostingCursor.end else { return false }
        let block = cursors[index].blockBound(at: document)
        guard block.bound + reachable <= threshold else { return false }
        cursors[index].advance(to: block.last == PostingCursor.end ? block.last : block.last + 1)
        return true
    }
}
