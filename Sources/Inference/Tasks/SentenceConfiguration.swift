internal import Foundation
internal import JSONCore
internal import ModelIO

/// How hidden states become one vector.
public enum Pooling: String, Sendable, Hashable, CaseIterable {
    /// The first token's.
    case cls
    case max
    case mean
    /// The sum over the square root of the number of tokens.
    case meanSquareRoot
    /// The mean, where the token at place `t` counts `t + 1` times.
    case weightedMean
    /// The last token's.
    case last
}

/// What the files of `sentence-transformers` beside a model say: `modules.json`, `1_Pooling/config.json`,
/// `sentence_bert_config.json`, `config_sentence_transformers.json`.
struct SentenceConfiguration: Sendable {
    enum Step: Sendable {
        /// Several are joined one behind the other.
        case pooling([Pooling])
        case dense(Dense)
        case layerNorm(LayerNorm)
        case normalize
    }

    /// What happens to hidden states, in order; pooling comes first.
    var steps: [Step] = [.pooling([.mean])]
    /// Layers on each token's hidden state in a model without pooling, which gives a vector a token.
    var tokenLayers: [Dense] = []
    /// `config_sentence_transformers.json`, where it is there.
    var settings: ConfigurationReader?
    /// Whether the files were there.
    var isDescribed = false
    var maximumLength: Int?
    var lowercases = false
    /// Whether a prompt's tokens take part in pooling.
    var poolsPrompt = true
    /// Texts that go before inputs, by name.
    var prompts: [String: String] = [:]
    var defaultPrompt: String?
    /// Elements that are kept of each vector, as they are.
    var keptCount: Int?

    private static let maximumByteCount = 16_000_000
    /// For models that weight the tokens of their vocabulary.
    var splade: SpladePooling?

    private static let supported = [
        "Transformer", "Pooling", "Dense", "Dropout", "LayerNorm", "Normalize", "MLMTransformer", "SpladePooling",
    ]

    /// - Parameter model: the folder of the model itself; `nil` for a file that holds everything.
    /// - Throws: `LoadError` naming the file and the key.
    init(folder model: String?) throws {
        guard let model else { return }
        let folder = SentenceConfiguration.folder(around: model)
        settings = try SentenceConfiguration.json("\(folder)/config_sentence_transformers.json")
        if let file = settings {
            if let values = try file.object("prompts") {
                for name in values.source.keys { prompts[name] = values.source.value(of: name)?.string }
            }
            defaultPrompt = try file.optionalString("default_prompt_name")
            keptCount = try file.optionalSize("truncate_dim")
        }
        if let file = try SentenceConfiguration.json("\(model)/sentence_bert_config.json") {
            maximumLength = try file.optionalSize("max_seq_length", maximum: SizeLimit.positions)
            lowercases = try file.flag("do_lower_case", default: false)
        }
        let modulesPath = "\(folder)/modules.json"
        guard let modules = try SentenceConfiguration.document(modulesPath) else { return }
        isDescribed = true
        steps = []
        for module in modules.array.map(Array.init) ?? [] {
            let reader = ConfigurationReader(json: module, path: modulesPath)
            let kind = try reader.string("type").split(separator: ".").last.map(String.init) ?? ""
            let path = "\(folder)/\(try reader.optionalString("path") ?? "")"
            switch kind {
            case "Transformer", "MLMTransformer", "Dropout": break
            case "SpladePooling":
                splade =
                    try SentenceConfiguration.json(path + "/config.json").map { try SpladePooling($0) }
                    ?? SpladePooling()
            case "Pooling": try readPooling(path + "/config.json")
            case "Dense": steps.append(.dense(try SentenceConfiguration.dense(path)))
            case "LayerNorm": steps.append(.layerNorm(try SentenceConfiguration.layerNorm(path)))
            case "Normalize": steps.append(.normalize)
            default:
                throw LoadError.unsupportedValue(
                    path: modulesPath, key: "type", value: kind, supported: SentenceConfiguration.supported)
            }
        }
        if splade != nil, steps.isEmpty { return }
        if readTokenLayers() { return }
        guard case .pooling? = steps.first else {
            throw LoadError.invalidValue(
                path: modulesPath, key: "modules", expected: "Transformer, then Pooling", found: "another order")
        }
    }

