internal import ModelIO
internal import Models
internal import TensorCore
internal import Tokenization

/// How a task loads its model and treats its texts.
public struct TaskOptions: Sendable {
    /// Formats and precision of the model; `contextLength` bounds the texts.
    public var engine: EngineOptions
    /// Whether texts over the limit are cut; else they are an error. Embedding and reranking always cut.
    public var truncates: Bool

    public init(engine: EngineOptions = EngineOptions(), truncates: Bool = false) {
        self.engine = engine
        self.truncates = truncates
    }
}

/// A text, or two that belong together.
public struct TextPair: Sendable, Hashable, ExpressibleByStringLiteral {
    public var text: String
    public var pair: String?

    public init(_ text: String, pair: String? = nil) {
        self.text = text
        self.pair = pair
    }

    public init(stringLiteral value: String) { self.init(value) }
}

/// An encoder with its tokenizer: what the tasks have in common. Texts are sorted by length and share passes without
/// padding.
final class TextEncoder: Sendable {
    let name: String
    let tokenizer: Tokenizer
    let description: EncoderDescription
    /// Tokens of the longest text, special ones included.
    let maximumLength: Int
    let truncates: Bool
    private let pass: any TextPass
    /// Where the tokens of passes are counted; `nil`: nowhere.
    private let tally: TokenTally?

    /// Texts and tokens whose results are on the host at once, unless a pass takes more.
    private static let groupTextCount = 512
    private static let groupTokenCount = 8192
    /// Texts that one thread cuts into tokens at a time.
    private static let taskTextCount = 32

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - tasks: the heads that the caller can work with.
    ///   - limit: tokens of the longest text, where the caller knows of one.
    /// - Throws: `InferenceError.wrongTask` for a model that does something else; `LoadError`, `BackendError`.
    init(
        _ package: ModelPackage, on backend: any Backend, tasks: Set<EncoderTask>, command: String,
        options: TaskOptions, limit: Int? = nil
    ) throws {
        try package.require(tasks, for: command)
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        let description = try package.describeEncoder()
        var maximum = description.maxTokenCount
        for bound in [tokenizer.configuration.maximumLengthInTokens, limit].compactMap({ $0 }) where bound > 0 {
            maximum = min(maximum, bound)
        }
        if let asked = options.engine.contextLength {
            guard asked <= description.maxTokenCount else {
                throw InferenceError.contextTooLong(requested: asked, maximum: description.maxTokenCount)
            }
            maximum = min(maximum, asked)
        }
        maximumLength = maximum
        name = package.name
        truncates = options.truncates
        self.tokenizer = tokenizer
        self.description = description
        tally = nil
        pass = try EncoderPass(package, on: backend, longest: maximum, options: options.engine)
    }

    /// Loads a decoder whose hidden states, or whose logits of some tokens, are wanted. Blocks.
    /// - Parameter limit: tokens of the longest text, where the caller knows of one.
    init(
        decoder package: ModelPackage, on backend: any Backend, output: DecoderTextPass.Output, options: TaskOptions,
        limit: Int? = nil
    ) throws {
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        let description = EncoderDescription(try package.describe())
        var maximum = options.engine.contextLength ?? min(description.maxTokenCount, DecoderTextPass.usualTokenCount)
        guard maximum <= description.maxTokenCount else {
            throw InferenceError.contextTooLong(requested: maximum, maximum: description.maxTokenCount)
        }
        for bound in [tokenizer.configuration.maximumLengthInTokens, limit].compactMap({ $0 }) where bound > 0 {
            maximum = min(maximum, bound)
        }
        maximumLength = maximum
        name = package.name
        truncates = options.truncates
        self.tokenizer = tokenizer
        self.description = description
        tally = nil
        pass = try DecoderTextPass(package, on: backend, longest: maximum, output: output, options: options.engine)
    }

