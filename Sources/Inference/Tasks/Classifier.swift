internal import JSONCore
internal import ModelIO
internal import Models
public import TensorCore

/// A label and how well it fits.
public struct LabelScore: Sendable, Hashable {
    public var label: String
    public var score: Double

    public init(label: String, score: Double) {
        self.label = label
        self.score = score
    }
}

/// Puts labels on texts or pairs of texts: one of several, any number of them, or a number; and says whether one text
/// follows on another.
public struct Classifier: TextTask {
    /// What makes scores of logits.
    public enum Activation: String, Sendable, Hashable, CaseIterable {
        /// One of the labels is right.
        case softmax
        /// Each label is right or wrong by itself.
        case sigmoid
        /// The logits are what is wanted (regression).
        case none
    }

    public let labels: [String]
    public let activation: Activation
    private var source: Source
    private let needsPair: Bool

    /// Where logits come from.
    private enum Source: Sendable {
        case encoder(TextEncoder)
        /// A linear layer on the vectors of an embedder.
        case embedder(Embedder, ClassifierHead)
        /// A linear layer on the means of word vectors.
        case words(WordVectors, ClassifierHead)
    }

    /// Loads a model. Blocks.
    /// - Parameter activation: `nil`: as the configuration's `problem_type` says.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, activation: Activation? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        let encoder = try TextEncoder(
            package, on: backend, tasks: [.sequenceClassification, .nextSentence], command: "classify",
            options: options)
        source = .encoder(encoder)
        needsPair = encoder.description.task == .nextSentence
        // Of BERT's next-sentence head, the first output says that the second text follows.
        labels = needsPair ? ["is_next", "not_next"] : encoder.description.labels
        self.activation =
            try activation ?? (needsPair ? .softmax : Classifier.activation(package.configuration, labels.count))
    }

    /// Loads an embedder whose vectors a head makes labels of. Blocks.
    /// - Parameter head: a safetensors file, see ``ClassifierHead``.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, head: String, on backend: any Backend, activation: Activation? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        let embedder = try Embedder(package, on: backend, options: options)
        let head = try ClassifierHead(path: head, inputSize: embedder.dimensions)
        source = .embedder(embedder, head)
        needsPair = false
        labels = head.labels
        self.activation = activation ?? head.activation
    }

    /// Static embeddings, of whose means a head makes labels.
    /// - Parameter head: a safetensors file, see ``ClassifierHead``.
    /// - Throws: `LoadError`.
    public init(_ vectors: WordVectors, head: String, activation: Activation? = nil) throws {
        let head = try ClassifierHead(path: head, inputSize: vectors.dimensions)
        source = .words(vectors, head)
        needsPair = false
        labels = head.labels
        self.activation = activation ?? head.activation
    }

    /// As `transformers` chooses it.
    static func activation(_ configuration: ModelConfiguration, _ labelCount: Int) throws -> Activation {
        switch try configuration.keys.optionalString("problem_type") {
        case "regression": .none
        case "multi_label_classification": .sigmoid
        // One label cannot be weighed against others.
        case nil, "single_label_classification": labelCount == 1 ? .sigmoid : .softmax
        case let name?:
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "problem_type", value: name,
                supported: ["regression", "single_label_classification", "multi_label_classification"])
        }
    }

    /// All labels of each text, best first.
    /// - Throws: `InferenceError`; `.missingPair` where the model takes two texts.
    public func run(_ texts: [TextPair]) throws -> [[LabelScore]] {
        try logits(of: texts).map { logits in
            let scores =
                switch activation {
                case .softmax: Probabilities.softmax(logits)
                case .sigmoid: logits.map { Probabilities.sigmoid($0) }
                case .none: logits.map(Double.init)
                }
            return scores.greatestIndices(scores.count).map { LabelScore(label: labels[$0], score: scores[$0]) }
        }
    }

    private func logits(of texts: [TextPair]) throws -> [[Float]] {
        switch source {
        case .encoder(let encoder):
            let inputs = try texts.map { text in
                if needsPair, text.pair == nil { throw InferenceError.missingPair(path: encoder.name) }
                return try encoder.input(for: text)
            }
            return try encoder.logits(of: inputs)
        case .embedder(let embedder, let head):
            return try embedder.run(Classifier.single(texts)).map { head.logits(of: $0.dense) }
        case .words(let vectors, let head):
            return try Classifier.single(texts).map { head.logits(of: vectors.embed($0)) }
        }
    }

    private static func single(_ texts: [TextPair]) throws -> [String] {
        if let text = texts.first(where: { $0.pair != nil }) {
            throw InferenceError.invalidParameter(
                name: "--pair", value: String((text.pair ?? "").prefix(40)), expected: "no pair with --head")
        }
        return texts.map(\.text)
    }
}

extension Classifier: ReadingTask {
    package var maximumTokenCount: Int {
        switch source {
        case .encoder(let encoder): encoder.maximumLength
        case .embedder(let embedder, _): embedder.maximumTokenCount
        case .words: .max
        }
    }

    package func reading(_ reading: TextReading) -> Classifier {
        var classifier = self
        switch source {
        case .encoder(let encoder): classifier.source = .encoder(TextEncoder(encoder, reading: reading))
        case .embedder(let embedder, let head): classifier.source = .embedder(embedder.reading(reading), head)
        case .words: break
        }
        return classifier
    }
}

/// A linear layer that makes labels of vectors, such as a logistic regression trained on them: a safetensors file with
/// `weight` `[L, D]` and `bias` `[L]`, whose metadata has `labels` as a JSON array of names; a `task` of `regression` makes it a
/// number.
struct ClassifierHead: Sendable {
    let labels: [String]
    /// How its numbers become scores, where nobody says otherwise.
    let activation: Classifier.Activation
    /// `[L, D]`
    private let weight: [Float]
    private let bias: [Float]

    /// - Throws: `LoadError` naming the file and the tensor.
    init(path: String, inputSize: Int) throws {
        let checkpoint = try Checkpoint(safetensors: path)
        let loader = WeightLoader(checkpoint, prefixes: ["linear.", ""])
        let count = loader.find("weight")?.shape.extents.first ?? 1
        weight = try loader.floats(loader.tensor("weight", shape: [count, inputSize]))
        bias = try loader.vector("bias", count: count)
        let isNumber = checkpoint.metadata["task"] == "regression"
        activation = isNumber ? .none : count == 1 ? .sigmoid : .softmax
        guard let text = checkpoint.metadata["labels"] else {
            labels = (0..<count).map { "LABEL_\($0)" }
            return
        }
        let names: [String]
        do {
            names = try JSONDocument(parsing: text, source: "\(path), labels").root.requireArray().map {
                try $0.requireString()
            }
        } catch let error as JSONError {
            throw LoadError.json(error)
        }
        guard names.count == count else {
            throw LoadError.invalidValue(
                path: path, key: "labels", expected: "\(count) names, one a row of weight", found: "\(names.count)")
        }
        labels = names
    }

    func logits(of vector: [Float]) -> [Float] {
        VectorMath.linear(vector.map(Double.init), weight: weight, bias: bias).map { Float($0) }
    }
}
