/// Turns text into token ids and back, step for step as Hugging Face's `tokenizers` library does:
/// added tokens are cut out, the rest is normalized, pre-tokenized into words, encoded by the model, and framed with
/// special tokens.
///
/// A value that never changes after init: any number of threads may use one at once. Truncation and padding that a
/// `tokenizer.json` asks for are left to the caller.
public struct Tokenizer: Sendable {
    /// The ids of one text or pair of texts, and for each the part it came from (BERT's segment ids).
    public struct Encoding: Sendable, Equatable {
        public var ids: [Int]
        public var typeIDs: [Int]

        public init(ids: [Int], typeIDs: [Int]) {
            self.ids = ids
            self.typeIDs = typeIDs
        }
    }

    public let model: TokenizationModel
    public let normalizer: Normalizer?
    public let preTokenizer: PreTokenizer?
    public let postProcessor: PostProcessor
    public let decoder: TokenDecoder?
    /// The added tokens by id; they override the model's tokens of the same id.
    public let addedTokens: [Int: AddedToken]
    /// One more than the largest id of any token.
    public let vocabularySize: Int
    /// How offsets leave out the whitespace at the ends of tokens; `nil`: they do not.
    public var offsetTrimming: OffsetTrimming?
    /// The roles that the neighbouring configuration files give to tokens; set by the folder loader or by hand.
    public var configuration: TokenizerConfiguration

    /// What an id stands for, so that most need no look-up in ``addedTokens``.
    private enum IDKind {
        case model, added
        /// Added, and left out where decoding leaves out control tokens.
        case special
    }

    let added: AddedVocabulary
    private let kinds: [IDKind]
    /// How added tokens are decoded: as they are searched for, so normalized where their token says so.
    private let addedSpellings: [Int: [UInt8]]
    let rawMatcher: AddedTokenMatcher
    let normalizedMatcher: AddedTokenMatcher
    static let maximumTextByteCount = Int(Int32.max)

    /// - Parameters:
    ///   - addedTokens: in order; a later one of the same text changes how the first is found.
    /// - Throws: ``TokenizationError`` where an added token cannot have an id.
    public init(
        model: TokenizationModel, normalizer: Normalizer? = nil, preTokenizer: PreTokenizer? = nil,
        postProcessor: PostProcessor = .none, decoder: TokenDecoder? = nil, addedTokens: [AddedToken] = [],
        configuration: TokenizerConfiguration = .init()
    ) throws {
        var added = AddedVocabulary()
        for token in addedTokens { try added.add(token, to: model.vocabulary) }
        try self.init(
            model: model, normalizer: normalizer, preTokenizer: preTokenizer, postProcessor: postProcessor,
            decoder: decoder, added: added, configuration: configuration)
    }

    init(
        model: TokenizationModel, normalizer: Normalizer?, preTokenizer: PreTokenizer?, postProcessor: PostProcessor,
        decoder: TokenDecoder?, added: AddedVocabulary, configuration: TokenizerConfiguration
    ) throws {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.configuration = configuration
        self.added = added
        let tokens = added.tokens
        addedTokens = tokens
        vocabularySize = max(model.vocabulary.endID, (tokens.keys.max() ?? -1) + 1)
        func normalized(_ content: [UInt8]) throws -> [UInt8] {
            var spelling = content
            try normalizer?.apply(to: &spelling)
            return spelling
        }
        var kinds = [IDKind](repeating: .model, count: vocabularySize)
        var spellings: [Int: [UInt8]] = [:]
        for (id, token) in tokens {
            let content = Array(token.content.utf8)
            let spelling = token.isNormalized ? try normalized(content) : content
            spellings[id] = spelling
            kinds[id] = added.isSpecial(spelling) ? .special : .added
        }
        self.kinds = kinds
        addedSpellings = spellings
        func matcher(isNormalized: Bool) throws -> AddedTokenMatcher {
            let searched = added.searched(inNormalizedText: isNormalized)
            return AddedTokenMatcher(
                searched.compactMap { tokens[$0.id] },
                spellings: try searched.map { isNormalized ? try normalized($0.content) : $0.content })
        }
        rawMatcher = try matcher(isNormalized: false)
        normalizedMatcher = try matcher(isNormalized: true)
    }

    /// What should be said to a user about this tokenizer, such as ids that are not those of its file.
    public var notices: [String] { configuration.notices + added.notices }

    // MARK: Tokens

    /// The id of a token, added ones included, or nil. Compares byte for byte.
    public func id(for token: String) -> Int? {
        added.ids[Array(token.utf8)] ?? model.vocabulary.id(of: token)
    }

