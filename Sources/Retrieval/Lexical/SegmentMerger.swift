/// Merges the postings of several segments into one, leaving out chunks that were removed.
struct SegmentMerger {
    /// The chunks of the new segment, in ascending order, and their lengths.
    let chunks: [Int64]
    let lengths: [UInt32]
    /// The new number of each document of each old segment; `nil`: it was removed.
    private let places: [Int64: [UInt32?]]
    private let name: String

    init(_ segments: [LexicalSegment], keeping isKept: (Int64) -> Bool, name: String) {
        var chunks: [Int64] = []
        var lengths: [UInt32] = []
        var places: [Int64: [UInt32?]] = [:]
        for segment in segments {
            places[segment.id] = zip(segment.chunks, segment.lengths).map { chunk, length in
                guard isKept(chunk) else { return nil }
                chunks.append(chunk)
                lengths.append(length)
                return UInt32(chunks.count - 1)
            }
        }
        self.chunks = chunks
        self.lengths = lengths
        self.places = places
        self.name = name
    }

    /// One term's postings of the new segment; `nil` where none are left.
    /// - Parameters:
    ///   - encoded: its postings in the old segments, in their order.
    ///   - isImpact: whether they hold learned weights.
    /// - Throws: ``RetrievalError/notACollection(path:reason:)`` where they are damaged.
    func merge(_ encoded: [(segment: Int64, bytes: [UInt8])], isImpact: Bool = false) throws -> [UInt8]? {
        var writer = PostingListWriter()
        var scratch = [UInt32](repeating: 0, count: 2 * PostingLayout.blockSize)
        for (segment, bytes) in encoded {
            guard let places = places[segment] else { continue }
            guard let list = PostingList(bytes, documentLimit: places.count) else { throw damaged }
            for block in list.blocks.indices {
                let count = list.blocks[block].count
                scratch.withUnsafeMutableBufferPointer { buffer in
                    guard let base = buffer.baseAddress else { return }
                    list.decode(block: block, into: base)
                }
                let frequencies = Array(scratch[PostingLayout.blockSize..<PostingLayout.blockSize + count])
                if isImpact {
                    for (document, impact) in zip(scratch[..<count], frequencies) {
                        guard Int(document) < places.count else { throw damaged }
                        if let place = places[Int(document)] { writer.append(document: place, impact: impact) }
                    }
                    continue
                }
                guard let positions = list.positions(block: block, frequencies: frequencies) else { throw damaged }
                for (document, positions) in zip(scratch[..<count], positions) {
                    guard Int(document) < places.count else { throw damaged }
                    if let place = places[Int(document)] { writer.append(document: place, positions: positions[...]) }
                }
            }
        }
        return writer.documentCount == 0 ? nil : writer.encoded(lengths: lengths)
    }

    private var damaged: RetrievalError { .notACollection(path: name, reason: "postings are damaged") }
}
