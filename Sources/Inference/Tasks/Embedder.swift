internal import Foundation
internal import ModelIO
internal import Models
public import TensorCore
internal import Tokenization

/// What an embedder says of a text.
public struct Embedding: Sendable {
    /// One vector.
    public var dense: [Float] = []
    /// A weight for each token id of the text, for models that have such a head.
    public var sparse: [Int: Double] = [:]
    /// A vector for each token but the first, for models that have such a head.
    public var colbert: [[Float]] = []
}

/// The kinds of vectors that an embedder can make of a text.
public enum EmbeddingKind: String, Sendable, Hashable, CaseIterable {
    case dense, sparse, colbert
}

/// Turns texts into vectors whose nearness is nearness of meaning, as `sentence-transformers` does (Reimers and Gurevych,
/// 2019). Texts over the model's limit are cut.
public struct Embedder: TextTask {
    /// What departs from the model's files; `nil` and `true`: as they say.
    public struct Options: Sendable {
        public var pooling: Pooling?
        public var normalizes = true
        /// Elements kept of each vector (Kusupati et al., 2022: Matryoshka), which is normalised again.
        public var dimensions: Int?
        /// The name of a prompt that goes before each text.
        public var promptName: String?
        /// A text that goes before each text.
        public var prompt: String?
        public var outputs: Set<EmbeddingKind> = [.dense]

        public init() {}
    }

    /// Elements of a dense vector.
    public let dimensions: Int
    var encoder: TextEncoder
    private let configuration: SentenceConfiguration
    private let heads: EmbeddingHeads?
    let choices: Options
    let prompt: String
    /// Tokens at the start of each text that pooling leaves out.
    private let unpooledCount: Int
    private let splade: SpladePooling?
    let lateInteraction: LateInteraction?
    private let specialIDs: Set<Int>

