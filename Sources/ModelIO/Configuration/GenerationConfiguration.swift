/// What a model's `generation_config.json` recommends. Every value is optional; the caller's flags come first.
public struct GenerationConfiguration: Sendable, Hashable {
    /// The tokens that end a text. Empty where the model has none.
    public var eosTokenIDs: [Int] = []
    public var bosTokenID: Int?
    public var padTokenID: Int?
    public var decoderStartTokenID: Int?
    /// Whether to draw tokens at random; false means the best one each time.
    public var samples: Bool?
    public var temperature: Double?
    public var topK: Int?
    public var topP: Double?
    public var minP: Double?
    /// What top-H, typical, epsilon and eta sampling leave out, under the names of `transformers`.
    public var topH: Double?
    public var typicalP: Double?
    public var epsilonCutoff: Double?
    public var etaCutoff: Double?
    public var repetitionPenalty: Double?
    /// Tokens of prompt and continuation together.
    public var maximumLength: Int?
    /// Tokens of the continuation.
    public var maximumNewTokens: Int?
    /// Texts end before the first of these.
    public var stopStrings: [String] = []
    /// How target texts are searched, by encoder-decoders above all.
    public var search = SearchConfiguration()
    /// Notices about recommendations that were ignored, and why.
    public var notices: [String] = []

    public init() {}

    /// Reads `generation_config.json` of a model, and what it leaves out of the special tokens from `config.json`.
    /// A model without that file is fine.
    /// - Throws: `LoadError` naming the file and the key.
    public init(_ location: ModelLocation, configuration: ModelConfiguration) throws {
        self.init()
        if case .gguf(let file) = location.weights {
            self = try GGUFModel(path: file).generationConfiguration()
            return
        }
        if let path = location.existingFile("generation_config.json") {
            let bytes = try OpenFile(reading: path).readAll(maximum: ModelConfiguration.maximumByteCount)
            self = try GenerationConfiguration(parsing: bytes, path: path)
        } else {
            // Before there was a `generation_config.json`, these keys stood in `config.json`.
            search = try SearchConfiguration(configuration.keys)
            maximumLength = try configuration.keys.optionalInteger("max_length", in: 0...SizeLimit.positions)
        }
        try addTokens(from: configuration.keys)
    }

    /// Reads the text of a `generation_config.json`; errors name `path`.
    public init(parsing bytes: [UInt8], path: String) throws {
        let keys = ConfigurationReader(try parseConfigurationObject(bytes, path: path), path: path)
        try addTokens(from: keys)
        samples = keys.value("do_sample") == nil ? nil : try keys.flag("do_sample", default: false)
        temperature = recommendation { try keys.optionalNumber("temperature", in: NumberRange.nonNegative) }
        // Both -1 and 0 keep all tokens.
        topK = recommendation { try keys.optionalInteger("top_k", in: -1...SizeLimit.vocabulary) }.map { max($0, 0) }
        topP = recommendation { try keys.optionalNumber("top_p", in: 0...1) }
        minP = recommendation { try keys.optionalNumber("min_p", in: 0...1) }
        topH = recommendation { try keys.optionalNumber("top_h", in: NumberRange.upToOne) }
        typicalP = recommendation { try keys.optionalNumber("typical_p", in: NumberRange.upToOne) }
        epsilonCutoff = recommendation { try keys.optionalNumber("epsilon_cutoff", in: 0...1) }
        etaCutoff = recommendation { try keys.optionalNumber("eta_cutoff", in: 0...1) }
        repetitionPenalty = recommendation {
            try keys.optionalNumber("repetition_penalty", in: NumberRange.positive)
        }
        maximumLength = recommendation { try keys.optionalInteger("max_length", in: 0...SizeLimit.positions) }
        maximumNewTokens = recommendation { try keys.optionalInteger("max_new_tokens", in: 0...SizeLimit.positions) }
        stopStrings = recommendation { try GenerationConfiguration.strings("stop_strings", keys) } ?? []
        search = try SearchConfiguration(keys)
        notices += GenerationConfiguration.unfollowed(keys)
    }

    /// Notices about keys that change the texts of `transformers` in ways that are not computed here.
    private static func unfollowed(_ keys: ConfigurationReader) -> [String] {
        var reasons: [(key: String, reason: String)] = []
        if let scale = keys.value("guidance_scale"), scale.value.double != 1 {
            reasons.append((scale.key, "texts are written without guidance by a second pass"))
        }
        if keys.value("watermarking_config") != nil {
            reasons.append(("watermarking_config", "texts are written without a watermark"))
        }
        if let penalty = keys.value("penalty_alpha"), penalty.value.double != 0 {
            reasons.append((penalty.key, "texts are not searched by contrast"))
        }
        if keys.value("dola_layers") != nil {
            reasons.append(("dola_layers", "layers are not contrasted with each other"))
        }
        if let groups = keys.value("num_beam_groups"), groups.value.integral != 1 {
            reasons.append((groups.key, "beams are searched in one group"))
        }
        for key in ["constraints", "force_words_ids"] where keys.value(key) != nil {
            reasons.append((key, "words are not forced into texts"))
        }
        if let healing = keys.value("token_healing"), healing.value.bool != false {
            reasons.append((healing.key, "the end of a prompt is read as it is"))
        }
        return reasons.map { "\(keys.path): \($0.key): \($0.reason); the recommendation is left aside" }
    }

    /// A value that a model only recommends. One that cannot be followed gives a notice and is ignored.
    private mutating func recommendation<Value>(_ read: () throws -> Value?) -> Value? {
        do {
            return try read()
        } catch {
            notices.append("\(error); the recommendation is left aside")
            return nil
        }
    }

    /// A text or a list of them.
    private static func strings(_ key: String, _ keys: ConfigurationReader) throws -> [String]? {
        guard let (key, value) = keys.value(key) else { return nil }
        return try (value.array ?? [value]).map { element in
            guard let text = element.string, !text.isEmpty else {
                throw keys.invalid(key, element, expected: "a text that is not empty, or a list of them")
            }
            return text
        }
    }

    /// Fills in the special tokens that are not set yet.
    private mutating func addTokens(from keys: ConfigurationReader) throws {
        // Both files are read in any case, so that a value of the wrong kind gives a notice in either.
        let ends = try tokens("eos_token_id", keys)
        if eosTokenIDs.isEmpty { eosTokenIDs = ends }
        let (beginning, padding) = (try tokens("bos_token_id", keys).first, try tokens("pad_token_id", keys).first)
        let start = try tokens("decoder_start_token_id", keys).first
        bosTokenID = bosTokenID ?? beginning
        padTokenID = padTokenID ?? padding
        decoderStartTokenID = decoderStartTokenID ?? start
    }

    /// A token id or a list of them. The first Llama checkpoints write -1 for "none".
    private func tokens(_ key: String, _ keys: ConfigurationReader) throws -> [Int] {
        guard let (key, value) = keys.value(key) else { return [] }
        let elements = value.array ?? [value]
        if value.integral == -1 { return [] }
        return try elements.map { element in
            guard let token = element.integral, (0..<SizeLimit.vocabulary).contains(token) else {
                throw keys.invalid(key, element, expected: "a token id or a list of them")
            }
            return token
        }
    }
}
