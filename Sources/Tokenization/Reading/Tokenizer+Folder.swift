internal import JSONCore

extension Tokenizer {
    /// Reads a model folder: its `tokenizer.json`, and what `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json` and `chat_template.jinja` say beside it. Without a `tokenizer.json`, a SentencePiece model, a
    /// `vocab.json` with its `merges.txt`, or a `vocab.txt`, as transformers 5 makes a tokenizer of them. Blocks while it
    /// reads.
    ///
    /// - Throws: ``TokenizationError`` naming the file.
    public init(folder path: String) throws {
        let file = path + "/tokenizer.json"
        if !FileBytes.exists(file), let files = TokenizerFiles(folder: path) {
            self = try files.tokenizer(try TokenizerConfiguration(folder: path))
            return
        }
        let base = try Tokenizer(json: try FileBytes.read(file), source: file)
        let configuration = try TokenizerConfiguration(folder: path)
        self = try Tokenizer.naming(file) { try base.configured(by: configuration) }
    }

    /// The tokenizer of a `tokenizer.json` with what the files beside it say, as transformers 5 joins them: tokens of
    /// `added_tokens_decoder`, or of older files in its place, override and extend those of `tokenizer.json`; tokens with
    /// a role are special and added where they are missing. `add_bos_token` and `add_eos_token` do nothing beside a
    /// `tokenizer.json` since version 5: its post-processor alone frames texts.
    /// (`tokenization_utils_tokenizers.py`, `TokenizersBackend.__init__`)
    ///
    /// - Parameter isOfFile: whether this is the tokenizer of a `tokenizer.json`, which some classes do not take as it is.
    func configured(by configuration: TokenizerConfiguration, isOfFile: Bool = true) throws -> Tokenizer {
        var configuration = configuration
        configuration.hasByteLevelFile = isOfFile && (preTokenizer?.isByteLevel == true || decoder?.isByteLevel == true)
        var pipeline = self
        if isOfFile, configuration.isLlamaTokenizer, let rebuilt = try rebuiltAsLlama(configuration) {
            pipeline = rebuilt
        }
        var added = pipeline.added
        let special = Set(configuration.namedSpecialTokens)
        var described = configuration.addedTokens ?? legacyTokens(configuration)
        described.sort { $0.id < $1.id }
        for token in described {
            var token = token
            if special.contains(token.content) { token.isSpecial = true }
            try added.add(token, to: model.vocabulary)
        }
        var known = Set((Array(addedTokens.values) + described).map(\.content))
        let named = configuration.namedSpecialTokens + configuration.additionalSpecialTokens
        for content in named where known.insert(content).inserted {
            let token = configuration.describedTokens[content] ?? AddedToken(id: 0, content: content)
            try added.add(token, to: model.vocabulary, isIDStated: false)
        }
        let isAdjusted = isOfFile && TokenizerClass(configuration: configuration).adjustsFiles
        var joined = try Tokenizer(
            model: pipeline.model,
            normalizer: isAdjusted ? pipeline.normalizer?.adjusted(by: configuration) : pipeline.normalizer,
            preTokenizer: isAdjusted ? pipeline.preTokenizer?.adjusted(by: configuration) : pipeline.preTokenizer,
            postProcessor: pipeline.postProcessor, decoder: pipeline.decoder, added: added,
            configuration: configuration)
        joined.offsetTrimming = offsetTrimming
        return joined
    }

    /// Where `tokenizer_config.json` has no `added_tokens_decoder`: `added_tokens.json`, overridden by `tokenizer.json`.
    private func legacyTokens(_ configuration: TokenizerConfiguration) -> [AddedToken] {
        var byID = Dictionary(configuration.separateTokens.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        byID.merge(addedTokens) { $1 }
        return Array(byID.values)
    }

    /// The pipeline that transformers 5 gives a `LlamaTokenizer`, whatever `tokenizer.json` says of it: the vocabulary,
    /// the merges and the post-processor of the file, and SentencePiece's word marks, at the start of the text
    /// alone. Where the configuration says `legacy`, the file is used as it is: it has been written so, and transformers 5
    /// differs from it only in texts that start with a space. (`tokenization_llama.py`)
    ///
    /// - Returns: `nil` for a file of another kind, which is used as it is.
    private func rebuiltAsLlama(_ configuration: TokenizerConfiguration) throws -> Tokenizer? {
        guard configuration.isLegacy != true, case .bpe(let bpe) = model else { return nil }
        var options = BPEModel.Options()
        options.fusesUnknown = true
        options.usesByteFallback = true
        let addsPrefix = configuration.addsPrefixSpace ?? true
        let scheme: PrependScheme = addsPrefix ? .first : .never
        let text: [TokenDecoder] = [.replace(.literal("\u{2581}"), with: " "), .byteFallback, .fuse]
        return try Tokenizer(
            model: .bpe(BPEModel(vocabulary: bpe.vocabulary, merges: bpe.merges, options: options)), normalizer: nil,
            preTokenizer: .metaspace(replacement: "\u{2581}", scheme, splits: false), postProcessor: postProcessor,
            decoder: .sequence(addsPrefix ? text + [.strip(content: " ", start: 1, stop: 0)] : text), added: added,
            configuration: configuration)
    }
}

extension TokenizerClass {
    /// Whether settings of `tokenizer_config.json` count before those of `tokenizer.json`.
    fileprivate var adjustsFiles: Bool { [.bert, .mpnet, .gpt2, .roberta, .gptNeoX].contains(self) }
}

extension Normalizer {
    /// With the settings of `do_lower_case`, `strip_accents` and `tokenize_chinese_chars`.
    fileprivate func adjusted(by configuration: TokenizerConfiguration) -> Normalizer {
        switch self {
        case .bert(var bert):
            let options = configuration.classOptions
            bert.lowercases = options.lowercases ?? bert.lowercases
            bert.stripsAccents = options.stripsAccents ?? bert.stripsAccents
            bert.separatesIdeographs = options.separatesIdeographs ?? bert.separatesIdeographs
            return .bert(bert)
        case .sequence(let parts): return .sequence(parts.map { $0.adjusted(by: configuration) })
        default: return self
        }
    }
}

extension PreTokenizer {
    /// With the setting of `add_prefix_space`.
    fileprivate func adjusted(by configuration: TokenizerConfiguration) -> PreTokenizer {
        switch self {
        case .byteLevel(let addsPrefixSpace, let splitsWords):
            .byteLevel(
                addsPrefixSpace: configuration.addsPrefixSpace ?? addsPrefixSpace, splitsWords: splitsWords)
        case .sequence(let parts): .sequence(parts.map { $0.adjusted(by: configuration) })
        default: self
        }
    }
}

extension PreTokenizer {
    /// Whether it spells bytes as characters.
    fileprivate var isByteLevel: Bool {
        switch self {
        case .byteLevel: true
        case .sequence(let parts): parts.contains { $0.isByteLevel }
        default: false
        }
    }
}

extension TokenDecoder {
    fileprivate var isByteLevel: Bool {
        switch self {
        case .byteLevel: true
        case .sequence(let parts): parts.contains { $0.isByteLevel }
        default: false
        }
    }
}
