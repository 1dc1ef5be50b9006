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

    private let addedIDs: [[UInt8]: Int]
    /// By id, so that most ids need no look-up in ``addedTokens``.
    private let isAdded: [Bool]
    let rawMatcher: AddedTokenMatcher
    let normalizedMatcher: AddedTokenMatcher
    static let maximumTextByteCount = Int(Int32.max)

    /// - Parameters:
    ///   - addedTokens: in order; where two have the same content, the first counts.
    /// - Throws: ``TokenizationError`` where added tokens contradict one another or the vocabulary.
    public init(
        model: TokenizationModel, normalizer: Normalizer? = nil, preTokenizer: PreTokenizer? = nil,
        postProcessor: PostProcessor = .none, decoder: TokenDecoder? = nil, addedTokens: [AddedToken] = [],
        configuration: TokenizerConfiguration = .init()
    ) throws {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.configuration = configuration
        var byID: [Int: AddedToken] = [:]
        var ids: [[UInt8]: Int] = [:]
        for token in addedTokens {
            let content = Array(token.content.utf8)
            guard !content.isEmpty, ids[content] == nil else { continue }
            var token = token
            // The model's own id for the same text counts, as in the reference.
            if let known = model.vocabulary.id(of: content) { token.id = known }
            try Tokenizer.check(token, among: byID, model.vocabulary)
            byID[token.id] = token
            ids[content] = token.id
        }
        self.addedTokens = byID
        addedIDs = ids
        vocabularySize = max(model.vocabulary.endID, (byID.keys.max() ?? -1) + 1)
        var isAdded = [Bool](repeating: false, count: vocabularySize)
        for id in byID.keys { isAdded[id] = true }
        self.isAdded = isAdded
        let ordered = byID.values.sorted { $0.id < $1.id }
        let raw = ordered.filter { !$0.isNormalized }
        rawMatcher = AddedTokenMatcher(raw, spellings: raw.map { Array($0.content.utf8) })
        let normalized = ordered.filter { $0.isNormalized }
        normalizedMatcher = AddedTokenMatcher(
            normalized,
            spellings: try normalized.map { token in
                var spelling = Array(token.content.utf8)
                try normalizer?.apply(to: &spelling)
                return spelling
            })
    }

    private static func check(_ token: AddedToken, among added: [Int: AddedToken], _ vocabulary: Vocabulary) throws {
        func fail(_ reason: String) -> TokenizationError {
            .invalidVocabulary(reason: "added token \(quoted(token.content.utf8)) \(reason)")
        }
        guard token.id >= 0, token.id <= Vocabulary.maximumID else {
            throw fail("has id \(token.id), which is not in 0...\(Vocabulary.maximumID)")
        }
        guard token.content.utf8.count <= Vocabulary.maximumTokenByteCount else {
            throw fail("is longer than \(Vocabulary.maximumTokenByteCount) bytes")
        }
        if let other = added[token.id] { throw fail("has the id \(token.id) of \(quoted(other.content.utf8))") }
        if let other = vocabulary.bytes(of: token.id), other != Array(token.content.utf8) {
            throw fail("has the id \(token.id) of the model's token \(quoted(other))")
        }
    }

    // MARK: Tokens

    /// The id of a token, added ones included, or nil. Compares byte for byte.
    public func id(for token: String) -> Int? {
        addedIDs[Array(token.utf8)] ?? model.vocabulary.id(of: token)
    }

    /// The token with this id as it is spelled in the vocabulary, or nil.
    public func token(for id: Int) -> String? {
        tokenBytes(for: id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether this is the id of a control token.
    public func isSpecial(_ id: Int) -> Bool {
        id >= 0 && id < vocabularySize && isAdded[id] && addedTokens[id]?.isSpecial == true
    }

    func tokenBytes(for id: Int) -> [UInt8]? {
        guard id >= 0, id < vocabularySize else { return nil }
        guard isAdded[id] else { return model.vocabulary.bytes(of: id) }
        return addedTokens[id].map { Array($0.content.utf8) }
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

    // MARK: Decoding

    /// The text of some ids. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// - Parameter skipSpecialTokens: leave control tokens out.
    /// - Throws: ``TokenizationError/unknownID(id:vocabularySize:)``.
    public func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool = true) throws -> String {
        var detokenizer = makeDetokenizer(skipSpecialTokens: skipSpecialTokens)
        return try detokenizer.push(ids) + detokenizer.finish()
    }

    /// A detokenizer that takes ids one at a time.
    public func makeDetokenizer(skipSpecialTokens: Bool = true) -> StreamingDetokenizer {
        StreamingDetokenizer(tokenizer: self, skipsSpecialTokens: skipSpecialTokens)
    }
}
