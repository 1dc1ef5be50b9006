/// Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909): a word starts as its characters, and
/// the adjacent pair of the lowest rank merges until no pair does.
public struct BPEModel: Sendable {
    /// The settings of a model, named as in `tokenizer.json`.
    public struct Options: Sendable {
        /// What a character that is not in the vocabulary becomes; without it such a character is dropped.
        public var unknownToken: String?
        /// Put before every character of a word but the first ("##").
        public var continuingSubwordPrefix: String?
        /// Put after the last character of a word ("</w>").
        public var endOfWordSuffix: String?
        /// One unknown token for a run of unknown characters.
        public var fusesUnknown = false
        /// Spell a character that is not in the vocabulary as bytes (`<0x0A>`), where all of those exist.
        public var usesByteFallback = false
        /// A word that is a token as a whole becomes that token, whatever the merges say.
        public var ignoresMerges = false

        public init() {}
    }

    let vocabulary: Vocabulary
    let options: Options
    let merges: MergeTable
    let unknownID: UInt32?
    let byteIDs: [UInt32?]
    let prefix: [UInt8]
    let suffix: [UInt8]
    /// Ids of the characters below U+0800, where no prefix or suffix changes them; `noID` where there is none.
    private let shortCharacterIDs: [UInt32]
    private static let noID = UInt32.max

    /// - Parameter merges: pairs of tokens in order of rank.
    /// - Throws: ``TokenizationError/invalidMerge(index:reason:)`` for a pair whose parts or result are no tokens.
    public init(vocabulary: Vocabulary, merges: [(String, String)], options: Options = .init()) throws {
        var builder = MergeBuilder(vocabulary: vocabulary, options: options, capacity: merges.count)
        for (left, right) in merges {
            let (left, right) = (Array(left.utf8), Array(right.utf8))
            try left.withUnsafeBufferPointer { left in
                try right.withUnsafeBufferPointer { right in try builder.append(left: left, right: right) }
            }
        }
        self.init(vocabulary: vocabulary, merges: builder.table, options: options)
    }

    /// A SentencePiece BPE model: two neighbours merge where together they are a token, the one with the highest score
    /// first.
    ///
    /// - Parameters:
    ///   - scores: by id. Equal scores merge from left to right.
    ///   - isHidden: whether the token of an id is never made by merging, as control tokens, which text must not forge.
    /// - Throws: ``TokenizationError/invalidVocabulary(reason:)`` where scores and tokens differ in number or a score is
    ///   NaN.
    public init(
        vocabulary: Vocabulary, scores: [Double], options: Options, isHidden: (Int) -> Bool = { _ in false }
    ) throws {
        guard scores.count == vocabulary.endID, !scores.contains(where: { $0.isNaN }) else {
            throw TokenizationError.invalidVocabulary(
                reason: "\(scores.count) scores for \(vocabulary.endID) tokens, or one of them is not a number")
        }
        let ranks = Dictionary(
            uniqueKeysWithValues: Set(scores).sorted(by: >).enumerated().map { ($0.element, UInt32($0.offset)) })
        var merges: [(left: Int, right: Int, merge: MergeTable.Merge)] = []
        for id in scores.indices where !isHidden(id) {
            vocabulary.withBytes(of: id) { token in
                guard token.count <= BPEModel.maximumMergedByteCount else { return }
                // Of tokens spelled the same, the last one counts.
                guard token.count > 1, let whole = vocabulary.id(of: token) else { return }
                for split in token.indices.dropFirst() where token[split] & 0xC0 != 0x80 {
                    guard let left = vocabulary.id(of: ByteBuffer(rebasing: token[..<split])),
                        let right = vocabulary.id(of: ByteBuffer(rebasing: token[split...]))
                    else { continue }
                    merges.append((left, right, .init(rank: ranks[scores[id]] ?? 0, newID: UInt32(whole))))
                }
            }
        }
        var table = MergeTable(capacity: merges.count)
        for (left, right, merge) in merges { table.insert(left: UInt32(left), right: UInt32(right), merge) }
        self.init(vocabulary: vocabulary, merges: table, options: options)
    }

    /// The longest token that merges are derived for from scores, in bytes: a bound on the work that a hostile vocabulary
    /// makes. Real ones end at a few dozen.
    private static let maximumMergedByteCount = 256

    init(vocabulary: Vocabulary, merges: MergeTable, options: Options) {
        self.vocabulary = vocabulary
        self.options = options
        self.merges = merges
        unknownID = options.unknownToken.flatMap { vocabulary.id(of: $0) }.map { UInt32($0) }
        byteIDs = options.usesByteFallback ? vocabulary.byteTokenIDs() : []
        prefix = Array((options.continuingSubwordPrefix ?? "").utf8)
        suffix = Array((options.endOfWordSuffix ?? "").utf8)
        shortCharacterIDs = (0..<0x800 as Range<UInt32>).map { scalar in
            var bytes: [UInt8] = []
            UTF8Text.append(scalar, to: &bytes)
            return vocabulary.id(of: bytes).map { UInt32($0) } ?? BPEModel.noID
        }
    }

