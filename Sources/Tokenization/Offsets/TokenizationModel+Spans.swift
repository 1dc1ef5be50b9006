/// A token and the bytes of the word that it stands for.
struct TokenSpan {
    var id: UInt32
    var bytes: Range<Int>
}

extension TokenizationModel {
    /// The tokens of one word, each with its bytes.
    func spans(of word: ByteBuffer) throws -> [TokenSpan] {
        switch self {
        case .bpe(let model): return try model.spans(of: word)
        case .wordPiece(let model): return try model.spans(of: word)
        case .unigram(let model): return try model.spans(of: word)
        case .wordLevel(let model):
            var ids: [UInt32] = []
            try model.encode(word, into: &ids)
            return ids.map { TokenSpan(id: $0, bytes: 0..<word.count) }
        }
    }
}

extension UnigramModel {
    func spans(of word: ByteBuffer) throws -> [TokenSpan] {
        var spans: [TokenSpan] = []
        var ids: [UInt32] = []
        for piece in try pieces(of: word) {
            ids.removeAll(keepingCapacity: true)
            try append(ByteBuffer(rebasing: word[piece]), to: &ids)
            // A piece spelled as bytes: each of its tokens stands for all of it.
            spans += ids.map { TokenSpan(id: $0, bytes: piece) }
        }
        return spans
    }
}

extension WordPieceModel {
    func spans(of word: ByteBuffer) throws -> [TokenSpan] {
        var ids: [UInt32] = []
        try encode(word, into: &ids)
        var start = 0
        let spans = ids.map { id in
            let spelled = vocabulary.bytes(of: Int(id))?.count ?? 0
            let end = start + max(spelled - (start > 0 ? continuingSubwordPrefix.utf8.count : 0), 0)
            defer { start = end }
            return TokenSpan(id: id, bytes: start..<end)
        }
        // An unknown word is one token, whose spelling says nothing of the word.
        return start == word.count ? spans : ids.map { TokenSpan(id: $0, bytes: 0..<word.count) }
    }
}

extension BPEModel {
    /// Merging joins neighbours, so each token's bytes follow from its spelling; what the vocabulary does not have by
    /// itself became the unknown token, or bytes.
    func spans(of word: ByteBuffer) throws -> [TokenSpan] {
        var ids: [UInt32] = []
        var merger = PairMerger()
        try encode(word: word, &merger, into: &ids)
        if ids.count == 1, let id = ids.first { return [TokenSpan(id: id, bytes: 0..<word.count)] }
        var position = 0
        return ids.map { id in
            let start = position
            position = end(of: id, in: word, from: start)
            return TokenSpan(id: id, bytes: start..<position)
        }
    }

    private func end(of id: UInt32, in word: ByteBuffer, from start: Int) -> Int {
        guard start < word.count else { return word.count }
        if id != unknownID || byteIDs.contains(id), let spelling = vocabulary.bytes(of: Int(id)) {
            var text = spelling[...]
            if start > 0, text.starts(with: prefix) { text = text.dropFirst(prefix.count) }
            if word[start...].starts(with: text) { return start + text.count }
            let plain = text.dropLast(suffix.count)
            if !suffix.isEmpty, text.suffix(suffix.count).elementsEqual(suffix), word[start...].elementsEqual(plain) {
                return word.count
            }
            if byteIDs.contains(id) { return start + 1 }
        }
        var end = start + UTF8Text.decode(word, at: start).length
        while options.fusesUnknown, end < word.count {
            let length = UTF8Text.decode(word, at: end).length
            let character = ByteBuffer(rebasing: word[end..<end + length])
            let spelled = decorate(character, isFirst: end == 0, isLast: end + length == word.count)
            if vocabulary.id(of: spelled) != nil { break }
            end += length
        }
        return min(end, word.count)
    }
}
