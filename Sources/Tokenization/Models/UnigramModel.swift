/// The unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to cut a text into tokens, the
/// one whose scores add up highest, found by Viterbi's algorithm.
public struct UnigramModel: Sendable {
    /// How far an unknown character scores below the least token.
    private static let unknownPenalty = 10.0

    let vocabulary: Vocabulary
    let scores: [Double]
    let unknownID: Int?
    let usesByteFallback: Bool
    private let trie: ByteTrie
    private let unknownScore: Double
    private let byteIDs: [UInt32?]

    /// - Parameters:
    ///   - vocabulary: the tokens; ids index `scores`.
    ///   - scores: the log probability of each token.
    ///   - unknownID: what characters in no token become; without it they are an error.
    ///   - usesByteFallback: spell unknown text as `<0x0A>` tokens instead, where all of those exist.
    ///   - isHidden: whether the token of an id is never found in text, as control tokens.
    /// - Throws: ``TokenizationError/invalidVocabulary(reason:)`` where scores and tokens differ in number, a score is
    ///   NaN, or `unknownID` is out of range.
    public init(
        vocabulary: Vocabulary, scores: [Double], unknownID: Int?, usesByteFallback: Bool = false,
        isHidden: (Int) -> Bool = { _ in false }
    ) throws {
        guard scores.count == vocabulary.endID else {
            throw TokenizationError.invalidVocabulary(
                reason: "\(scores.count) scores for \(vocabulary.endID) tokens")
        }
        if let bad = scores.firstIndex(where: { $0.isNaN }) {
            throw TokenizationError.invalidVocabulary(reason: "the score of token \(bad) is not a number")
        }
        if let unknownID, unknownID < 0 || unknownID >= scores.count {
            throw TokenizationError.invalidVocabulary(
                reason: "unk_id is \(unknownID), which is not among the \(scores.count) tokens")
        }
        self.vocabulary = vocabulary
        self.scores = scores
        self.unknownID = unknownID
        self.usesByteFallback = usesByteFallback
        let found = scores.indices.filter { !isHidden($0) }
        unknownScore = (found.map { scores[$0] }.min() ?? 0) - UnigramModel.unknownPenalty
        byteIDs = usesByteFallback ? vocabulary.byteTokenIDs() : []
        var trie = ByteTrie(capacity: scores.count * 4)
        for id in found {
            vocabulary.withBytes(of: id) { bytes in
                // Of repeated tokens the last one counts, as in the vocabulary.
                trie.insert(bytes, value: UInt32(id))
            }
        }
        self.trie = trie
    }

    private struct Node {
        var score = 0.0
        var start = -1
        var id = 0
    }

    /// Appends the ids of a piece of text.
    ///
    /// - Throws: ``TokenizationError/missingUnknownToken(model:text:)``.
    func encode(_ text: ByteBuffer, into ids: inout [UInt32]) throws {
        for piece in try pieces(of: text) { try append(ByteBuffer(rebasing: text[piece]), to: &ids) }
    }

    /// The ranges of the best path, in order.
    func pieces(of text: ByteBuffer) throws -> some Sequence<Range<Int>> {
        let nodes = try bestPaths(text)
        // Backwards along the best path; neighbouring unknown characters fuse into one piece.
        var pieces: [Range<Int>] = []
        var end = text.count
        var unknownEnd: Int?
        while end > 0 {
            let node = nodes[end]
            if node.id == unknownID {
                if unknownEnd == nil { unknownEnd = end }
            } else {
                if let unknown = unknownEnd { pieces.append(end..<unknown) }
                unknownEnd = nil
                pieces.append(node.start..<end)
            }
            end = node.start
        }
        if let unknown = unknownEnd { pieces.append(0..<unknown) }
        return pieces.reversed()
    }

    private func bestPaths(_ text: ByteBuffer) throws -> [Node] {
        var nodes = [Node](repeating: Node(), count: text.count + 1)
        var start = 0
        while start < text.count {
            let scoreHere = nodes[start].score
            let characterLength = UTF8Text.decode(text, at: start).length
            var hasSingle = false
            trie.forEachPrefix(of: text, from: start) { length, id in
                let score = scores[Int(id)] + scoreHere
                let end = start + length
                if nodes[end].start < 0 || score > nodes[end].score {
                    nodes[end] = Node(score: score, start: start, id: Int(id))
                }
                if length == characterLength { hasSingle = true }
            }
            if !hasSingle {
                let end = start + characterLength
                let score = unknownScore + scoreHere
                if nodes[end].start < 0 || score > nodes[end].score {
                    guard let unknownID else {
                        throw TokenizationError.missingUnknownToken(
                            model: "Unigram", text: String(decoding: text[start..<end], as: UTF8.self))
                    }
                    nodes[end] = Node(score: score, start: start, id: unknownID)
                }
            }
            start += characterLength
        }
        return nodes
    }

    func append(_ piece: ByteBuffer, to ids: inout [UInt32]) throws {
        if let id = vocabulary.id(of: piece) {
            ids.append(UInt32(id))
            return
        }
        if usesByteFallback {
            let bytes = piece.compactMap { byteIDs[Int($0)] }
            if bytes.count == piece.count {
                ids += bytes
                return
            }
        }
        guard let unknownID else {
            throw TokenizationError.missingUnknownToken(model: "Unigram", text: String(decoding: piece, as: UTF8.self))
        }
        ids.append(UInt32(unknownID))
    }
}
