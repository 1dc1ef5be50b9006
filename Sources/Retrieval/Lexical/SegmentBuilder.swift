/// Collects the postings of a segment's chunks and encodes them.
package struct SegmentBuilder {
    package private(set) var chunks: [Int64] = []
    package private(set) var lengths: [UInt32] = []
    private var writers: [String: PostingListWriter] = [:]
    package let analyzer: Analyzer

    package init(analyzer: Analyzer) { self.analyzer = analyzer }

    package var isEmpty: Bool { chunks.isEmpty }

    /// Adds a chunk; their numbers come in ascending order.
    /// - Parameter termWeights: by token id, of a learned sparse model.
    package mutating func add(chunk: Int64, text: String, termWeights: [Int: Double] = [:]) {
        let document = UInt32(chunks.count)
        var position: UInt32 = 0
        analyzer.forEachTerm(in: text) { term in
            writers[term, default: PostingListWriter()].append(document: document, position: position)
            position += 1
        }
        for (token, weight) in termWeights {
            guard let impact = ImpactTerm.impact(of: weight) else { continue }
            writers[ImpactTerm.name(of: token), default: PostingListWriter()].append(document: document, impact: impact)
        }
        chunks.append(chunk)
        lengths.append(position)
    }

    /// Every term with its encoded postings, in the order of the terms.
    package func encoded() -> [(term: String, bytes: [UInt8])] {
        writers.sorted { $0.key < $1.key }.map { ($0.key, $0.value.encoded(lengths: lengths)) }
    }
}