    /// The same model, with texts read in another way.
    init(_ other: TextEncoder, reading: TextReading) {
        name = other.name
        tokenizer = other.tokenizer
        description = other.description
        maximumLength = min(reading.truncation ?? other.maximumLength, other.maximumLength)
        truncates = reading.truncation != nil
        tally = reading.tally
        pass = other.pass
    }

    // MARK: Tokens

    /// A text as the model's input.
    /// - Throws: `InferenceError.textTooLong` where it is over the limit and is not to be cut, `.limitTooSmall` where the
    ///   special tokens alone are over it; `TokenizationError`.
    func input(for text: TextPair) throws -> EncoderInput {
        let truncation = Truncation(maximumLength: maximumLength)
        let (encoding, count) = try tokenizer.encode(text.text, pair: text.pair, truncation: truncation)
        guard truncates || count <= maximumLength else { throw tooLong(text.text, count) }
        guard encoding.ids.count <= maximumLength else {
            throw InferenceError.limitTooSmall(specialTokenCount: encoding.ids.count, maximum: maximumLength)
        }
        guard !encoding.ids.isEmpty else { throw InferenceError.emptyText }
        return input(encoding.ids, typeIDs: encoding.typeIDs)
    }

    /// Tokens as the model's input, with their segments where the tokenizer gives them to models that know several.
    func input(_ tokens: [Int], typeIDs: [Int]) -> EncoderInput {
        let givesSegments = description.segmentCount > 1 && tokenizer.configuration.givesSegments
        return EncoderInput(tokens: tokens, segments: givesSegments ? typeIDs : nil)
    }

    /// Texts as the model's inputs, in their order; many of them are cut into tokens by several threads.
    /// - Parameter prepare: what is made of each text first.
    /// - Throws: as ``input(for:)``.
    func inputs(for texts: [String], _ prepare: @Sendable (String) -> TextPair) throws -> [EncoderInput] {
        let parts = stride(from: 0, to: texts.count, by: TextEncoder.taskTextCount).map {
            $0..<min($0 + TextEncoder.taskTextCount, texts.count)
        }
        return try ConcurrentTasks.map(parts, on: pass.laneCount) { _, part in
            try texts[part].map { try input(for: prepare($0)) }
        }.flatMap { $0 }
    }

    /// Tokens of a text that is not cut, with the special ones.
    func tokenCount(of text: TextPair) throws -> Int {
        let truncation = Truncation(maximumLength: .max)
        return try tokenizer.encode(text.text, pair: text.pair, truncation: truncation).fullCount
    }

    /// A text as tokens that know where they came from, in windows where `stride` is given.
    /// - Throws: as ``input(for:)``.
    func windows(of text: TextPair, truncation: Truncation? = nil, stride: Int? = nil) throws -> [TokenizedText] {
        let truncation = truncation ?? Truncation(maximumLength: maximumLength)
        let isCut = truncates || stride != nil
        let windows = try tokenizer.encodeWithOffsets(
            text.text, pair: text.pair, truncation: isCut ? truncation : nil, stride: stride)
        if !isCut, let count = windows.first?.count, count > maximumLength { throw tooLong(text.text, count) }
        guard windows.allSatisfy({ $0.count > 0 }) else { throw InferenceError.emptyText }
        return windows
    }

    func tooLong(_ text: String, _ count: Int) -> InferenceError {
        .textTooLong(start: String(text.prefix(40)), tokenCount: count, maximum: maximumLength)
    }

    // MARK: Passes

    /// Runs texts in groups of similar length and hands on each one's outputs: by name, its rows one behind the other.
    /// - Parameter body: takes the index of the text and its outputs; texts come in no order.
    func run(_ inputs: [EncoderInput], _ body: (Int, TextOutputs) throws -> Void) throws {
        tally?.add(inputs.reduce(0) { $0 + $1.tokens.count })
        let order = inputs.indices.sorted { inputs[$0].tokens.count > inputs[$1].tokens.count }
        let most = max(TextEncoder.groupTokenCount, pass.usefulTokenCount)
        let mostTexts = TextEncoder.groupTextCount * most / TextEncoder.groupTokenCount
        var start = 0
        while start < order.count {
            var end = start
            var tokenCount = 0
            while end < order.count, end - start < mostTexts {
                let count = inputs[order[end]].tokens.count
                if end > start, tokenCount + count > most { break }
                tokenCount += count
                end += 1
            }
            let group = order[start..<end]
            let results = try pass.run(group.map { inputs[$0] })
            for (place, index) in group.enumerated() { try body(index, TextOutputs(results, place: place)) }
            start = end
        }
    }