    /// The folder with `modules.json`: the model's own, or the one around it that says that the model lies there.
    private static func folder(around model: String) -> String {
        let parts = model.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1, !FileManager.default.fileExists(atPath: "\(model)/modules.json") else { return model }
        let outer = parts.dropLast().joined(separator: "/")
        let module = (try? document("\(outer)/modules.json"))?.array.map(Array.init)?.first
        return module?["path"]?.string == String(parts[parts.count - 1]) ? outer : model
    }

    /// Dense layers with nothing before and behind belong to the tokens.
    private mutating func readTokenLayers() -> Bool {
        let layers = steps.map { step in
            if case .dense(let dense) = step { return dense as Dense? }
            return nil
        }
        guard !layers.isEmpty, !layers.contains(where: { $0 == nil }) else { return false }
        tokenLayers = layers.compactMap { $0 }
        steps = [.pooling([.mean])]
        return true
    }

    private static let poolings: [String: Pooling] = [
        "cls": .cls, "max": .max, "mean": .mean, "mean_sqrt_len_tokens": .meanSquareRoot,
        "weightedmean": .weightedMean, "lasttoken": .last,
    ]

    private mutating func readPooling(_ path: String) throws {
        guard let file = try SentenceConfiguration.json(path) else {
            throw LoadError.unreadable(path: path, reason: "no such file, though modules.json names it")
        }
        let keys: [(String, Pooling)] = [
            ("pooling_mode_cls_token", .cls), ("pooling_mode_max_tokens", .max), ("pooling_mode_mean_tokens", .mean),
            ("pooling_mode_mean_sqrt_len_tokens", .meanSquareRoot),
            ("pooling_mode_weightedmean_tokens", .weightedMean), ("pooling_mode_lasttoken", .last),
        ]
        var modes = try keys.filter { try file.flag($0.0, default: false) }.map(\.1)
        // Newer files have a name, or several in their order.
        if modes.isEmpty, let value = file.value("pooling_mode")?.value {
            let names = value.array ?? [value]
            modes = try names.map { name in
                guard let mode = name.string.flatMap({ SentenceConfiguration.poolings[$0] }) else {
                    throw LoadError.unsupportedValue(
                        path: path, key: "pooling_mode", value: name.string ?? "no text",
                        supported: SentenceConfiguration.poolings.keys.sorted())
                }
                return mode
            }
        }
        guard !modes.isEmpty else {
            throw LoadError.invalidValue(path: path, key: "pooling_mode_…", expected: "one that is true", found: "none")
        }
        poolsPrompt = try file.flag("include_prompt", default: true)
        steps.append(.pooling(modes))
    }

    /// The tensors `weight` and `bias` of the first of some files that exists.
    static func linear(_ folder: String, names: [String]) throws -> WeightLoader {
        let paths = names.map { "\(folder)/\($0)" }
        guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw LoadError.unreadable(path: paths[0], reason: "no such file")
        }
        let checkpoint = try path.hasSuffix(".safetensors") ? Checkpoint(safetensors: path) : Checkpoint(pickle: path)
        return WeightLoader(checkpoint, prefixes: ["linear.", "norm.", ""])
    }

    /// A JSON file; `nil` where there is none.
    static func json(_ path: String) throws -> ConfigurationReader? {
        try document(path).map { ConfigurationReader(json: $0, path: path) }
    }

    private static func document(_ path: String) throws -> JSONValue? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let bytes = FileManager.default.contents(atPath: path), bytes.count <= maximumByteCount else {
            throw LoadError.unreadable(
                path: path, reason: "cannot be read, or is longer than \(maximumByteCount) bytes")
        }
        do {
            return try JSONDocument(parsing: Array(bytes), source: path).root
        } catch {
            throw LoadError.json(error)
        }
    }
}
