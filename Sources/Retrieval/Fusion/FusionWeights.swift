package import JSONCore

/// How much each arm counts in a learned fusion, and how well that ranked the queries it was learned from.
public struct FusionWeights: Sendable, Hashable {
    /// Shares of 1; an arm that is not named counts nothing.
    public var weights: [SearchArm: Double]
    /// The cut-off of the nDCG that was raised.
    public var k: Int
    public var queryCount: Int
    /// Over the queries it was learned from.
    public var ndcg: Double
    /// The same where each query is ranked by weights that were learned from other queries; `nil`: too few queries.
    public var crossValidatedNDCG: Double?

    public init(
        weights: [SearchArm: Double], k: Int = 10, queryCount: Int = 0, ndcg: Double = 0,
        crossValidatedNDCG: Double? = nil
    ) {
        self.weights = weights
        self.k = k
        self.queryCount = queryCount
        self.ndcg = ndcg
        self.crossValidatedNDCG = crossValidatedNDCG
    }

    /// Reads what ``json`` wrote.
    /// - Throws: ``RetrievalError/invalidLine(path:line:reason:)``.
    public init(parsing text: String, path: String) throws {
        func failure(_ reason: String) -> RetrievalError { .invalidLine(path: path, line: 1, reason: reason) }
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: Array(text.utf8), source: path).root
        } catch {
            throw failure("not JSON (\(error))")
        }
        guard let members = root["weights"]?.object else {
            throw failure("expected an object with \"weights\", as --fit-fusion writes it")
        }
        var weights: [SearchArm: Double] = [:]
        for member in members {
            guard let arm = SearchArm(rawValue: member.key) else {
                let names = SearchArm.allCases.map(\.rawValue).joined(separator: ", ")
                throw failure("there is no arm '\(member.key)'; expected \(names)")
            }
            guard let weight = member.value.double, weight >= 0 else {
                throw failure("the weight of '\(member.key)' is no number from 0")
            }
            weights[arm] = weight
        }
        guard weights.values.contains(where: { $0 > 0 }) else { throw failure("no arm has a weight above 0") }
        self.init(
            weights: weights, k: root["k"]?.int ?? 10, queryCount: root["queries"]?.int ?? 0,
            ndcg: root["ndcg"]?.double ?? 0, crossValidatedNDCG: root["cross_validated_ndcg"]?.double)
    }

    /// One JSON object: `weights` by arm, `k`, `queries`, `ndcg`, `cross_validated_ndcg`.
    public var json: String {
        get throws {
            var writer = JSONWriter()
            try write(to: &writer)
            return writer.text
        }
    }

    package func write(to writer: inout JSONWriter) throws {
        writer.beginObject()
        writer.key("weights")
        writer.beginObject()
        for (arm, weight) in sorted { try writer.member(arm.rawValue, weight) }
        writer.endObject()
        writer.member("k", k)
        writer.member("queries", queryCount)
        try writer.member("ndcg", ndcg)
        if let crossValidatedNDCG { try writer.member("cross_validated_ndcg", crossValidatedNDCG) }
        writer.endObject()
    }

    /// In the order of the arms.
    public var sorted: [(arm: SearchArm, weight: Double)] {
        SearchArm.allCases.compactMap { arm in weights[arm].map { (arm, $0) } }
    }
}
