internal import ModelIO
internal import Models
public import TensorCore

/// How relevant a document is for a query.
public struct RankedDocument: Sendable, Hashable {
    /// Its place among the documents given.
    public var index: Int
    public var score: Double
}

/// Orders documents by how well they answer a query: a cross-encoder reads each with the query, or a decoder is asked for
/// each whether it does (Qwen3-Reranker). Texts over the model's limit are cut.
public struct Reranker: TextTask {
    private var encoder: TextEncoder
    private let givesLogits: Bool
    private let question: RelevanceQuestion?
    /// `[D]`: what makes a number of a decoder's last hidden state.
    private let scoreWeight: [Float]?

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - givesLogits: whether scores are the model's own numbers rather than their sigmoid.
    ///   - instruction: what a decoder is told to look for; `nil`: the usual one of Qwen3-Reranker.
    /// - Throws: `InferenceError`, also for a classifier of several labels; `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, givesLogits: Bool = false, instruction: String? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        var options = options
        options.truncates = true
        self.givesLogits = givesLogits
        if package.kind == .decoder {
            _ = try package.describe()
            let question = try RelevanceQuestion(package, instruction: instruction)
            if package.configuration.architectures.first?.hasSuffix("ForSequenceClassification") == true {
                encoder = try TextEncoder(decoder: package, on: backend, output: .lastState, options: options)
                let size = encoder.description.hiddenSize
                let weights = WeightLoader(package.checkpoint)
                scoreWeight = try weights.floats(weights.tensor("score.weight", shape: [1, size]))
            } else {
                encoder = try TextEncoder(
                    decoder: package, on: backend, output: .lastLogits([question.no, question.yes]), options: options)
                scoreWeight = nil
            }
            self.question = question
            return
        }
        try package.require([.sequenceClassification], for: "rerank")
        let labelCount = try package.describeEncoder().labels.count
        guard labelCount == 1 else {
            throw InferenceError.wrongTask(
                path: package.name, architecture: package.configuration.architectures.first ?? "model",
                does: "chooses between \(labelCount) labels", command: "rerank", fitting: "classify --pair")
        }
        guard instruction == nil else {
            throw InferenceError.invalidParameter(
                name: "--instruction", value: instruction ?? "", expected: "none: the model is no decoder")
        }
        encoder = try TextEncoder(
            package, on: backend, tasks: [.sequenceClassification], command: "rerank", options: options)
        question = nil
        scoreWeight = nil
    }

    /// The score of each document with its query: `TextPair(query, pair: document)`.
    public func run(_ pairs: [TextPair]) throws -> [Double] {
        let inputs = try pairs.map { pair in
            try question?.input(for: pair, maximumLength: encoder.maximumLength) ?? encoder.input(for: pair)
        }
        return try encoder.logits(of: inputs).map { values in
            let logit: Double
            if let scoreWeight {
                logit = VectorMath.dot(values[...], scoreWeight[...])
            } else {
                // The sigmoid of the difference is the share of "yes" in both answers.
                logit = question == nil ? Double(values[0]) : Double(values[1]) - Double(values[0])
            }
            return givesLogits ? logit : Probabilities.sigmoid(Float(logit))
        }
    }

    /// The documents, most relevant first; of equal ones the first.
    public func rank(query: String, documents: [String]) throws -> [RankedDocument] {
        let scores = try run(documents.map { TextPair(query, pair: $0) })
        return scores.greatestIndices(scores.count).map { RankedDocument(index: $0, score: scores[$0]) }
    }
}

extension Reranker: ReadingTask {
    package var maximumTokenCount: Int { encoder.maximumLength }

    package func reading(_ reading: TextReading) -> Reranker {
        var reranker = self
        reranker.encoder = TextEncoder(encoder, reading: reading)
        return reranker
    }
}