    /// Loads a model. Blocks.
    /// - Throws: `InferenceError`, also for outputs that the model has no heads for; `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, choices: Options = Options(),
        options: TaskOptions = TaskOptions()
    ) throws {
        let folder = package.folder
        var configuration = try SentenceConfiguration(folder: folder)
        var options = options
        options.truncates = true
        if LateInteraction.describes(package, configuration) {
            try Embedder.require(.colbert, of: choices, reason: "the model gives a vector for each token")
            encoder = try TextEncoder(
                package, on: backend, tasks: [.hiddenStates], command: "embed", options: options)
            let late = try LateInteraction(
                package, configuration, hiddenSize: encoder.description.hiddenSize,
                seesWindow: encoder.description.seesWindow)
            (lateInteraction, dimensions, prompt) = (late, late.vectorSize, "")
            (splade, heads, unpooledCount, specialIDs) = (nil, nil, 0, [])
            self.configuration = configuration
            self.choices = choices
            return
        }
        let isMasked = package.kind == .encoder ? try package.describeEncoder().task == .maskedLanguageModel : false
        if isMasked, choices.outputs == [.sparse] || configuration.splade != nil {
            try Embedder.require(.sparse, of: choices, reason: "the model weights the tokens of its vocabulary")
            encoder = try TextEncoder(
                package, on: backend, tasks: [.maskedLanguageModel], command: "embed", options: options,
                limit: configuration.maximumLength)
            splade = configuration.splade ?? SpladePooling()
            lateInteraction = nil
            configuration.steps = [.pooling([.mean])]
            (heads, dimensions, unpooledCount, specialIDs) = (nil, encoder.description.vocabularySize, 0, [])
            prompt = try Embedder.prompt(choices, configuration)
            self.configuration = configuration
            self.choices = choices
            return
        }
        splade = nil
        lateInteraction = nil
        // A decoder is an embedder where its files or the caller say how tokens become one vector.
        if package.kind == .decoder, configuration.isDescribed || choices.pooling != nil {
            let first = choices.pooling.map { .pooling([$0]) } ?? configuration.steps[0]
            let isLast = if case .pooling([.last]) = first { true } else { false }
            encoder = try TextEncoder(
                decoder: package, on: backend, output: isLast ? .lastState : .allStates, options: options,
                limit: configuration.maximumLength)
        } else {
            try package.require([.hiddenStates], for: "embed")
            encoder = try TextEncoder(
                package, on: backend, tasks: [.hiddenStates], command: "embed", options: options,
                limit: configuration.maximumLength)
        }
        if let folder, EmbeddingHeads.exist(in: folder) {
            heads = try EmbeddingHeads(folder: folder, hiddenSize: encoder.description.hiddenSize)
            // BGE-M3's dense vector is the first token's.
            if !configuration.isDescribed { configuration.steps = [.pooling([.cls]), .normalize] }
        } else {
            heads = nil
        }
        for output in choices.outputs where output != .dense && heads == nil {
            throw InferenceError.invalidParameter(
                name: "--outputs", value: output.rawValue,
                expected: "dense: the model has no sparse_linear and colbert_linear")
        }
        if let pooling = choices.pooling { configuration.steps[0] = .pooling([pooling]) }
        prompt = try Embedder.prompt(choices, configuration)
        let size = try Embedder.vectorSize(configuration.steps, hiddenSize: encoder.description.hiddenSize)
        if let wanted = choices.dimensions, !(1...size).contains(wanted) {
            throw InferenceError.invalidParameter(
                name: "--dimensions", value: "\(wanted)", expected: "1 to \(size), the elements of the model's vectors")
        }
        dimensions = choices.dimensions ?? min(configuration.keptCount ?? size, size)
        let tokenizer = encoder.tokenizer
        unpooledCount =
            configuration.poolsPrompt || prompt.isEmpty
            ? 0 : max(try tokenizer.encode(prompt).count - tokenizer.frame().end.count, 0)
        let roles = TokenizerConfiguration.Role.allCases.compactMap { tokenizer.id(for: $0) }
        specialIDs = Set(
            roles + tokenizer.configuration.additionalSpecialTokens.compactMap { tokenizer.id(for: $0) })
        self.configuration = configuration
        self.choices = choices
    }

    /// - Throws: `InferenceError` where more or something else is wanted of a model that gives one output.
    private static func require(_ output: EmbeddingKind, of choices: Options, reason: String) throws {
        guard choices.outputs == [output] else {
            throw InferenceError.invalidParameter(
                name: "--outputs", value: choices.outputs.map(\.rawValue).sorted().joined(separator: ","),
                expected: "\(output.rawValue): \(reason)")
        }
    }

    private static func prompt(_ choices: Options, _ configuration: SentenceConfiguration) throws -> String {
        if let prompt = choices.prompt { return prompt }
        guard let name = choices.promptName ?? configuration.defaultPrompt else { return "" }
        guard let prompt = configuration.prompts[name] else {
            let known = configuration.prompts.keys.sorted().joined(separator: ", ")
            throw InferenceError.invalidParameter(
                name: "--prompt-name", value: name, expected: known.isEmpty ? "none: the model has no prompts" : known)
        }
        return prompt
    }

    /// Elements that the vectors have in the end.
    private static func vectorSize(_ steps: [SentenceConfiguration.Step], hiddenSize: Int) throws -> Int {
        try steps.reduce(hiddenSize) { size, step in
            switch step {
            case .pooling(let modes): return size * modes.count
            case .dense(let dense):
                guard dense.inputSize == size else {
                    throw LoadError.shapeMismatch(
                        name: "linear.weight", expected: [dense.outputSize, size],
                        found: [dense.outputSize, dense.inputSize])
                }
                return dense.outputSize
            case .layerNorm(let norm):
                guard norm.weight.count == size else {
                    throw LoadError.shapeMismatch(name: "norm.weight", expected: [size], found: [norm.weight.count])
                }
                return size
            case .normalize: return size
            }
        }
    }

    /// Tokens of the longest text, special ones included; longer texts are cut.
    public var maximumTokenCount: Int {
        min(encoder.maximumLength, lateInteraction?.maximumLength(.document) ?? .max)
    }
    /// Elements of each token's vector; `nil` for models without such a head.
    public var tokenVectorSize: Int? { lateInteraction?.vectorSize ?? heads?.colbert.bias.count }
    /// The prompts of the model's files by their names, such as `query`.
    public var prompts: [String: String] { configuration.prompts }

    /// Tokens of a text without special ones.
    /// - Throws: `TokenizationError`.
    public func tokenCount(of text: String) throws -> Int {
        try encoder.tokenizer.encode(text, addSpecialTokens: false).count
    }

    /// The embeddings of some texts, in their order: of queries where the prompt `query` was chosen, else of documents.
    public func run(_ texts: [String]) throws -> [Embedding] {
        try run(texts, as: choices.promptName == TextRole.query.rawValue ? .query : .document)
    }

    /// The embeddings of some texts, in their order.
    /// - Parameter role: what the texts are, which only models of late interaction read differently.
    public func run(_ texts: [String], as role: TextRole) throws -> [Embedding] {
        if let lateInteraction { return try run(texts, as: role, by: lateInteraction) }
        return try embeddings(of: encoder.inputs(for: texts) { TextPair(prepared($0)) })
    }

    func embeddings(of inputs: [EncoderInput]) throws -> [Embedding] {
        var results = [Embedding](repeating: Embedding(), count: inputs.count)
        if let splade {
            try encoder.run(inputs) { results[$0].sparse = splade.weights($1.first) }
            return results
        }
        try encoder.run(inputs) { index, outputs in
            guard let states = outputs["last_hidden_state"] else { return }
            var result = Embedding()
            if choices.outputs.contains(.dense) { result.dense = dense(states) }
            if let heads {
                if choices.outputs.contains(.sparse) {
                    result.sparse = sparse(states, inputs[index].tokens, heads)
                }
                if choices.outputs.contains(.colbert) {
                    result.colbert = (1..<max(states.count, 1)).map { heads.vector(of: states[$0]).map { Float($0) } }
                }
            }
            results[index] = result
        }
        return results
    }

    private func run(_ texts: [String], as role: TextRole, by late: LateInteraction) throws -> [Embedding] {
        let inputs = try texts.map {
            try late.input(for: prepared($0), as: role, by: encoder.tokenizer, limit: encoder.maximumLength)
        }
        var results = [Embedding](repeating: Embedding(), count: texts.count)
        try encoder.run(inputs) { index, outputs in
            guard let states = outputs["last_hidden_state"] else { return }
            results[index].colbert = late.vectors(states, of: inputs[index], as: role)
        }
        return results
    }

    func prepared(_ text: String) -> String {
        // White space around a text is its own, as for sentence-transformers since version 6; those before left it out.
        configuration.lowercases ? (prompt + text).lowercased() : prompt + text
    }

    // MARK: Vectors

    private func dense(_ states: TextOutputs.Rows) -> [Float] {
        var vector: [Double] = []
        for step in configuration.steps {
            switch step {
            case .pooling(let modes): vector = modes.flatMap { pool(states, $0) }
            case .dense(let dense): vector = dense(vector)
            case .layerNorm(let norm): vector = norm(vector)
            case .normalize: if choices.normalizes { vector = VectorMath.normalized(vector) }
            }
        }
        if let wanted = choices.dimensions, wanted < vector.count {
            vector = Array(vector.prefix(wanted))
            let isNormalized = configuration.steps.contains { if case .normalize = $0 { true } else { false } }
            if isNormalized, choices.normalizes { vector = VectorMath.normalized(vector) }
        }
        if choices.dimensions == nil, dimensions < vector.count { vector = Array(vector.prefix(dimensions)) }
        return vector.map { Float($0) }
    }

    private func pool(_ states: TextOutputs.Rows, _ mode: Pooling) -> [Double] {
        let rows = min(unpooledCount, states.count - 1)..<states.count
        let count = Double(rows.count)
        switch mode {
        case .cls: return states[rows.lowerBound].map(Double.init)
        case .last: return states[rows.upperBound - 1].map(Double.init)
        case .max: return states.combine(rows, from: -.infinity) { sum, value, _ in max(sum, value) }
        case .mean: return states.combine(rows, from: 0) { sum, value, _ in sum + value }.map { $0 / count }
        case .meanSquareRoot:
            return states.combine(rows, from: 0) { sum, value, _ in sum + value }.map { $0 / count.squareRoot() }
        case .weightedMean:
            let weight = rows.reduce(0) { $0 + Double($1 + 1) }
            return states.combine(rows, from: 0) { sum, value, row in sum + value * Double(row + 1) }.map {
                $0 / weight
            }
        }
    }

    /// Of a token that occurs several times, the greatest weight.
    private func sparse(_ states: TextOutputs.Rows, _ tokens: [Int], _ heads: EmbeddingHeads) -> [Int: Double] {
        var weights: [Int: Double] = [:]
        for (row, token) in tokens.enumerated() where !specialIDs.contains(token) {
            let weight = heads.weight(of: states[row])
            if weight > 0 { weights[token] = max(weights[token] ?? 0, weight) }
        }
        return weights
    }
}

extension TextOutputs.Rows {
    /// A number a column, joined with those of some rows one after another; `join` takes the number of the row too.
    @inline(__always)
    fileprivate func combine(
        _ rows: Range<Int>, from start: Double, _ join: (Double, Double, Int) -> Double
    ) -> [Double] {
        var result = [Double](repeating: start, count: width)
        for row in rows {
            let values = self[row]
            values.withUnsafeBufferPointer { values in
                result.withUnsafeMutableBufferPointer { result in
                    // As many as each other; the loop is one of vectors.
                    for column in 0..<min(values.count, result.count) {
                        result[column] = join(result[column], Double(values[column]), row)
                    }
                }
            }
        }
        return result
    }
}

extension ModelPackage {
    /// The folder of the model's files; `nil` for one that lies in a single file.
    var folder: String? {
        let suffix = "/config.json"
        return configuration.path.hasSuffix(suffix) ? String(configuration.path.dropLast(suffix.count)) : nil
    }
}
