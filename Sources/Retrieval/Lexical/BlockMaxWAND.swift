/// The best documents of one segment for a disjunction of terms, skipping blocks that cannot hold any.
/// (Broder et al., 2003; Ding and Suel, 2011)
struct BlockMaxWAND {
    /// Documents that may be found; `nil`: all.
    let isAllowed: ((UInt32) -> Bool)?

    /// - Parameters:
    ///   - cursors: one a term of the query, each at its first document.
    ///   - best: the best documents found so far, also of other segments; what is found is added.
    ///   - identify: the collection's number of a document of this segment.
    func search(
        _ cursors: inout [PostingCursor], into best: inout TopHits, identify: (UInt32) -> Int64
    ) {
        while true {
            sort(&cursors)
            guard let pivot = pivot(of: cursors, above: best.threshold) else { return }
            let document = cursors[pivot].document
            guard document != PostingCursor.end else { return }
            var last = pivot
            while last + 1 < cursors.count, cursors[last + 1].document == document { last += 1 }
            var bound = 0.0
            var blockEnd = PostingCursor.end
            for index in 0...last {
                let block = cursors[index].blockBound(at: document)
                bound += block.bound
                blockEnd = min(blockEnd, block.last)
            }
            if bound <= best.threshold {
                skip(&cursors, upTo: last, past: blockEnd)
            } else if cursors[0].document == document {
                score(&cursors, upTo: last, document, into: &best, identify: identify)
            } else {
                for index in 0..<pivot where cursors[index].document < document {
                    cursors[index].advance(to: document)
                }
            }
        }
    }

    /// The first cursor at which the summed bounds, up to and including its own, could beat the threshold.
    private func pivot(of cursors: [PostingCursor], above threshold: Double) -> Int? {
        var bound = 0.0
        for index in cursors.indices {
            bound += cursors[index].bound
            if bound > threshold { return index }
        }
        return nil
    }

    /// No document up to `blockEnd` can be among the best, so the lists move behind it, or to where another list
    /// begins.
    private func skip(_ cursors: inout [PostingCursor], upTo last: Int, past blockEnd: UInt32) {
        var target = blockEnd == PostingCursor.end ? PostingCursor.end : blockEnd + 1
        if last + 1 < cursors.count { target = min(target, cursors[last + 1].document) }
        for index in 0...last { cursors[index].advance(to: target) }
    }

    private func score(
        _ cursors: inout [PostingCursor], upTo last: Int, _ document: UInt32, into best: inout TopHits,
        identify: (UInt32) -> Int64
    ) {
        if isAllowed?(document) ?? true {
            var score = 0.0
            for index in 0...last { score += cursors[index].score }
            best.insert(Hit(chunk: identify(document), score: score))
        }
        for index in 0...last { cursors[index].next() }
    }

    /// Sorts the cursors by document. They are few and nearly in order, so insertion is fast.
    private func sort(_ cursors: inout [PostingCursor]) {
        for index in cursors.indices.dropFirst() {
            var place = index
            while place > 0, cursors[place].document < cursors[place - 1].document {
                cursors.swapAt(place, place - 1)
                place -= 1
            }
        }
    }
}
