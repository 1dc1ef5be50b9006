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
    private let encoder: TextEncoder
    private let needsPair: Bool

    /// Loads a model. Blocks.
    /// - Parameter activation: `nil`: as the configuration's `problem_type` says.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, activation: Activation? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        encoder = try TextEncoder(
            package, on: backend, tasks: [.sequenceClassification, .nextSentence], command: "classify",
            options: options)
        needsPair = encoder.description.task == .nextSentence
        // Of BERT's next-sentence head, the first output says that the second text follows.
        labels = needsPair ? ["is_next", "not_next"] : encoder.description.labels
        self.activation =
            try activation ?? (needsPair ? .softmax : Classifier.activation(package.configuration, labels.count))
    }

    /// As `transformers` chooses it.
    static func activation(_ configuration: ModelConfiguration, _ labelCount: Int) throws -> Activation {
        switch try configuration.keys.optionalString("problem_type") {
        case "regression": .none
        case "multi_label_classification": .sigmoid
        case "single_label_classification": .softmax
        case nil: labelCount == 1 ? .sigmoid : .softmax
        case let name?:
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "problem_type", value: name,
                supported: ["regression", "single_label_classification", "multi_label_classification"])
        }
    }

    /// All labels of each text, best first.
    /// - Throws: `InferenceError`; `.missingPair` where the model takes two texts.
    public func run(_ texts: [TextPair]) throws -> [[LabelScore]] {
        let inputs = try texts.map { text in
            if needsPair, text.pair == nil { throw InferenceError.missingPair(path: encoder.name) }
            return try encoder.input(for: text)
        }
        return try encoder.logits(of: inputs).map { logits in
            let scores =
                switch activation {
                case .softmax: Probabilities.softmax(logits)
                case .sigmoid: logits.map { Probabilities.sigmoid($0) }
                case .none: logits.map(Double.init)
                }
            return scores.greatestIndices(scores.count).map { LabelScore(label: labels[$0], score: scores[$0]) }
        }
    }
}
