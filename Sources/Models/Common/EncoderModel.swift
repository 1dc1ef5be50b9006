internal import ModelIO
public import TensorCore

/// What the head on an encoder computes, as the class of its checkpoint says.
public enum EncoderTask: String, Sendable, Hashable, CaseIterable {
    /// No head: the hidden states, and where there is a pooler what it makes of the first one.
    case hiddenStates
    /// A token for each place, as for masked ones.
    case maskedLanguageModel
    /// Whether the second of two texts follows on the first.
    case nextSentence
    /// One of some labels, or a score, for the whole text.
    case sequenceClassification
    /// A label for each token.
    case tokenClassification
    /// Where in the text an answer starts and ends.
    case questionAnswering
}

/// The sizes of an encoder that the engine and the command line need.
public struct EncoderDescription: Sendable, Hashable {
    /// How tokens are numbered for the position embedding.
    public enum Positions: Sendable, Hashable {
        /// From 0 on.
        case counted
        /// From `padding + 1` on, without the tokens that are `padding`, which all stand at `padding`; by the ids,
        /// whatever a mask says. (RoBERTa)
        case behindPadding(id: Int)

        /// The position of each token of a text.
        func number(_ tokens: [Int]) -> [Int] {
            switch self {
            case .counted: return Array(tokens.indices)
            case .behindPadding(let id):
                var last = id
                return tokens.map { token in
                    guard token != id else { return id }
                    last += 1
                    return last
                }
            }
        }
    }

    /// The `model_type` of the configuration.
    public var architecture: String
    public var task: EncoderTask
    public var layerCount: Int
    /// Features of the residual stream.
    public var hiddenSize: Int
    public var headCount: Int
    /// Elements of a head.
    public var headSize: Int
    public var intermediateSize: Int
    public var vocabularySize: Int
    /// Kinds of segments (`token_type_ids`); 0: the model knows none.
    public var segmentCount: Int
    public var positions: Positions
    /// Rows of the position embedding.
    public var positionCount: Int
    /// What the columns of a classification stand for; empty for other tasks.
    public var labels: [String]
    /// Whether layers see the tokens around them alone, or look at distances. The tokens of a text must then lie without
    /// gaps.
    public var seesWindow = false
    /// Rows of vectors for distances that queries or keys are multiplied with; 0: none.
    public var distanceRowCount = 0
    /// Features of the embeddings, where they are projected to `hiddenSize`; `nil`: the same.
    public var embeddingSize: Int?

    /// Tokens of the longest text without padding.
    public var maxTokenCount: Int {
        switch positions {
        case .counted: positionCount
        case .behindPadding(let id): max(positionCount - id - 1, 0)
        }
    }

    /// The position of each token of a text.
    public func positions(of tokens: [Int]) -> [Int] { positions.number(tokens) }

    /// Whether the answer is made of the first token, so that it is wanted though a mask hides it.
    public var readsFirstToken: Bool {
        switch task {
        case .hiddenStates: !seesWindow
        case .nextSentence, .sequenceClassification: true
        case .maskedLanguageModel, .tokenClassification, .questionAnswering: false
        }
    }

    /// Columns of the widest output.
    public var outputSize: Int {
        switch task {
        case .maskedLanguageModel: vocabularySize
        case .nextSentence, .questionAnswering: 2
        case .sequenceClassification, .tokenClassification: labels.count
        case .hiddenStates: hiddenSize
        }
    }

    /// Bytes of the intermediate results of a pass of `tokenCount` tokens, outputs included.
    public func activationByteCount(tokenCount: Int) -> Int {
        let perToken =
            5 * hiddenSize + (embeddingSize ?? 0) + intermediateSize + 2 * headCount * distanceRowCount
            + (task == .maskedLanguageModel ? vocabularySize : 0)
        let product = tokenCount.multipliedReportingOverflow(by: perToken * MemoryLayout<Float>.size)
        return product.overflow ? .max : product.partialValue
    }

    /// The scratch that a backend must reserve for passes of this model.
    public func limits(tokenCount: Int, sequenceCount: Int) -> ExecutionLimits {
        ExecutionLimits(
            tokenCount: tokenCount, sequenceCount: sequenceCount, contextLength: 1,
            featureCount: max(
                3 * hiddenSize, embeddingSize ?? 0, 2 * intermediateSize, outputSize, headCount * distanceRowCount),
            matmulInputCount: max(hiddenSize, embeddingSize ?? 0, intermediateSize), headCount: headCount,
            headSize: headSize,
            readsWholeTexts: true)
    }
}

extension EncoderDescription {
    /// A decoder of which the hidden states are wanted, as an encoder without a head.
    package init(_ decoder: DecoderDescription, labels: [String] = []) {
        self.init(
            architecture: decoder.architecture, task: labels.isEmpty ? .hiddenStates : .sequenceClassification,
            layerCount: decoder.layerCount, hiddenSize: decoder.hiddenSize, headCount: decoder.headCount,
            headSize: decoder.headSize, intermediateSize: decoder.intermediateSize,
            vocabularySize: decoder.vocabularySize, segmentCount: 0, positions: Positions.counted,
            positionCount: decoder.maxContextLength, labels: labels)
    }
}

/// A named result of an encoder, on the device until the next pass.
public struct EncoderOutput: Sendable {
    /// What its rows belong to.
    public enum Rows: Sendable, Hashable {
        /// A row a token of the batch.
        case tokens
        /// A row a sequence of the batch.
        case sequences
        /// A row a token of the target text, of models that have one.
        case targets
    }

    /// As Hugging Face names it: `last_hidden_state`, `pooler_output`, `logits`, `start_logits`, `end_logits`.
    public let name: String
    public let rows: Rows
    /// `[R, C]` float32; rows may be strided.
    public let values: Tensor
    /// Whether each row is one number rather than a vector of one.
    public let isScalar: Bool

    init(_ name: String, _ rows: Rows, _ values: Tensor, isScalar: Bool = false) {
        self.name = name
        self.rows = rows
        self.values = values
        self.isScalar = isScalar
    }
}

/// An encoder whose weights lie on a backend: every token of a text sees every other one.
public protocol EncoderModel: AnyObject, Sendable {
    var description: EncoderDescription { get }

    /// Computes the outputs of a batch. Does not block; what is returned is overwritten by the next call.
    /// - Throws: `BackendError`.
    func forward(_ batch: EncoderBatch) throws -> [EncoderOutput]

    /// The model with activations of its own, to compute beside this one. Weights are shared.
    /// - Parameter backend: a lane of the backend that the weights lie on.
    func twin(on backend: any Backend) throws -> any EncoderModel
}
