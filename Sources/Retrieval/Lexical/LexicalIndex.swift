import Synchronization

/// Where an index finds the encoded postings of a term, one entry a segment that has the term.
package protocol PostingSource: Sendable {
    func postings(of term: String) throws -> [Int64: [UInt8]]
}

/// The documents of one segment: their numbers in the collection and their lengths in terms, in the order of its postings.
package struct LexicalSegment: Sendable {
    package let id: Int64
    package let chunks: [Int64]
    package let lengths: [UInt32]

    package init(id: Int64, chunks: [Int64], lengths: [UInt32]) {
        self.id = id
        self.chunks = chunks
        self.lengths = lengths
    }
}

/// An inverted index over the chunks of a collection. Postings are read when a query first names their term, and kept.
package final class LexicalIndex: Sendable {
    package let segments: [LexicalSegment]
    package let analyzer: Analyzer
    package let chunkCount: Int
    package let averageLength: Double
    private let source: any PostingSource
    private let name: String
    private let cache = Mutex(PostingCache())

    /// - Parameter name: the collection's path, for errors.
    package init(segments: [LexicalSegment], analyzer: Analyzer, source: any PostingSource, name: String) {
        self.segments = segments
        self.analyzer = analyzer
        self.source = source
        self.name = name
        chunkCount = segments.reduce(0) { $0 + $1.chunks.count }
        let total = segments.reduce(0.0) { $0 + $1.lengths.reduce(0.0) { $0 + Double($1) } }
        averageLength = chunkCount == 0 ? 1 : max(total / Double(chunkCount), 1e-9)
    }

    /// The best chunks for a query of terms that need not all be there; a term that the query repeats counts as often.
    /// - Parameter allowed: chunks that may be found; `nil`: all.
    package func search(
        terms: [String], scoring: LexicalScoring, count: Int, allowed: Set<Int64>? = nil
    ) throws -> [Hit] {
        var repetitions: [String: Int] = [:]
        for term in terms { repetitions[term, default: 0] += 1 }
        // Terms are added in the order of the query, so that sums do not depend on the order of a dictionary.
        var seen: Set<String> = []
        let unique = terms.filter { seen.insert($0).inserted }
        var weighted: [(lists: [PostingList?], weight: Double)] = []
        for term in unique {
            let lists = try postings(of: term)
            let documentCount = lists.reduce(0) { $0 + ($1?.documentCount ?? 0) }
            guard documentCount > 0 else { continue }
            let weight =
                scoring.inverseDocumentFrequency(count: documentCount, of: chunkCount)
                * Double(repetitions[term] ?? 1)
            weighted.append((lists, weight))
        }
        return search(weighted, scoring, count: count, allowed: allowed)
    }

    /// The chunks with the largest products of their learned weights and a query's.
    /// - Parameter termWeights: by token id.
    package func search(termWeights: [Int: Double], count: Int, allowed: Set<Int64>? = nil) throws -> [Hit] {
        let weighted = try termWeights.sorted { $0.key < $1.key }.filter { $0.value > 0 }.map { token, weight in
            (lists: try postings(of: ImpactTerm.name(of: token)), weight: weight / ImpactTerm.scale)
        }
        // The product of weights is linear in the occurrences, as this one of the two scorings is.
        return search(weighted, .tfIDF, count: count, allowed: allowed)
    }

    private func search(
        _ weighted: [(lists: [PostingList?], weight: Double)], _ scoring: LexicalScoring, count: Int,
        allowed: Set<Int64>?
    ) -> [Hit] {
        var best = TopHits(count: count)
        for (index, segment) in segments.enumerated() {
            search(segment, weighted.map { ($0.lists[index], $0.weight) }, scoring, into: &best, allowed: allowed)
        }
        return best.sorted
    }

    private func search(
        _ segment: LexicalSegment, _ lists: [(list: PostingList?, weight: Double)], _ scoring: LexicalScoring,
        into best: inout TopHits, allowed: Set<Int64>?
    ) {
        segment.lengths.withUnsafeBufferPointer { lengths in
            let scorer = SegmentScorer(scoring: scoring, lengths: lengths, averageLength: averageLength)
            let isAllowed = allowed.map { allowed in
                { (document: UInt32) in
                    Int(document) < segment.chunks.count && allowed.contains(segment.chunks[Int(document)])
                }
            }
            let present = lists.compactMap { list, weight in list.map { (list: $0, weight: weight) } }
            let cursors = UnsafeMutableBufferPointer<PostingCursor>.allocate(capacity: present.count)
            let numbers = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * present.count)
            numbers.initialize(repeating: 0)
            defer {
                cursors.deallocate()
                numbers.deallocate()
            }
            for (index, (list, weight)) in present.enumerated() {
                cursors.initializeElement(
                    at: index, to: PostingCursor(list, place: index, weight: weight, scorer: scorer))
            }
            withExtendedLifetime(present) {
                BlockMaxScore(
                    cursors, bounds: .init(rebasing: numbers[..<present.count]),
                    parts: .init(rebasing: numbers[present.count...]), isAllowed: isAllowed
                ).search(into: &best, chunks: segment.chunks)
            }
        }
    }

    /// A term's postings, one place a segment; `nil` where a segment lacks the term.
    package func postings(of term: String) throws -> [PostingList?] {
        if let found = cache.withLock({ $0.find(term) }) { return found }
        let encoded = try source.postings(of: term)
        let lists = try segments.map { segment -> PostingList? in
            guard let bytes = encoded[segment.id] else { return nil }
            guard let list = PostingList(bytes, documentLimit: segment.chunks.count) else {
                throw RetrievalError.notACollection(path: name, reason: "the postings of '\(term)' are damaged")
            }
            return list
        }
        cache.withLock { $0.insert(term, lists) }
        return lists
    }
}

/// Postings of the terms asked for lately, up to a number of bytes.
private struct PostingCache {
    private static let byteLimit = 256 << 20
    private var lists: [String: [PostingList?]] = [:]
    private var byteCount = 0

    func find(_ term: String) -> [PostingList?]? { lists[term] }

    mutating func insert(_ term: String, _ found: [PostingList?]) {
        let size = found.reduce(64) { $0 + ($1?.byteCount ?? 0) + 8 }
        // Where the cache is full it is emptied. This is rare, and the next queries only read their terms again.
        if byteCount + size > PostingCache.byteLimit {
            lists = [:]
            byteCount = 0
        }
        if lists.updateValue(found, forKey: term) == nil { byteCount += size }
    }
}