    /// Appends the ids of each word.
    ///
    /// - Throws: ``TokenizationError/missingUnknownToken(model:text:)`` for a character that is not in the vocabulary
    ///   where the unknown token that the options name is not either.
    func encode(
        _ text: ByteBuffer, words: [Range<Int>], cache: inout WordCache, into ids: inout [UInt32]
    ) throws {
        var merger = PairMerger()
        for word in words {
            let bytes = ByteBuffer(rebasing: text[word])
            guard bytes.count <= WordCache.maximumWordByteCount else {
                try encode(word: bytes, &merger, into: &ids)
                continue
            }
            let hash = cache.hash(bytes)
            if cache.append(bytes, hash: hash, to: &ids) { continue }
            let start = ids.count
            try encode(word: bytes, &merger, into: &ids)
            cache.store(bytes, hash: hash, ids: ids[start...])
        }
    }

    func encode(word: ByteBuffer, _ merger: inout PairMerger, into ids: inout [UInt32]) throws {
        if options.ignoresMerges, let id = vocabulary.id(of: word) {
            ids.append(UInt32(id))
            return
        }
        merger.symbols.removeAll(keepingCapacity: true)
        try appendCharacters(of: word, to: &merger.symbols)
        merges.withLookup { merger.mergeAll($0) }
        ids.append(contentsOf: merger.symbols)
    }

    /// Appends the ids of the characters of a word, before any merge.
    private func appendCharacters(of word: ByteBuffer, to symbols: inout [UInt32]) throws {
        let isPlain = prefix.isEmpty && suffix.isEmpty
        var pendingUnknown: UInt32?
        var index = 0
        while index < word.count {
            let (scalar, length) = UTF8Text.decode(word, at: index)
            let character = ByteBuffer(rebasing: word[index..<index + length])
            let isFirst = index == 0
            index += length
            var decorated: [UInt8] = []
            if !isPlain { decorated = decorate(character, isFirst: isFirst, isLast: index == word.count) }
            let id =
                isPlain
                ? (scalar < 0x800
                    ? shortCharacterIDs[Int(scalar)] : vocabulary.id(of: character).map { UInt32($0) } ?? BPEModel.noID)
                : vocabulary.id(of: decorated).map { UInt32($0) } ?? BPEModel.noID
            if id != BPEModel.noID {
                if let unknown = pendingUnknown { symbols.append(unknown) }
                pendingUnknown = nil
                symbols.append(id)
                continue
            }
            // As the reference does, bytes do not end a run of unknown characters.
            if options.usesByteFallback, appendBytes(isPlain ? Array(character) : decorated, to: &symbols) { continue }
            guard options.unknownToken != nil else { continue }
            guard let unknownID else {
                throw TokenizationError.missingUnknownToken(
                    model: "BPE", text: String(decoding: character, as: UTF8.self))
            }
            if let unknown = pendingUnknown, !options.fusesUnknown { symbols.append(unknown) }
            pendingUnknown = unknownID
        }
        if let unknown = pendingUnknown { symbols.append(unknown) }
    }

    func decorate(_ character: ByteBuffer, isFirst: Bool, isLast: Bool) -> [UInt8] {
        (isFirst ? [] : prefix) + character + (isLast ? suffix : [])
    }

    private func appendBytes(_ bytes: [UInt8], to symbols: inout [UInt32]) -> Bool {
        let ids = bytes.compactMap { byteIDs[Int($0)] }
        guard ids.count == bytes.count else { return false }
        symbols += ids
        return true
    }
}

extension Vocabulary {
    /// The ids of the tokens `<0x00>` to `<0xFF>` that stand for single bytes, nil where there is none.
    func byteTokenIDs() -> [UInt32?] {
        (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return id(of: "<0x" + (byte < 16 ? "0" : "") + digits + ">").map { UInt32($0) }
        }
    }
}

/// Turns merges written as tokens into ids.
struct MergeBuilder {
    private let vocabulary: Vocabulary
    private let prefixLength: Int
    private(set) var table: MergeTable
    private var count = 0
    private var joined: [UInt8] = []

    init(vocabulary: Vocabulary, options: BPEModel.Options, capacity: Int) {
        self.vocabulary = vocabulary
        prefixLength = options.continuingSubwordPrefix?.utf8.count ?? 0
        table = MergeTable(capacity: capacity)
    }

    /// Adds the merge of the next rank.
    mutating func append(left: ByteBuffer, right: ByteBuffer) throws {
        func id(_ token: ByteBuffer) throws -> UInt32 {
            guard let id = vocabulary.id(of: token) else {
                throw TokenizationError.invalidMerge(index: count, reason: "\(quoted(token)) is not in the vocabulary")
            }
            return UInt32(id)
        }
        let (leftID, rightID) = (try id(left), try id(right))
        guard right.count >= prefixLength else {
            throw TokenizationError.invalidMerge(
                index: count, reason: "\(quoted(right)) is shorter than the continuing subword prefix")
        }
        joined.removeAll(keepingCapacity: true)
        joined.append(contentsOf: left)
        joined.append(contentsOf: right[prefixLength...])
        let newID = try joined.withUnsafeBufferPointer { try id($0) }
        table.insert(left: leftID, right: rightID, .init(rank: UInt32(count), newID: newID))
        count += 1
    }
}