    /// The first output of each text, in order.
    func logits(of inputs: [EncoderInput]) throws -> [[Float]] {
        var logits = [[Float]](repeating: [], count: inputs.count)
        try run(inputs) { logits[$0] = $1.first.values }
        return logits
    }
}

/// What computes the outputs of some texts, in their order: an encoder, or a decoder read like one.
protocol TextPass: Sendable {
    /// Tokens of as many texts as are worth handing over at once.
    var usefulTokenCount: Int { get }
    /// Threads that passes take beside each other, and texts that are cut into tokens.
    var laneCount: Int { get }

    func run(_ inputs: [EncoderInput]) throws -> [EncoderResult]
}

extension TextPass {
    var usefulTokenCount: Int { 0 }
    var laneCount: Int { 1 }
}

extension EncoderPass: TextPass {}

/// What an encoder says of one text.
struct TextOutputs {
    private let results: [EncoderResult]
    private let place: Int

    init(_ results: [EncoderResult], place: Int) {
        self.results = results
        self.place = place
    }

    /// Rows of `width` numbers.
    struct Rows {
        let width: Int
        let values: [Float]

        var count: Int { width > 0 ? values.count / width : 0 }

        subscript(row: Int) -> ArraySlice<Float> { values[row * width..<(row + 1) * width] }
    }

    var first: Rows { rows(results[0]) }

    subscript(name: String) -> Rows? { results.first { $0.name == name }.map(rows) }

    private func rows(_ result: EncoderResult) -> Rows { Rows(width: result.width, values: result.values[place]) }
}

extension ModelPackage {
    /// - Throws: `InferenceError.wrongTask` where the model does none of `tasks`.
    func require(_ tasks: Set<EncoderTask>, for command: String) throws {
        guard kind == .encoder, try tasks.contains(describeEncoder().task) else { throw try wrongTask(for: command) }
    }

    /// What to say where a command is given this model and it does something else.
    /// - Throws: `LoadError` where the model is not known at all, which comes before what it does.
    func wrongTask(for command: String) throws -> InferenceError {
        let own: (does: String, command: String)
        switch kind {
        case .decoder:
            _ = try describe()
            own = ("continues texts", "generate")
        case .encoderDecoder: own = ("writes one text after reading another", "translate")
        case .vision:
            let task = try visionPlan().description.task
            // One that knows texts classifies by any labels.
            own = (task.summary, command == "classify --image" && isCLIP ? command + " --labels" : task.command)
        case .encoder:
            let task = try describeEncoder().task
            own = (task.summary, task.command)
        }
        return .wrongTask(
            path: name, architecture: configuration.architectures.first ?? configuration.modelType, does: own.does,
            command: command, fitting: own.command)
    }
}

extension EncoderTask {
    /// What a model with this head does, in a few words.
    var summary: String {
        switch self {
        case .hiddenStates: "makes hidden states"
        case .maskedLanguageModel: "fills masks"
        case .nextSentence: "says whether a text follows on another"
        case .sequenceClassification: "classifies texts"
        case .tokenClassification: "labels tokens"
        case .questionAnswering: "finds answers in a text"
        }
    }

    /// The command that fits it.
    var command: String {
        switch self {
        case .hiddenStates: "embed"
        case .maskedLanguageModel: "fill-mask"
        case .nextSentence: "classify --pair"
        case .sequenceClassification: "classify"
        case .tokenClassification: "tag"
        case .questionAnswering: "answer"
        }
    }
}
