internal import Foundation
internal import JSONCore
internal import ModelIO
internal import Models
internal import TensorCore
internal import Tokenization

/// What a text is in a search. Models of late interaction read the two differently.
public enum TextRole: String, Sendable, Hashable, CaseIterable {
    case query, document
}

/// How a model of late interaction makes a vector of each token (ColBERT, Khattab and Zaharia, 2020; the files are those of
/// PyLate, and of the original's checkpoints): a token that tells the role stands behind the first, queries are filled up
/// with mask tokens, and documents have no vectors for punctuation.
struct LateInteraction: Sendable {
    /// Layers on each hidden state, without activations.
    let layers: [SentenceConfiguration.Dense]
    private let prefixes: [TextRole: Int]
    private let lengths: [TextRole: Int]
    /// The token that queries are filled up with; `nil`: they are not.
    private let expansion: Int?
    /// Whether other tokens see those.
    private let seesExpansion: Bool
    private let skipped: Set<Int>

    var vectorSize: Int { layers.last?.outputSize ?? 0 }

    /// The class that the original's checkpoints name.
    private static let originalClass = "HF_ColBERT"

    /// Whether a model's files are of this kind.
    static func describes(_ package: ModelPackage, _ configuration: SentenceConfiguration) -> Bool {
        !configuration.tokenLayers.isEmpty || package.configuration.architectures.first == originalClass
    }

    /// - Throws: `LoadError` for files that lack something or contradict the model; `InferenceError.tokenizerMissing`.
    init(_ package: ModelPackage, _ configuration: SentenceConfiguration, hiddenSize: Int, seesWindow: Bool) throws {
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        let isOriginal = configuration.tokenLayers.isEmpty
        let settings = try isOriginal ? Settings(original: package.folder) : Settings(configuration)
        if isOriginal {
            let weights = WeightLoader(package.checkpoint)
            let rows = weights.find("linear.weight")?.shape.extents.first ?? 0
            layers = [
                SentenceConfiguration.Dense(
                    inputSize: hiddenSize, outputSize: rows,
                    weight: try weights.floats(weights.tensor("linear.weight", shape: [rows, hiddenSize])))
            ]
        } else {
            layers = configuration.tokenLayers
        }
        var size = hiddenSize
        for layer in layers {
            guard layer.inputSize == size else {
                throw LoadError.shapeMismatch(
                    name: "linear.weight", expected: [layer.outputSize, size],
                    found: [layer.outputSize, layer.inputSize])
            }
            size = layer.outputSize
        }
        var prefixes: [TextRole: Int] = [:]
        for (role, prefix) in settings.prefixes where !prefix.isEmpty {
            guard let id = tokenizer.id(for: prefix) else {
                throw LoadError.invalidValue(
                    path: settings.path, key: "\(role.rawValue)_prefix", expected: "a token of the vocabulary",
                    found: "'\(prefix)'")
            }
            prefixes[role] = id
        }
        self.prefixes = prefixes
        lengths = settings.lengths
        let roles: [TokenizerConfiguration.Role] = [.mask, .endOfSequence, .padding]
        expansion = settings.expands ? roles.lazy.compactMap { tokenizer.id(for: $0) }.first : nil
        seesExpansion = settings.seesExpansion
        guard !seesWindow || seesExpansion || expansion == nil else {
            throw LoadError.unsupportedValue(
                path: settings.path, key: "attend_to_expansion_tokens", value: "false", supported: ["true"])
        }
        let unknown = tokenizer.id(for: .unknown)
        skipped = Set(settings.skippedWords.compactMap { tokenizer.id(for: $0) ?? unknown })
    }

    /// Tokens of the longest text in a role.
    func maximumLength(_ role: TextRole) -> Int { lengths[role] ?? 0 }

    /// A text as the model's input.
    /// - Throws: `TokenizationError`.
    func input(for text: String, as role: TextRole, by tokenizer: Tokenizer, limit: Int) throws -> EncoderInput {
        let prefix = prefixes[role]
        let length = min(maximumLength(role), limit)
        let room = Truncation(maximumLength: max(length - (prefix == nil ? 0 : 1), 1))
        var (encoding, _) = try tokenizer.encode(text, pair: nil, truncation: room)
        if let prefix {
            encoding.ids.insert(prefix, at: min(1, encoding.ids.count))
            encoding.typeIDs.insert(0, at: min(1, encoding.typeIDs.count))
        }
        guard !encoding.ids.isEmpty else { throw InferenceError.emptyText }
        guard role == .query, let expansion, encoding.ids.count < length else {
            return EncoderInput(tokens: encoding.ids, segments: encoding.typeIDs)
        }
        let count = length - encoding.ids.count
        return EncoderInput(
            tokens: encoding.ids + [Int](repeating: expansion, count: count),
            segments: encoding.typeIDs + [Int](repeating: 0, count: count), unseenCount: seesExpansion ? 0 : count)
    }

    /// The vectors of the tokens that have one, each of length 1.
    func vectors(_ states: TextOutputs.Rows, of input: EncoderInput, as role: TextRole) -> [[Float]] {
        (0..<states.count).compactMap { row in
            if role == .document, skipped.contains(input.tokens[row]) { return nil }
            var vector = states[row].map(Double.init)
            for layer in layers { vector = layer(vector) }
            return VectorMath.normalized(vector).map { Float($0) }
        }
    }

    /// What the files say, with what holds where they say nothing.
    private struct Settings {
        var path: String
        var prefixes: [TextRole: String] = [.query: "[Q] ", .document: "[D] "]
        var lengths: [TextRole: Int] = [.query: 32, .document: 180]
        var expands = true
        var seesExpansion = false
        var skippedWords = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".map(String.init)

        /// `config_sentence_transformers.json`, as PyLate writes it.
        init(_ configuration: SentenceConfiguration) throws {
            guard let file = configuration.settings else {
                path = "config_sentence_transformers.json"
                return
            }
            path = file.path
            for role in TextRole.allCases {
                try read(file, prefix: "\(role.rawValue)_prefix", length: "\(role.rawValue)_length", role)
            }
            expands = try file.flag("do_query_expansion", default: true)
            seesExpansion = try file.flag("attend_to_expansion_tokens", default: false) && expands
            if let words = file.value("skiplist_words")?.value.array { skippedWords = words.compactMap(\.string) }
        }

        /// `artifact.metadata` of the original's checkpoints.
        init(original folder: String?) throws {
            path = (folder ?? "") + "/artifact.metadata"
            prefixes = [.query: "[unused0]", .document: "[unused1]"]
            guard let file = try SentenceConfiguration.json(path) else { return }
            try read(file, prefix: "query_token_id", length: "query_maxlen", .query)
            try read(file, prefix: "doc_token_id", length: "doc_maxlen", .document)
            seesExpansion = try file.flag("attend_to_mask_tokens", default: false)
            if try !file.flag("mask_punctuation", default: true) { skippedWords = [] }
        }

        private mutating func read(
            _ file: ConfigurationReader, prefix: String, length: String, _ role: TextRole
        ) throws {
            if let text = try file.optionalString(prefix) { prefixes[role] = text }
            if let count = try file.optionalSize(length, maximum: SizeLimit.positions) { lengths[role] = count }
        }
    }
}
