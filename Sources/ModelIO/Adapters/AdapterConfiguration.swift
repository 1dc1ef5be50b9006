internal import JSONCore

/// What the `adapter_config.json` of a peft adapter says. (https://huggingface.co/docs/peft, `LoraConfig`)
struct AdapterConfiguration: Sendable {
    let path: String
    private let alpha: Double
    private let isUnscaled: Bool
    /// Alphas and ranks that differ for some modules, by patterns of the modules' names.
    private let alphaPatterns: [(pattern: String, number: Double)]
    private let rankPatterns: [(pattern: String, number: Double)]
    /// The rank that the file states; `nil`: none.
    private let rank: Int?
    /// Whether the product is divided by the root of the rank instead of the rank. (Kalajdzievski, 2023)
    private let isRankStabilized: Bool
    /// Whether a head that is the embedding over again changes with it. Else it stays what it was.
    let keepsHeadTied: Bool
    /// Whether the base model stores its matrices `[K, N]`.
    var isTransposed: Bool
    /// Tokens whose rows are replaced, by the end of the module's name; `nil`: whichever module has such rows.
    private let tokenIndices: [(module: String?, indices: [Int])]

    private static let maximumByteCount = 16_000_000

    /// The alpha of an adapter in a GGUF file, where llama.cpp does not scale if it is 0.
    init(gguf file: GGUFFile) throws {
        path = file.path
        let stated = try file.metadata.optionalNumber("adapter.lora.alpha", in: -1e9...1e9) ?? 0
        alpha = stated
        isUnscaled = stated == 0
        (alphaPatterns, rankPatterns, rank) = ([], [], nil)
        isRankStabilized = false
        keepsHeadTied = false
        isTransposed = false
        tokenIndices = []
    }

    /// - Throws: `LoadError` naming the file and the key.
    init(path: String) throws {
        let bytes = try OpenFile(reading: path).readAll(maximum: AdapterConfiguration.maximumByteCount)
        let keys = ConfigurationReader(try parseConfigurationObject(bytes, path: path), path: path)
        self.path = path
        let type = try keys.string("peft_type")
        guard type == "LORA" else {
            throw LoadError.unsupportedValue(path: path, key: "peft_type", value: printable(type), supported: ["LORA"])
        }
        for name in ["use_qalora", "use_bdlora", "lora_bias"] where try keys.flag(name, default: false) {
            throw LoadError.unsupportedValue(path: path, key: name, value: "true", supported: ["false"])
        }
        for name in ["layer_replication", "target_parameters", "alora_invocation_tokens"]
        where keys.value(name) != nil {
            throw LoadError.unsupportedValue(path: path, key: name, value: "given", supported: ["null"])
        }
        alpha = try keys.number("lora_alpha")
        isUnscaled = false
        alphaPatterns = try AdapterConfiguration.patterns("alpha_pattern", keys)
        rankPatterns = try AdapterConfiguration.patterns("rank_pattern", keys)
        rank = try keys.optionalSize("r")
        isRankStabilized = try keys.flag("use_rslora", default: false)
        keepsHeadTied = try keys.flag("ensure_weight_tying", default: false)
        isTransposed = try keys.flag("fan_in_fan_out", default: false)
        tokenIndices = try AdapterConfiguration.tokenIndices(keys)
    }

    /// Numbers by patterns, in the order of the file.
    private static func patterns(
        _ name: String, _ keys: ConfigurationReader
    ) throws -> [(pattern: String, number: Double)] {
        guard let object = try keys.object(name) else { return [] }
        return try object.source.keys.compactMap { key in
            guard let value = object.source.value(of: key) else { return nil }
            guard let number = value.double, number.isFinite else {
                throw object.invalid(key, value, expected: "a finite number")
            }
            return (key, number)
        }
    }

    private static func tokenIndices(_ keys: ConfigurationReader) throws -> [(module: String?, indices: [Int])] {
        let key = "trainable_token_indices"
        let range = 0...SizeLimit.vocabulary
        guard let (_, value) = keys.value(key) else { return [] }
        guard value.object != nil, let modules = try keys.object(key) else {
            return [(nil, try keys.integers(key, in: range) ?? [])]
        }
        return try modules.source.keys.map { ($0, try modules.integers($0, in: range) ?? []) }
    }

    /// The tokens whose rows a module's tensor holds; `nil`: the file names none for it.
    func tokenIndices(module: String) -> [Int]? {
        tokenIndices.first { own in own.module.map { module.hasSuffix($0) } ?? true }?.indices
    }

    /// The factor of the product of a module's two matrices.
    /// - Throws: `LoadError` where the file states another rank than the matrices have.
    func scale(module: String, rank: Int) throws -> Double {
        if isUnscaled { return 1 }
        let pattern = try rankPatterns.first { try matches($0.pattern, module, key: "rank_pattern") }
        if let stated = pattern?.number ?? self.rank.map(Double.init), stated != Double(rank) {
            let key = pattern.map { "rank_pattern.\($0.pattern)" } ?? "r"
            throw LoadError.invalidValue(
                path: path, key: printable(key), expected: "\(rank), the rank of the matrices for \(module)",
                found: ConfigurationValue.real(stated).summary)
        }
        let alpha = try alphaPatterns.first { try matches($0.pattern, module, key: "alpha_pattern") }?.number ?? alpha
        return alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank))
    }

    /// The longest pattern that is compiled.
    private static let maximumPatternByteCount = 1024

    /// Whether a pattern is the module's name or the end of it, as peft matches `(.*\.)?(pattern)$`.
    private func matches(_ pattern: String, _ module: String, key: String) throws -> Bool {
        if module == pattern || module.hasSuffix("." + pattern) { return true }
        let isPlain = pattern.utf8.allSatisfy { byte in
            byte == 0x2E || byte == 0x5F || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte)
        }
        guard !isPlain else { return false }
        guard pattern.utf8.count <= AdapterConfiguration.maximumPatternByteCount,
            let regex = try? Regex("(.*\\.)?(\(pattern))$")
        else {
            throw LoadError.invalidValue(
                path: path, key: key, expected: "regular expressions", found: printable(pattern))
        }
        return module.prefixMatch(of: regex) != nil
    }
}