    /// The token with this id as it is spelled in the vocabulary, or nil.
    public func token(for id: Int) -> String? {
        tokenBytes(for: id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether this is the id of a control token.
    public func isSpecial(_ id: Int) -> Bool {
        id >= 0 && id < vocabularySize && kinds[id] == .special
    }

    func tokenBytes(for id: Int) -> [UInt8]? {
        guard id >= 0, id < vocabularySize else { return nil }
        return kinds[id] == .model ? model.vocabulary.bytes(of: id) : addedSpellings[id]
    }

    /// The id of the token that the configuration names for a role, or nil.
    public func id(for role: TokenizerConfiguration.Role) -> Int? {
        configuration.token(for: role).flatMap { id(for: $0) }
    }

    // MARK: Encoding

    /// Encodes a text.
    ///
    /// - Parameters:
    ///   - addSpecialTokens: frame the ids as the post-processor says (`<s> … </s>`).
    ///   - parseSpecialTokens: turn the spelling of control tokens in the text into those tokens. Leave it off for text
    ///     that is not trusted.
    /// - Throws: ``TokenizationError`` for a text of 2 GiB and more, a pattern that is too costly on it, or a character
    ///   that the vocabulary cannot express.
    public func encode(
        _ text: String, addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
    ) throws -> [Int] {
        let ids = try encodeText(text, parseSpecialTokens: parseSpecialTokens)
        if case .none = postProcessor { return ids.map { Int($0) } }
        return postProcessor.apply(first: ids, second: nil, addsSpecialTokens: addSpecialTokens).ids
    }

    /// Encodes a text, or a pair of texts for models such as BERT, with segment ids.
    ///
    /// - Throws: as ``encode(_:addSpecialTokens:parseSpecialTokens:)``.
    public func encode(
        _ text: String, pair: String?, addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
    ) throws -> Encoding {
        let first = try encodeText(text, parseSpecialTokens: parseSpecialTokens)
        let second = try pair.map { try encodeText($0, parseSpecialTokens: parseSpecialTokens) }
        let (ids, typeIDs) = postProcessor.apply(first: first, second: second, addsSpecialTokens: addSpecialTokens)
        return Encoding(ids: ids, typeIDs: typeIDs)
    }

    func encodeText(_ text: String, parseSpecialTokens: Bool) throws -> [UInt32] {
        var text = text
        return try text.withUTF8 { bytes in
            guard bytes.count <= Tokenizer.maximumTextByteCount else {
                throw TokenizationError.textTooLong(byteCount: bytes.count)
            }
            var ids: [UInt32] = []
            ids.reserveCapacity(bytes.count / 3)
            var cache = WordCache(byteCount: bytes.count)
            try rawMatcher.forEachPiece(of: bytes, findsSpecial: parseSpecialTokens) { piece in
                switch piece {
                case .token(let id, _): ids.append(UInt32(id))
                case .text(let range):
                    try encodeSegment(
                        Array(bytes[range]), startsAtOrigin: range.lowerBound == 0, parseSpecialTokens, &cache, &ids)
                }
            }
            return ids
        }
    }

    /// Encodes what lies between added tokens of the text as given.
    private func encodeSegment(
        _ segment: [UInt8], startsAtOrigin: Bool, _ parseSpecialTokens: Bool, _ cache: inout WordCache,
        _ ids: inout [UInt32]
    ) throws {
        var normalized = segment
        try normalizer?.apply(to: &normalized)
        let startsAtOrigin = try startsAtOrigin && keepsStart(of: segment, in: normalized)
        try normalized.withUnsafeBufferPointer { bytes in
            try normalizedMatcher.forEachPiece(of: bytes, findsSpecial: parseSpecialTokens) { piece in
                switch piece {
                case .token(let id, _): ids.append(UInt32(id))
                case .text(let range):
                    var text = SplitText(
                        Array(bytes[range]), startsAtOrigin: startsAtOrigin && range.lowerBound == 0)
                    try preTokenizer?.apply(to: &text)
                    try text.bytes.withUnsafeBufferPointer {
                        try model.encode($0, words: text.words, cache: &cache, into: &ids)
                    }
                }
            }
        }
    }

    /// Whether normalized text starts with what the text as given started with: where its first characters were removed,
    /// the reference puts no word mark that belongs at the start alone.
    private func keepsStart(of segment: [UInt8], in normalized: [UInt8]) throws -> Bool {
        guard let normalizer, preTokenizer?.marksFirstWord == true, let first = segment.first else { return true }
        if first > 0x20, first < 0x80, normalized.first == first { return true }
        var aligned = segment.withUnsafeBufferPointer { AlignedText($0, firstScalar: 0) }
        try normalizer.apply(to: &aligned)
        return aligned.places.first.map { $0.start == 0 } ?? true
    }

    // MARK: Decoding

    /// The text of some ids. Bytes that are no UTF-8 become U+FFFD. Ids that no token has become nothing: models whose
    /// embedding has more rows than the vocabulary has tokens can choose them.
    ///
    /// - Parameter skipSpecialTokens: leave control tokens out.
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    public func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool = true) throws -> String {
        var detokenizer = makeDetokenizer(skipSpecialTokens: skipSpecialTokens)
        return try detokenizer.push(ids) + detokenizer.finish()
    }

    /// A detokenizer that takes ids one at a time.
    public func makeDetokenizer(skipSpecialTokens: Bool = true) -> StreamingDetokenizer {
        StreamingDetokenizer(tokenizer: self, skipsSpecialTokens: skipSpecialTokens)
    }
}
