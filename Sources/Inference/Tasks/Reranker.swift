internal import ModelIO
internal import Models
public import TensorCore

/// How relevant a document is for a query.
public struct RankedDocument: Sendable, Hashable {
    /// Its place among the documents given.
    public var index: Int
    public var score: Double
}

/// Orders documents by how well they answer a query: a cross-encoder reads each with the query. Texts over the model's
/// limit are cut.
public struct Reranker: TextTask {
    private let encoder: TextEncoder
    private let givesLogits: Bool

    /// Loads a model. Blocks.
    /// - Parameter givesLogits: whether scores are the model's own numbers rather than their sigmoid.
    /// - Throws: `InferenceError`, also for a classifier of several labels; `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, givesLogits: Bool = false,
        options: TaskOptions = TaskOptions()
    ) throws {
        try package.require([.sequenceClassification], for: "rerank")
        let labelCount = try package.describeEncoder().labels.count
        guard labelCount == 1 else {
            throw InferenceError.wrongTask(
                path: package.name, architecture: package.configuration.architectures.first ?? "model",
                does: "chooses between \(labelCount) labels", command: "rerank", fitting: "classify --pair")
        }
        var options = options
        options.truncates = true
        encoder = try TextEncoder(
            package, on: backend, tasks: [.sequenceClassification], command: "rerank", options: options)
        self.givesLogits = givesLogits
    }

    /// The score of each document with its query: `TextPair(query, pair: document)`.
    public func run(_ pairs: [TextPair]) throws -> [Double] {
        try encoder.logits(of: pairs.map { try encoder.input(for: $0) }).map { logits in
            givesLogits ? Double(logits[0]) : Probabilities.sigmoid(logits[0])
        }
    }

    /// The documents, most relevant first; of equal ones the first.
    public func rank(query: String, documents: [String]) throws -> [RankedDocument] {
        let scores = try run(documents.map { TextPair(query, pair: $0) })
        return scores.greatestIndices(scores.count).map { RankedDocument(index: $0, score: scores[$0]) }
    }
}
