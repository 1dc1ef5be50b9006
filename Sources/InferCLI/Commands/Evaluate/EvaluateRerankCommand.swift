import ArgumentParser
import CommandSupport
import Inference

/// `infer evaluate rerank`: orders of documents against judgements.
struct EvaluateRerankCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rerank",
        abstract: "Measures a reranker: hit rate, recall, MRR, MAP and nDCG by TREC's definitions.",
        discussion: """
            --data holds JSON objects with query, positive and negative (texts), or with query, documents and relevance \
            (numbers), or one pair each with query, document and label, which are put together by their query.
            """)

    @OptionGroup var evaluation: EvaluationOptions
    @Option(name: [.customShort("k"), .long], parsing: .unconditional, help: "Documents of a ranking that count.")
    var k = 10
    @OptionGroup(title: "Model") var model: ModelOptions

    private struct Example {
        var query: String
        var documents: [String]
        var relevance: [Double]
    }

    private static let documentFields = ["document", "passage", "text", "pair"]
    private static let labelFields = ["label", "relevance", "score"]

    func validate() throws { try OptionRange.check("--k", k, in: 1...100_000) }

    func run() async throws {
        let all = try self.examples()
        // As TREC's programs do, queries without a relevant document are left out.
        let examples = all.filter { $0.relevance.contains { $0 > 0 } }
        guard !examples.isEmpty else {
            throw InputError.unreadable(name: evaluation.data, reason: "no query has a relevant document")
        }
        let package = try model.openPackage()
        let task = try Reranker(package, on: try model.makeBackend(), givesLogits: true, options: model.taskOptions())
        let pairs = examples.flatMap { example in example.documents.map { TextPair(example.query, pair: $0) } }
        let scores = try evaluation.answers(pairs) { try task.run($0) }
        var start = 0
        let values = examples.map { example in
            let end = start + example.documents.count
            defer { start = end }
            return RankingMetrics.values(scores: Array(scores[start..<end]), relevance: example.relevance, k: k)
        }
        let measures = Resampling.measures(count: values.count, rounds: evaluation.resamples) { sample in
            RankingMetrics.measures(sample.map { values[$0] })
        }
        try EvaluationReport(
            exampleCount: values.count, measures: measures,
            counts: [("k", k), ("documents", pairs.count), ("queries_without_relevant", all.count - examples.count)]
        ).print(json: evaluation.json)
    }

    private func examples() throws -> [Example] {
        var examples: [Example] = []
        var places: [String: Int] = [:]
        for record in try evaluation.records() {
            guard let queryKey = record.first(of: ["query", "question"]) else { throw record.missing(["query"]) }
            let query = try record.text(queryKey)
            if record.has("positive") {
                let positive = try record.texts("positive")
                let negative = record.has("negative") ? try record.texts("negative") : []
                examples.append(
                    Example(
                        query: query, documents: positive + negative,
                        relevance: positive.map { _ in 1 } + negative.map { _ in 0 }))
            } else if let key = record.first(of: ["documents", "passages"]) {
                examples.append(try listed(query, key, record))
            } else {
                guard let document = record.first(of: Self.documentFields) else {
                    throw record.missing(["positive", "documents", "document"])
                }
                guard let label = record.first(of: Self.labelFields) else { throw record.missing(Self.labelFields) }
                let place = places[query] ?? examples.count
                if place == examples.count { examples.append(Example(query: query, documents: [], relevance: [])) }
                places[query] = place
                examples[place].documents.append(try record.text(document))
                examples[place].relevance.append(try record.number(label))
            }
        }
        return examples
    }

    private func listed(_ query: String, _ key: String, _ record: EvaluationRecord) throws -> Example {
        let documents = try record.texts(key)
        guard let relevanceKey = record.first(of: ["relevance", "labels", "scores"]) else {
            throw record.missing(["relevance"])
        }
        let relevance = try record.texts(relevanceKey).map { text in
            guard let number = Double(text), number.isFinite else {
                throw record.invalid("'\(relevanceKey)' holds '\(text.prefix(40))', expected numbers")
            }
            return number
        }
        guard relevance.count == documents.count else {
            throw record.invalid("has \(documents.count) documents but \(relevance.count) numbers of relevance")
        }
        return Example(query: query, documents: documents, relevance: relevance)
    }
}
