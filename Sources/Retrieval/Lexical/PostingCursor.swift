/// A place in a posting list while a segment is searched.
struct PostingCursor {
    /// The document number of a cursor that has passed the last document.
    static let end = UInt32.max

    let list: PostingList
    /// The term's inverse document frequency, times how often the query has the term.
    let weight: Double
    /// An upper bound of the score that the list gives to any document.
    let bound: Double
    private(set) var document: UInt32 = 0
    private var block = 0
    /// The number of the block whose documents lie in `scratch`; `nil`: none yet.
    private var decodedBlock: Int?
    private var position = 0
    private let scratch: UnsafeMutablePointer<UInt32>
    /// The last answer of ``blockBound(at:)``.
    private var boundBlock = -1
    private var blockBoundValue = 0.0
    private let scorer: SegmentScorer

    init(_ list: PostingList, weight: Double, scorer: SegmentScorer) {
        self.list = list
        self.weight = weight
        self.scorer = scorer
        scratch = .allocate(capacity: 2 * PostingLayout.blockSize)
        bound =
            weight
            * (list.blocks.map { scorer.weight($0.maximumFrequency, length: $0.minimumLength) }.max() ?? 0)
        load()
    }

    func deallocate() { scratch.deallocate() }

    var frequency: UInt32 { scratch[PostingLayout.blockSize + position] }

    var score: Double { weight * scorer.score(document: document, frequency: frequency) }

    mutating func next() {
        position += 1
        if position < list.blocks[block].count {
            document = scratch[position]
        } else {
            block += 1
            load()
        }
    }

    /// Moves to the first document that is `target` or behind it.
    mutating func advance(to target: UInt32) {
        guard document < target else { return }
        let blocks = list.blocks
        if blocks[block].lastDocument < target {
            block += 1
            while block < blocks.count, blocks[block].lastDocument < target { block += 1 }
            load()
            if document >= target { return }
        }
        // The block's last document is no smaller than the target, so this ends inside it.
        while scratch[position] < target { position += 1 }
        document = scratch[position]
    }

    /// The bound of the block in which `target` lies or would lie, and that block's last document. Decodes nothing.
    mutating func blockBound(at target: UInt32) -> (bound: Double, last: UInt32) {
        let blocks = list.blocks
        var index = max(block, boundBlock)
        if index < blocks.count, index > block, index > 0, blocks[index - 1].lastDocument >= target { index = block }
        while index < blocks.count, blocks[index].lastDocument < target { index += 1 }
        guard index < blocks.count else { return (0, PostingCursor.end) }
        if index != boundBlock {
            boundBlock = index
            blockBoundValue =
                weight * scorer.weight(blocks[index].maximumFrequency, length: blocks[index].minimumLength)
        }
        return (blockBoundValue, blocks[index].lastDocument)
    }

    private mutating func load() {
        guard block < list.blocks.count else {
            document = PostingCursor.end
            return
        }
        if decodedBlock != block {
            list.decode(block: block, into: scratch)
            decodedBlock = block
        }
        position = 0
        document = scratch[0]
    }
}

/// What a score needs beside the postings: lengths of a segment's documents and the collection's average.
struct SegmentScorer {
    let scoring: LexicalScoring
    let lengths: UnsafeBufferPointer<UInt32>
    let averageLength: Double

    func weight(_ frequency: UInt32, length: UInt32) -> Double {
        scoring.weight(frequency: frequency, length: length, averageLength: averageLength)
    }

    /// A damaged list cannot name a document past the segment's: ``PostingList`` has checked each block's last one.
    func score(document: UInt32, frequency: UInt32) -> Double {
        guard Int(document) < lengths.count else { return 0 }
        return weight(frequency, length: lengths[Int(document)])
    }
}
