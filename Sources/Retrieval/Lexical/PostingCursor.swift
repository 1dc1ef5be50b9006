/// A place in a posting list while a segment is searched. The list must live as long. Nothing is unpacked ahead: a search that
/// skips looks at few documents of a block.
struct PostingCursor {
    /// The document number of a cursor that has passed the last document.
    static let end = UInt32.max

    /// Which term of the query it stands for.
    let place: Int
    /// The inverse document frequency, times how often the query has the term.
    private let weight: Double
    /// No document of the list scores more.
    let bound: Double
    private(set) var document: UInt32 = 0
    private let list: UnsafePostings
    private let scorer: SegmentScorer
    private var block = 0
    /// Where the block's packed gaps and occurrences lie, and which of them the document has.
    private var gaps: PackedNumbers
    private var occurrences: PackedNumbers
    private var position = 0
    private var count = 0
    /// The block that ``blockBound(at:)`` asked for last, and its bound.
    private var boundBlock = -1
    private var blockBoundValue = 0.0

    init(_ list: PostingList, place: Int, weight: Double, scorer: SegmentScorer) {
        self.list = list.unsafe
        self.place = place
        self.weight = weight
        self.scorer = scorer
        var best = 0.0
        for index in 0..<list.unsafe.blockCount {
            let block = list.unsafe.blocks[index]
            best = max(best, scorer.weight(block.maximumFrequency, length: block.minimumLength))
        }
        bound = weight * best
        // A list has a block at least.
        (gaps, occurrences) = list.unsafe.packed(block: 0)
        load()
    }

    /// Of the document at which the cursor stands.
    var score: Double {
        weight * scorer.score(document: document, frequency: occurrences[position] &+ 1)
    }

    mutating func next() {
        position += 1
        if position < count {
            document = document &+ 1 &+ gaps[position]
        } else {
            block += 1
            load()
        }
    }

    /// Moves to the first document that is `target` or behind it.
    mutating func advance(to target: UInt32) {
        guard document < target else { return }
        if list.blocks[block].lastDocument < target {
            block += 1
            while block < list.blockCount, list.blocks[block].lastDocument < target { block += 1 }
            load()
        }
        // One round, unless the list is damaged.
        while document < target {
            var (place, found) = (position + 1, document)
            while place < count {
                found = found &+ 1 &+ gaps[place]
                if found >= target { break }
                place += 1
            }
            (position, document) = (place, found)
            guard place >= count else { return }
            block += 1
            load()
        }
    }

    /// The bound of the block in which `target` lies or would lie, and that block's last document. Unpacks nothing.
    mutating func blockBound(at target: UInt32) -> (bound: Double, last: UInt32) {
        var index = block
        if boundBlock > block, boundBlock < list.blockCount, list.blocks[boundBlock - 1].lastDocument < target {
            index = boundBlock
        }
        while index < list.blockCount, list.blocks[index].lastDocument < target { index += 1 }
        guard index < list.blockCount else { return (0, PostingCursor.end) }
        if index != boundBlock {
            boundBlock = index
            let block = list.blocks[index]
            blockBoundValue = weight * scorer.weight(block.maximumFrequency, length: block.minimumLength)
        }
        return (blockBoundValue, list.blocks[index].lastDocument)
    }

    private mutating func load() {
        position = 0
        guard block < list.blockCount else {
            (count, document) = (0, PostingCursor.end)
            return
        }
        count = list.blocks[block].count
        (gaps, occurrences) = list.packed(block: block)
        document = block == 0 ? gaps[0] : list.blocks[block - 1].lastDocument &+ 1 &+ gaps[0]
    }
}

/// What a score needs beside the postings: lengths of a segment's documents and the collection's average.
struct SegmentScorer {
    private let lengths: UnsafeBufferPointer<UInt32>
    private let isBM25: Bool
    /// BM25's `k1 · (1 - b)` and `k1 · b / average`.
    private let constant: Double
    private let slope: Double

    init(scoring: LexicalScoring, lengths: UnsafeBufferPointer<UInt32>, averageLength: Double) {
        self.lengths = lengths
        switch scoring {
        case .bm25(let k1, let b): (isBM25, constant, slope) = (true, k1 * (1 - b), k1 * b / averageLength)
        case .tfIDF: (isBM25, constant, slope) = (false, 0, 0)
        }
    }

    /// The part of a score that one term gives, before its inverse document frequency; grows with `frequency` and falls
    /// with `length`.
    func weight(_ frequency: UInt32, length: UInt32) -> Double {
        let frequency = Double(frequency)
        return isBM25 ? frequency / (frequency + constant + slope * Double(length)) : frequency
    }

    /// A damaged list cannot name a document past the segment's: ``PostingList`` has checked each block's last one.
    func score(document: UInt32, frequency: UInt32) -> Double {
        guard Int(document) < lengths.count else { return 0 }
        return weight(frequency, length: lengths[Int(document)])
    }
}
