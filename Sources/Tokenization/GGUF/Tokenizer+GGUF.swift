extension Tokenizer {
    private static let space: [UInt8] = Array("\u{2581}".utf8)

    /// Builds the tokenizer that a GGUF file's metadata describes.
    ///
    /// - Parameter source: what to call the file in errors.
    /// - Throws: ``TokenizationError`` naming the key that is unknown here, missing, or contradicts the rest.
    public init(_ vocabulary: GGUFVocabulary, source: String) throws {
        self = try Tokenizer.naming(source) {
            let vocabulary = try vocabulary.repaired()
            switch vocabulary.model {
            case "gpt2": return try Tokenizer(byteLevel: vocabulary)
            case "llama": return try Tokenizer(sentencePieceBPE: vocabulary)
            case "bert": return try Tokenizer(wordPiece: vocabulary)
            case "t5": return try Tokenizer(unigram: vocabulary)
            default:
                throw TokenizationError.unknownComponent(
                    path: "tokenizer.ggml.model", kind: "model", name: vocabulary.model,
                    known: ["gpt2", "llama", "bert", "t5"])
            }
        }
    }

    // MARK: Byte-level BPE

    private init(byteLevel file: GGUFVocabulary) throws {
        let pre = try GGUFPreTokenizer.named(file.preTokenizer ?? "default")
        let (vocabulary, added) = try file.readTokens()
        var options = BPEModel.Options()
        options.ignoresMerges = pre.ignoresMerges
        var builder = MergeBuilder(vocabulary: vocabulary, options: options, capacity: file.mergeCount)
        var index = 0
        try file.merges { merge in
            // No token is empty, so the space that parts them is not the first character.
            guard let space = merge.dropFirst().firstIndex(of: 0x20) else {
                throw TokenizationError.invalidMerge(
                    index: index, reason: "\(quoted(merge)) is not two tokens with a space between")
            }
            try builder.append(
                left: ByteBuffer(rebasing: merge[..<space]), right: ByteBuffer(rebasing: merge[(space + 1)...]))
            index += 1
        }
        let prefix = file.addsSpacePrefix == true ? Normalizer.prepend(" ") : nil
        let normalizers = [pre.composes ? Normalizer.nfc : nil, prefix].compactMap { $0 }
        try self.init(
            model: .bpe(BPEModel(vocabulary: vocabulary, merges: builder.table, options: options)),
            normalizer: normalizers.isEmpty ? nil : .sequence(normalizers), preTokenizer: try pre.make(),
            postProcessor: file.frame(
                addsBeginning: file.addsBeginning ?? pre.addsBeginning, addsEnd: file.addsEnd ?? false),
            decoder: .byteLevel, addedTokens: added, configuration: file.configuration())
    }

    // MARK: SentencePiece's BPE

    private init(sentencePieceBPE file: GGUFVocabulary) throws {
        let (vocabulary, added) = try file.readTokens()
        var options = BPEModel.Options()
        options.usesByteFallback = true
        options.fusesUnknown = true
        options.unknownToken = vocabulary.bytes(of: file.unknownID ?? 0).map { String(decoding: $0, as: UTF8.self) }
        let addsPrefix = file.addsSpacePrefix ?? true
        let escape = Normalizer.replace(.literal(" "), with: "\u{2581}")
        let text: TokenDecoder = .sequence([.replace(.literal("\u{2581}"), with: " "), .byteFallback, .fuse])
        try self.init(
            model: .bpe(
                try BPEModel(
                    vocabulary: vocabulary, scores: file.scoreOfEachToken, options: options, isHidden: file.isHidden)),
            normalizer: addsPrefix ? .sequence([.prepend("\u{2581}"), escape]) : escape,
            postProcessor: file.frame(addsBeginning: file.addsBeginning ?? true, addsEnd: file.addsEnd ?? false),
            decoder: addsPrefix ? .sequence([text, .strip(content: " ", start: 1, stop: 0)]) : text,
            addedTokens: added, configuration: file.configuration())
    }

    // MARK: WordPiece

    /// GGUF files spell a token that starts a word with U+2581 before it, and one that goes on with nothing.
    private init(wordPiece file: GGUFVocabulary) throws {
        var marksStarts = false
        try file.tokens { if $0.starts(with: Tokenizer.space) { marksStarts = true } }
        let (vocabulary, added) = try file.readTokens { token in
            guard marksStarts else { return Array(token) }
            if token.starts(with: Tokenizer.space) { return Array(token.dropFirst(Tokenizer.space.count)) }
            let isSpecial = token.first == UInt8(ascii: "[") && token.last == UInt8(ascii: "]")
            return isSpecial ? Array(token) : Array("##".utf8) + token
        }
        let unknown = file.unknownID.flatMap { vocabulary.bytes(of: $0) } ?? Array("[UNK]".utf8)
        var frame = PostProcessor.none
        if let classifier = file.classifierID ?? file.beginningID, let separator = file.separatorID ?? file.endID,
            file.addsBeginning ?? true
        {
            frame = .bert(separator: separator, classifier: classifier)
        }
        try self.init(
            model: .wordPiece(
                WordPieceModel(vocabulary: vocabulary, unknownToken: String(decoding: unknown, as: UTF8.self))),
            normalizer: .bert(BertNormalizer()), preTokenizer: .bert, postProcessor: frame,
            decoder: .wordPiece(prefix: "##", cleansUp: true), addedTokens: added,
            configuration: file.configuration())
    }

    // MARK: Unigram

    private init(unigram file: GGUFVocabulary) throws {
        let (vocabulary, added) = try file.readTokens()
        var normalizers: [Normalizer] = []
        if !file.characterMap.isEmpty {
            normalizers.append(.precompiled(try PrecompiledCharacterMap(file.characterMap)))
        }
        if file.removesExtraWhitespace == true {
            // Runs become single spaces first, so that those at the ends are one character long.
            for (pattern, content) in [(" {2,}", " "), (#"\A | \z"#, "")] {
                normalizers.append(.replace(.regex(try RegexPattern(pattern)), with: content))
            }
        }
        let scheme: PrependScheme = file.addsSpacePrefix ?? true ? .always : .never
        try self.init(
            model: .unigram(
                try UnigramModel(
                    vocabulary: vocabulary, scores: file.scoreOfEachToken, unknownID: file.unknownID ?? 2,
                    isHidden: file.isHidden)),
            normalizer: normalizers.isEmpty ? nil : .sequence(normalizers),
            preTokenizer: .metaspace(replacement: "\u{2581}", scheme, splits: false),
            postProcessor: file.frame(addsBeginning: file.addsBeginning ?? false, addsEnd: file.addsEnd ?? true),
            decoder: .metaspace(replacement: "\u{2581}", scheme), addedTokens: added,
            configuration: file.configuration())
    }
}

extension GGUFVocabulary {
    func missing(_ key: String) -> TokenizationError {
        .invalidComponent(
            path: "tokenizer.ggml.\(key)", reason: "is missing or has not one element for each of \(tokenCount) tokens")
    }

    /// The vocabulary with what llama.cpp passes over put right, and told in ``notices``: scores that are no numbers, lists
    /// of the wrong length, roles that name no token. Only what no tokenizer can do without is an error.
    func repaired() throws -> GGUFVocabulary {
        guard tokenCount > 0 else { throw missing("tokens") }
        var result = self
        func note(_ key: String, _ what: String) { result.notices.append("tokenizer.ggml.\(key) \(what)") }
        if !kinds.isEmpty, kinds.count != tokenCount {
            result.kinds = []
            note("token_type", "has \(kinds.count) elements for \(tokenCount) tokens; all are taken as normal")
        }
        if !scores.isEmpty, scores.count != tokenCount {
            result.scores = []
            note("scores", "has \(scores.count) elements for \(tokenCount) tokens; all are taken as 0")
        } else if let first = scores.firstIndex(where: { !$0.isFinite }) {
            result.scores = scores.map { $0.isFinite ? $0 : 0 }
            note("scores", "has \(scores[first]) for token \(first); taken as 0")
        }
        let roles: [(String, WritableKeyPath<GGUFVocabulary, Int?>)] = [
            ("bos", \.beginningID), ("eos", \.endID), ("unknown", \.unknownID), ("padding", \.paddingID),
            ("seperator", \.separatorID), ("cls", \.classifierID), ("mask", \.maskID),
        ]
        for (name, path) in roles {
            guard let id = self[keyPath: path], !(0..<tokenCount).contains(id) else { continue }
            result[keyPath: path] = nil
            note("\(name)_token_id", "is \(id), which is not among the \(tokenCount) tokens; left aside")
        }
        return result
    }

    /// The scores, or 0 for each token of a file that has none.
    var scoreOfEachToken: [Double] {
        scores.count == tokenCount ? scores : Array(repeating: 0, count: tokenCount)
    }

    /// The vocabulary, and those of its tokens that are found in text before anything else.
    /// - Parameter spell: how the model spells a token of the file.
    func readTokens(
        _ spell: (ByteBuffer) -> [UInt8] = { Array($0) }
    ) throws -> (vocabulary: Vocabulary, added: [AddedToken]) {
        var vocabulary = Vocabulary(capacity: tokenCount)
        var added: [AddedToken] = []
        var id = 0
        try tokens { token in
            let spelling = spell(token)
            try spelling.withUnsafeBufferPointer { try vocabulary.insert($0, id: id, replacingOldID: false) }
            let kind = kind(of: id)
            if kind == .control || kind == .unknown || kind == .userDefined,
                let content = String(validating: spelling, as: UTF8.self)
            {
                added.append(AddedToken(id: id, content: content, isSpecial: kind != .userDefined))
            }
            id += 1
        }
        return (vocabulary, added)
    }

    /// The special tokens around a text; pairs repeat the frame.
    func frame(addsBeginning: Bool, addsEnd: Bool) -> PostProcessor {
        func parts(_ text: PostProcessor.Part, typeID: Int) -> [PostProcessor.Part] {
            let beginning = addsBeginning ? beginningID : nil
            let end = addsEnd ? endID : nil
            return (beginning.map { [.special(ids: [$0], typeID: typeID)] } ?? []) + [text]
                + (end.map { [.special(ids: [$0], typeID: typeID)] } ?? [])
        }
        let first = parts(.first(typeID: 0), typeID: 0)
        return .template(single: first, pair: first + parts(.second(typeID: 1), typeID: 1))
    }

    /// The roles of special tokens, and the chat template.
    func configuration() throws -> TokenizerConfiguration {
        var configuration = TokenizerConfiguration()
        let roles: [(TokenizerConfiguration.Role, Int?)] = [
            (.beginningOfSequence, beginningID), (.endOfSequence, endID), (.padding, paddingID), (.unknown, unknownID),
            (.separator, separatorID), (.classifier, classifierID), (.mask, maskID),
        ]
        var wanted: [Int: [TokenizerConfiguration.Role]] = [:]
        for (role, id) in roles {
            if let id { wanted[id, default: []].append(role) }
        }
        var id = 0
        try tokens { token in
            for role in wanted[id] ?? [] { configuration.tokens[role] = String(decoding: token, as: UTF8.self) }
            id += 1
        }
        configuration.addsBeginningOfSequence = addsBeginning
        configuration.addsEndOfSequence = addsEnd
        configuration.notices = notices
        configuration.chatTemplate = chatTemplate
        configuration.namedChatTemplates = namedChatTemplates
        return configuration
    }
}
