/// WordPiece: a word is cut into the longest tokens from its start on (https://arxiv.org/abs/1810.04805); a word that
/// cannot be cut so is unknown as a whole.
public struct WordPieceModel: Sendable {
    let vocabulary: Vocabulary
    let unknownToken: String
    let continuingSubwordPrefix: String
    let maximumCharactersPerWord: Int
    let unknownID: Int?

    /// - Parameters:
    ///   - continuingSubwordPrefix: what tokens inside a word start with.
    ///   - maximumCharactersPerWord: longer words are unknown.
    public init(
        vocabulary: Vocabulary, unknownToken: String = "[UNK]", continuingSubwordPrefix: String = "##",
        maximumCharactersPerWord: Int = 100
    ) {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        self.continuingSubwordPrefix = continuingSubwordPrefix
        self.maximumCharactersPerWord = maximumCharactersPerWord
        unknownID = vocabulary.id(of: unknownToken)
    }

    /// Appends the ids of a word.
    ///
    /// - Throws: ``TokenizationError/missingUnknownToken(model:text:)``.
    func encode(_ word: ByteBuffer, into ids: inout [UInt32]) throws {
        let firstIndex = ids.count
        guard UTF8Text.scalarCount(word) <= maximumCharactersPerWord else { return try appendUnknown(word, to: &ids) }
        let prefix = Array(continuingSubwordPrefix.utf8)
        var candidate: [UInt8] = []
        var start = 0
        while start < word.count {
            candidate = start > 0 ? prefix : []
            let room = max(vocabulary.longestTokenByteCount - candidate.count, 0)
            // No token is longer than the longest, so start there, at the end of a character.
            var end = min(word.count, start + room)
            while end > start, end < word.count, word[end] & 0xC0 == 0x80 { end -= 1 }
            candidate.append(contentsOf: word[start..<end])
            var found: Int?
            while end > start {
                found = vocabulary.id(of: candidate)
                if found != nil { break }
                let previous = UTF8Text.previousStart(word, before: end)
                candidate.removeLast(end - previous)
                end = previous
            }
            guard let id = found else {
                ids.removeLast(ids.count - firstIndex)
                return try appendUnknown(word, to: &ids)
            }
            ids.append(UInt32(id))
            start = end
        }
    }

    private func appendUnknown(_ word: ByteBuffer, to ids: inout [UInt32]) throws {
        guard let unknownID else {
            throw TokenizationError.missingUnknownToken(
                model: "WordPiece", text: String(decoding: word.prefix(60), as: UTF8.self))
        }
        ids.append(UInt32(unknownID))
    }
}

/// A vocabulary of whole words.
public struct WordLevelModel: Sendable {
    let vocabulary: Vocabulary
    private let unknownID: Int?

    public init(vocabulary: Vocabulary, unknownToken: String) {
        self.vocabulary = vocabulary
        unknownID = vocabulary.id(of: unknownToken)
    }

    func encode(_ word: ByteBuffer, into ids: inout [UInt32]) throws {
        guard let id = vocabulary.id(of: word) ?? unknownID else {
            throw TokenizationError.missingUnknownToken(
                model: "WordLevel", text: String(decoding: word.prefix(60), as: UTF8.self))
        }
        ids.append(UInt32(id))
    }
}
