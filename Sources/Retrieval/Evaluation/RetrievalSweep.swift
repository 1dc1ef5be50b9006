internal import Inference

/// What a sweep varies: one parameter with its values, as `mode=lexical,hybrid` or `k=5,10`.
public struct SweepAxis: Sendable, Hashable {
    public enum Parameter: String, Sendable, CaseIterable {
        /// The ways to search; a value may end in `+rerank`.
        case mode
        /// How many documents of a ranking count.
        case k
        case k1, b
        /// The weight of BM25 against that of the vectors.
        case lexicalWeight = "lexical-weight"
        /// How arms are fused: `rrf`, `distribution`.
        case fusion
        /// How vectors are compared: `exact`, `ivf:8`, `hnsw:64`.
        case vectors
        /// Tokens of a chunk. The documents are indexed again for each value.
        case chunkTokens = "chunk-tokens"
    }

    public var parameter: Parameter
    public var values: [String]

    /// - Throws: ``RetrievalError/invalidParameter(name:value:expected:)``.
    public init(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        let names = Parameter.allCases.map(\.rawValue).joined(separator: ", ")
        guard parts.count == 2, let parameter = Parameter(rawValue: parts[0]) else {
            throw RetrievalError.invalidParameter(
                name: "--sweep", value: text, expected: "NAME=VALUE,VALUE… with a name of \(names)")
        }
        self.parameter = parameter
        values = parts[1].split(separator: ",").map(String.init)
        var point = SweepPoint(options: SearchOptions(mode: .lexical), k: 1)
        guard !values.isEmpty, Set(values).count == values.count else {
            throw RetrievalError.invalidParameter(
                name: "--sweep", value: text, expected: "different values behind the '='")
        }
        for value in values { try point.set(parameter, value) }
    }
}

/// One setting of a sweep.
public struct SweepPoint: Sendable {
    public var options: SearchOptions
    public var k: Int
    /// Tokens of a chunk; `nil`: the collection as it is.
    public var chunkTokenCount: Int?
    /// The values that differ from point to point, for tables.
    public var values: [(parameter: SweepAxis.Parameter, value: String)] = []

    public init(options: SearchOptions, k: Int) {
        self.options = options
        self.k = k
    }

    public var label: String {
        values.map { $0.parameter == .mode ? $0.value : "\($0.parameter.rawValue) \($0.value)" }
            .joined(separator: ", ")
    }

    /// Every combination of the axes' values. Chunk sizes vary slowest, so that documents are indexed anew rarely.
    public static func all(_ axes: [SweepAxis], from base: SweepPoint) throws -> [SweepPoint] {
        let ordered = axes.filter { $0.parameter == .chunkTokens } + axes.filter { $0.parameter != .chunkTokens }
        return try ordered.reduce([base]) { points, axis in
            try points.flatMap { point in
                try axis.values.map { value in
                    var point = point
                    try point.set(axis.parameter, value)
                    return point
                }
            }
        }
    }

    mutating func set(_ parameter: SweepAxis.Parameter, _ value: String) throws {
        func number<Number: LosslessStringConvertible & Comparable>(_ range: ClosedRange<Number>) throws -> Number {
            guard let number = Number(value), range.contains(number) else {
                throw RetrievalError.invalidParameter(
                    name: "--sweep \(parameter.rawValue)", value: value,
                    expected: "\(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        switch parameter {
        case .mode: try setMode(value)
        case .k: k = try number(1...100_000)
        case .k1:
            if case .bm25(_, let b) = options.scoring { options.scoring = .bm25(k1: try number(0...1000), b: b) }
        case .b:
            if case .bm25(let k1, _) = options.scoring { options.scoring = .bm25(k1: k1, b: try number(0...1)) }
        case .lexicalWeight: options.lexicalWeight = try number(0...1000)
        case .fusion:
            guard ["rrf", "distribution"].contains(value) else {
                throw RetrievalError.invalidParameter(
                    name: "--sweep fusion", value: value, expected: "rrf or distribution")
            }
            options.fusion = value == "rrf" ? .reciprocalRank() : .distribution
        case .vectors:
            guard let search = VectorSearch(value) else {
                throw RetrievalError.invalidParameter(
                    name: "--sweep vectors", value: value, expected: "exact, ivf, hnsw, or as hnsw:64")
            }
            options.vectorSearch = search
        case .chunkTokens: chunkTokenCount = try number(8...(1 << 20))
        }
        values.append((parameter, value))
    }

    private mutating func setMode(_ value: String) throws {
        let suffix = "+rerank"
        options.reranks = value.hasSuffix(suffix)
        let name = options.reranks ? String(value.dropLast(suffix.count)) : value
        guard let mode = SearchMode(rawValue: name) else {
            let names = SearchMode.allCases.map(\.rawValue).joined(separator: ", ")
            throw RetrievalError.invalidParameter(
                name: "--sweep mode", value: value, expected: "\(names), each also with \(suffix)")
        }
        options.mode = mode
    }
}

/// How well and how fast one setting searches.
public struct SweepResult: Sendable {
    public var point: SweepPoint
    public var evaluation: RetrievalEvaluation.Result
    /// The share of an exact search's first k documents that an approximate one finds; `nil` for an exact search.
    public var recallOfExact: Double?

    public init(point: SweepPoint, evaluation: RetrievalEvaluation.Result) {
        self.point = point
        self.evaluation = evaluation
    }

    public var secondsPerQuery: Double {
        evaluation.seconds.reduce(0, +) / Double(max(evaluation.seconds.count, 1))
    }

    public func interval(_ measure: KeyPath<RetrievalMetrics, Double>) -> ClosedRange<Double> {
        Resampling.interval(evaluation.queries.map { $0.metrics[keyPath: measure] })
    }

    /// The share of the first k documents of `exact` that this one ranks among its first k too, over all queries.
    public func recall(of exact: RetrievalEvaluation.Result) -> Double {
        var (found, wanted) = (0, 0)
        for (own, other) in zip(evaluation.rankings, exact.rankings) {
            let first = Set(other.ranking.prefix(point.k))
            found += first.intersection(own.ranking.prefix(point.k)).count
            wanted += first.count
        }
        return wanted == 0 ? 1 : Double(found) / Double(wanted)
    }
}
