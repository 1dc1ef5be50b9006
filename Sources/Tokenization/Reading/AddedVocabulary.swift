/// The added tokens of a tokenizer, gathered one after the other as the reference library does: a token whose text has an
/// id keeps it, any other gets the next free one, and a later token of the same text changes how the first is found.
/// (`added_vocabulary.rs` of tokenizers 0.23)
struct AddedVocabulary: Sendable {
    private(set) var ids: [[UInt8]: Int] = [:]
    /// By id, as last described.
    private var latest: [Int: AddedToken] = [:]
    /// Every description of a token that changed something, in order; what each is searched for depends on its own flags.
    private var special: [AddedToken] = []
    private var classic: [AddedToken] = []
    private var specialContents: Set<[UInt8]> = []
    private var largestID = -1
    /// What a user should know of ids that are not those of the file.
    private(set) var notices: [String] = []

    /// Adds a token to those of the model.
    ///
    /// - Parameter isIDStated: whether the token's id is that of a file, and it is worth a notice where it cannot have it.
    /// - Throws: ``TokenizationError/invalidVocabulary(reason:)`` for a token that is too long, or where no id is left.
    mutating func add(_ token: AddedToken, to model: Vocabulary, isIDStated: Bool = true) throws {
        let content = Array(token.content.utf8)
        guard !content.isEmpty else { return }
        guard content.count <= Vocabulary.maximumTokenByteCount else {
            throw TokenizationError.invalidVocabulary(
                reason: "added token \(quoted(content)) is longer than \(Vocabulary.maximumTokenByteCount) bytes")
        }
        if token.isSpecial, specialContents.insert(content).inserted { special.append(token) }
        let id = ids[content] ?? model.id(of: content) ?? nextID(behind: model.count)
        guard id <= Vocabulary.maximumID else {
            throw TokenizationError.invalidVocabulary(
                reason: "added token \(quoted(content)) has id \(id), which is not in 0...\(Vocabulary.maximumID)")
        }
        if isIDStated, token.id != id, ids[content] == nil {
            notices.append("added token \(quoted(content)) has the id \(id), not \(token.id) as the file says")
        }
        var token = token
        token.id = id
        guard latest[id] != token else { return }
        ids[content] = id
        latest[id] = token
        largestID = max(largestID, id)
        if !specialContents.contains(content) { classic.append(token) }
    }

    private func nextID(behind modelCount: Int) -> Int {
        largestID >= modelCount || modelCount == 0 ? largestID + 1 : modelCount
    }

    /// The tokens by id. A text that was special once stays so.
    var tokens: [Int: AddedToken] {
        latest.mapValues { token in
            var token = token
            token.isSpecial = specialContents.contains(Array(token.content.utf8))
            return token
        }
    }

    /// Whether decoding can leave out a token that is spelled so.
    func isSpecial(_ spelling: [UInt8]) -> Bool { specialContents.contains(spelling) }

    /// The descriptions that are searched for in normalized text, or in the text as given, each with the id of its text.
    func searched(inNormalizedText isNormalized: Bool) -> [(content: [UInt8], id: Int)] {
        (special + classic).filter { $0.isNormalized == isNormalized }.compactMap { token in
            let content = Array(token.content.utf8)
            return ids[content].map { (content, $0) }
        }
    }
}
