import Glibc

/// Finds chunks by walking a collection's knowledge graph from the entities that a query names.
///
/// A relation scores `(1 + m) / log2(1 + d)`: `m` is the share of the relation's words that the query has, `d` the number of
/// relations of the entity that it was reached from, so that what everything is related to tells less. Relations of the
/// entities at the other ends follow with half the score of the relation that leads there. A chunk's score is that of its best
/// relation, half of its second best, a quarter of the third, and so on.
struct GraphSearch {
    /// Words of the longest name that is looked for.
    private static let nameLimit = 12
    /// Entities of a query, relations of an entity, and entities behind the first hop that are looked at.
    private static let entityLimit = 32
    private static let edgeLimit = 512
    private static let neighbourLimit = 64

    private let reader: CollectionReader

    init(_ reader: CollectionReader) { self.reader = reader }

    /// - Parameter hops: 1: relations of the query's entities; 2: also those of their neighbours.
    func search(_ query: String, hops: Int, count: Int, allowed: Set<Int64>? = nil) throws -> [Hit] {
        let (entities, words) = try link(query)
        let named = Set(entities)
        var scores: [Int64: Double] = [:]
        var further: [Int64: Double] = [:]
        var chunks: [Int64: Int64] = [:]
        for entity in entities {
            var neighbours: [Int64: Double] = [:]
            for (edge, score) in try scored(entity, words, factor: 1) {
                scores[edge.id, default: 0] += score
                chunks[edge.id] = edge.chunk
                if !named.contains(edge.other) { neighbours[edge.other] = max(neighbours[edge.other] ?? 0, score) }
            }
            guard hops > 1 else { continue }
            let best = neighbours.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
            for (neighbour, score) in best.prefix(GraphSearch.neighbourLimit) {
                for (edge, score) in try scored(neighbour, words, factor: score / 2, from: entity) {
                    further[edge.id] = max(further[edge.id] ?? 0, score)
                    chunks[edge.id] = edge.chunk
                }
            }
        }
        // A relation between two entities of the query counts for both.
        scores.merge(further) { max($0, $1) }
        return GraphSearch.hits(scores, chunks, count: count, allowed: allowed)
    }

    private static func hits(
        _ scores: [Int64: Double], _ chunks: [Int64: Int64], count: Int, allowed: Set<Int64>?
    ) -> [Hit] {
        var byChunk: [Int64: [Double]] = [:]
        for (edge, score) in scores {
            if let chunk = chunks[edge], allowed?.contains(chunk) ?? true { byChunk[chunk, default: []].append(score) }
        }
        let hits = byChunk.map { chunk, scores in
            Hit(chunk: chunk, score: scores.sorted(by: >).reversed().reduce(0) { $0 / 2 + $1 })
        }
        return Array(hits.sorted(by: Hit.precedes).prefix(count))
    }

    /// The entities that a query names, the longest names first where they overlap, and the other words.
    private func link(_ query: String) throws -> (entities: [Int64], words: [String]) {
        let terms = EntityName.terms(query)
        var entities: [Int64] = []
        var words: [String] = []
        var index = 0
        while index < terms.count, entities.count < GraphSearch.entityLimit {
            var length = min(GraphSearch.nameLimit, terms.count - index)
            while length > 0 {
                let name = terms[index..<index + length]
                if !name.allSatisfy(FunctionWords.all.contains),
                    let entity = try reader.entity(name.joined(separator: " "))
                {
                    if !entities.contains(entity) { entities.append(entity) }
                    break
                }
                length -= 1
            }
            if length == 0, !FunctionWords.all.contains(terms[index]) { words.append(terms[index]) }
            index += max(length, 1)
        }
        return (entities, words)
    }

    /// The relations of an entity with their scores.
    /// - Parameter origin: where the walk came from; what leads back there is left out.
    private func scored(
        _ entity: Int64, _ words: [String], factor: Double, from origin: Int64? = nil
    ) throws -> [(edge: GraphEdge, score: Double)] {
        let (edges, count) = try reader.edges(of: entity, limit: GraphSearch.edgeLimit)
        let onward = edges.filter { $0.other != origin }
        // The relations that led here do not count; of those past the limit nothing is known.
        let degree = max(count - (edges.count - onward.count), 1)
        return onward.map { edge in
            (edge, factor * (1 + GraphSearch.share(of: edge.name, in: words)) / log2(1 + Double(degree)))
        }
    }

    /// The share of a relation's words that a query has; words count as the same where they begin alike.
    private static func share(of name: String, in words: [String]) -> Double {
        let terms = FunctionWords.contentWords(EntityName.terms(name))
        guard !terms.isEmpty else { return 0 }
        let known = terms.filter { term in words.contains { isAlike(term, $0) } }
        return Double(known.count) / Double(terms.count)
    }

    private static func isAlike(_ first: String, _ second: String) -> Bool {
        first == second || (first.count >= 5 && second.count >= 5 && first.prefix(5) == second.prefix(5))
    }
}
