import Glibc

/// Learns the weights of a linear fusion from judged queries: coordinate ascent on the mean nDCG, one arm's share after
/// another. (Metzler and Croft, 2007, "Linear feature-based models for information retrieval")
public struct FusionTrainer {
    /// What the arms found for a judged query.
    public struct Example: Sendable {
        public var arms: [SearchArm: [Hit]]
        /// The document of each chunk among the hits.
        public var documents: [Int64: String]
        public var relevance: [String: Int]

        public init(arms: [SearchArm: [Hit]], documents: [Int64: String], relevance: [String: Int]) {
            self.arms = arms
            self.documents = documents
            self.relevance = relevance
        }
    }

    /// A query's chunks, those of a document side by side.
    private struct Query {
        /// `[chunks, arms]`
        var features: [Double] = []
        /// The document of each chunk, and the gain of each document.
        var documents: [Int] = []
        var gains: [Double] = []
        /// The discounted gains of the best order.
        var ideal = 0.0
    }

    private static let foldCount = 5
    private static let roundLimit = 8
    private static let steps = 20

    private let arms: [SearchArm]
    private let queries: [Query]
    private let k: Int
    private let discounts: [Double]

    private init(_ examples: [Example], k: Int) {
        self.k = k
        discounts = (0..<k).map { 1 / log2(Double($0 + 2)) }
        let used = Set(examples.flatMap(\.arms.keys))
        arms = SearchArm.allCases.filter(used.contains)
        let (arms, discounts) = (arms, discounts)
        queries = examples.map { FusionTrainer.query($0, arms, discounts) }
    }

    private static func query(_ example: Example, _ arms: [SearchArm], _ discounts: [Double]) -> Query {
        var rows: [Int64: [Double]] = [:]
        for (column, arm) in arms.enumerated() {
            let hits = example.arms[arm] ?? []
            let range = Fusion.range(hits)
            for hit in hits {
                rows[hit.chunk, default: [Double](repeating: 0, count: arms.count)][column] = range(hit.score)
            }
        }
        var query = Query()
        var known: [String: Int] = [:]
        let named = rows.map { (document: example.documents[$0.key] ?? "", chunk: $0.key, row: $0.value) }
        for (document, _, row) in named.sorted(by: { ($0.document, $0.chunk) < ($1.document, $1.chunk) }) {
            let place = known[document] ?? known.count
            if place == known.count {
                known[document] = place
                query.gains.append(Double(max(example.relevance[document] ?? 0, 0)))
            }
            query.documents.append(place)
            query.features += row
        }
        let best = example.relevance.values.filter { $0 > 0 }.sorted(by: >)
        query.ideal = zip(best, discounts).reduce(0) { $0 + Double($1.0) * $1.1 }
        return query
    }

    /// - Parameters:
    ///   - examples: queries with a judgement each.
    ///   - k: the cut-off of nDCG.
    /// - Throws: ``RetrievalError/invalidParameter(name:value:expected:)`` where there are fewer than two arms.
    public static func fit(_ examples: [Example], k: Int) throws -> FusionWeights {
        let trainer = FusionTrainer(examples, k: k)
        guard trainer.arms.count > 1 else {
            throw RetrievalError.invalidParameter(
                name: "--fit-fusion", value: trainer.arms.first?.rawValue ?? "no arm",
                expected: "a search by several arms (--mode hybrid)")
        }
        let all = Array(trainer.queries.indices)
        let weights = trainer.ascend(all)
        var validated: Double?
        if all.count >= 2 * foldCount {
            let sum = (0..<foldCount).reduce(0.0) { sum, fold in
                let weights = trainer.ascend(all.filter { $0 % foldCount != fold })
                return all.filter { $0 % foldCount == fold }.reduce(sum) { $0 + trainer.ndcg($1, weights) }
            }
            validated = sum / Double(all.count)
        }
        return FusionWeights(
            weights: Dictionary(uniqueKeysWithValues: zip(trainer.arms, weights)), k: k, queryCount: all.count,
            ndcg: trainer.mean(all, weights), crossValidatedNDCG: validated)
    }

    /// Raises the mean nDCG of some queries, from equal weights on.
    private func ascend(_ members: [Int]) -> [Double] {
        var weights = [Double](repeating: 1 / Double(arms.count), count: arms.count)
        var best = mean(members, weights)
        for _ in 0..<FusionTrainer.roundLimit {
            let before = best
            for arm in arms.indices {
                for width in [1.0, 0.1] {
                    let (moved, value) = search(arm, around: weights, width: width, members)
                    if value > best + 1e-12 { (weights, best) = (moved, value) }
                }
            }
            guard best > before + 1e-6 else { break }
        }
        return weights
    }

    /// Tries shares of one arm, the others keeping their proportions. Of shares that are equally good the middle one of the
    /// longest run is taken, which is the least likely to be chance.
    private func search(
        _ arm: Int, around weights: [Double], width: Double, _ members: [Int]
    ) -> (weights: [Double], value: Double) {
        let low = max(weights[arm] - width, 0)
        let high = min(weights[arm] + width, 1)
        let tried = (0...FusionTrainer.steps).map { step in
            FusionTrainer.moved(weights, arm, to: low + (high - low) * Double(step) / Double(FusionTrainer.steps))
        }
        let values = tried.map { mean(members, $0) }
        let best = values.max() ?? 0
        var (start, run) = (0, 0)
        var index = 0
        while index < values.count {
            let length = values[index...].prefix { $0 >= best - 1e-12 }.count
            if length > run { (start, run) = (index, length) }
            index += max(length, 1)
        }
        return (tried[start + run / 2], best)
    }

    private static func moved(_ weights: [Double], _ arm: Int, to share: Double) -> [Double] {
        let others = weights.reduce(0, +) - weights[arm]
        return weights.indices.map { index in
            if index == arm { return share }
            return others > 0 ? weights[index] / others * (1 - share) : (1 - share) / Double(weights.count - 1)
        }
    }

    private func mean(_ members: [Int], _ weights: [Double]) -> Double {
        members.isEmpty ? 0 : members.reduce(0) { $0 + ndcg($1, weights) } / Double(members.count)
    }

    private func ndcg(_ index: Int, _ weights: [Double]) -> Double {
        let query = queries[index]
        guard query.ideal > 0 else { return 0 }
        // The best documents so far, best first.
        var top: [(score: Double, gain: Double)] = []
        var chunk = 0
        while chunk < query.documents.count {
            let document = query.documents[chunk]
            var best = -Double.infinity
            while chunk < query.documents.count, query.documents[chunk] == document {
                var score = 0.0
                for arm in weights.indices { score += weights[arm] * query.features[chunk * weights.count + arm] }
                best = max(best, score)
                chunk += 1
            }
            if top.count == k, let last = top.last, last.score >= best { continue }
            if top.count == k { top.removeLast() }
            let place = top.firstIndex { $0.score < best } ?? top.count
            top.insert((best, query.gains[document]), at: place)
        }
        return zip(top, discounts).reduce(0) { $0 + $1.0.gain * $1.1 } / query.ideal
    }
}
