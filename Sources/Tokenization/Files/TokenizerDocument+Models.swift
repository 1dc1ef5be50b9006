internal import JSONCore

extension TokenizerDocument {
    /// Tokens with ids, and merges in order of rank.
    struct MergedTokens {
        var tokens: [(text: String, id: Int)]
        var merges: [(left: String, right: String)]
    }

    static func bpe(
        _ merged: MergedTokens, unknown: String?, usesByteFallback: Bool, ignoresMerges: Bool = false
    ) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "BPE")
        if let unknown { writer.member("unk_token", unknown) }
        writer.member("fuse_unk", true)
        writer.member("byte_fallback", usesByteFallback)
        writer.member("ignore_merges", ignoresMerges)
        writer.key("vocab")
        writer.beginObject()
        for (text, id) in merged.tokens { writer.member(text, id) }
        writer.endObject()
        writer.key("merges")
        writer.beginArray()
        for merge in merged.merges {
            writer.beginArray()
            writer.value(merge.left)
            writer.value(merge.right)
            writer.endArray()
        }
        writer.endArray()
        writer.endObject()
        return writer.text
    }

    static func unigram(
        _ pieces: [(String, Double)], unknownID: Int?, usesByteFallback: Bool = false
    ) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "Unigram")
        if let unknownID { writer.member("unk_id", unknownID) }
        writer.member("byte_fallback", usesByteFallback)
        writer.key("vocab")
        writer.beginArray()
        for (text, score) in pieces {
            writer.beginArray()
            writer.value(text)
            try writer.value(score)
            writer.endArray()
        }
        writer.endArray()
        writer.endObject()
        return writer.text
    }
}

extension SentencePieceModel {
    /// The longest piece that merges are derived for, in bytes: a bound on the work that a hostile file makes. Real ones
    /// end at a few dozen.
    private static let maximumMergedByteCount = 256

    /// The pieces under the names that a configuration gives to their ids; a name that another piece keeps is not taken.
    func renamed(_ tokens: [AddedToken]) -> SentencePieceModel {
        let names = Dictionary(tokens.map { ($0.id, $0.content) }, uniquingKeysWith: { $1 })
        guard !names.isEmpty else { return self }
        var result = self
        let kept = Set(pieces.indices.filter { names[$0] == nil }.map { pieces[$0].text })
        for id in pieces.indices {
            if let name = names[id], !kept.contains(name) { result.pieces[id].text = name }
        }
        return result
    }

    /// Every piece merges of any two, those of smaller ids first. (`generate_merges` of transformers)
    func mergedByID() throws -> TokenizerDocument.MergedTokens {
        let all = try vocabulary { _ in true }
        let order = pieces.indices.filter { all.id(of: pieces[$0].text) == $0 }
        return .init(tokens: order.map { (pieces[$0].text, $0) }, merges: merges(of: order, in: all))
    }

    /// Normal pieces merge of normal pieces, those of higher scores first, as SentencePiece does it.
    func mergedByScore() throws -> TokenizerDocument.MergedTokens {
        let all = try vocabulary { _ in true }
        let normal = try vocabulary { $0.kind == .normal }
        let order = pieces.indices.filter { pieces[$0].kind == .normal && normal.id(of: pieces[$0].text) == $0 }
        let ranked = order.sorted {
            pieces[$0].score == pieces[$1].score ? $0 < $1 : pieces[$0].score > pieces[$1].score
        }
        let kept = pieces.indices.filter { all.id(of: pieces[$0].text) == $0 }
        return .init(tokens: kept.map { (pieces[$0].text, $0) }, merges: merges(of: ranked, in: normal))
    }

    /// Ids by bytes; of pieces that are spelled the same the last one counts.
    private func vocabulary(_ isIncluded: (Piece) -> Bool) throws -> Vocabulary {
        var vocabulary = Vocabulary(capacity: pieces.count)
        for (id, piece) in pieces.enumerated() where isIncluded(piece) { try vocabulary.insert(piece.text, id: id) }
        return vocabulary
    }

    private func merges(of ids: [Int], in vocabulary: Vocabulary) -> [(left: String, right: String)] {
        var merges: [(left: String, right: String)] = []
        for id in ids {
            var text = pieces[id].text
            text.withUTF8 { bytes in
                guard bytes.count <= SentencePieceModel.maximumMergedByteCount else { return }
                for split in bytes.indices.dropFirst() where bytes[split] & 0xC0 != 0x80 {
                    let (left, right) = (ByteBuffer(rebasing: bytes[..<split]), ByteBuffer(rebasing: bytes[split...]))
                    guard vocabulary.id(of: left) != nil, vocabulary.id(of: right) != nil else { continue }
                    merges.append((String(decoding: left, as: UTF8.self), String(decoding: right, as: UTF8.self)))
                }
            }
        }
        return merges
    }
}
