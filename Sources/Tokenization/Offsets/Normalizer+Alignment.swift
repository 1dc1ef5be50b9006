extension Normalizer {
    /// Rewrites a text as ``apply(to:)-([UInt8])`` does, keeping account of where its characters came from.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func apply(to text: inout AlignedText) throws {
        switch self {
        case .nfc: text.normalize(.nfc)
        case .nfd: text.normalize(.nfd)
        case .nfkc: text.normalize(.nfkc)
        case .nfkd: text.normalize(.nfkd)
        case .prepend(let prefix): text.prepend(Array(prefix.utf8))
        case .replace(let pattern, let content): try text.replace(pattern, with: Array(content.utf8))
        case .lowercase: text.rewriteScalars { ScalarRewriting.lowercase(&$0) }
        case .stripAccents: text.rewriteScalars { ScalarRewriting.removeMarks(.mark, from: &$0) }
        case .strip(let left, let right):
            text.keep(Normalizer.keptRange(of: text.bytes, left: left, right: right))
        case .bert(let bert): bert.apply(to: &text)
        case .precompiled(let map): text.apply(map)
        case .nmt: text.rewriteScalars { ScalarRewriting.cleanAsNMT(&$0) }
        case .byteLevel: text.rewriteScalars { $0 = ByteLevel.spell($0) }
        case .sequence(let normalizers): for normalizer in normalizers { try normalizer.apply(to: &text) }
        }
    }
}

extension BertNormalizer {
    func apply(to text: inout AlignedText) {
        if cleansText { text.rewriteScalars { ScalarRewriting.cleanAsBERT(&$0) } }
        if separatesIdeographs { text.rewriteScalars { ScalarRewriting.separateIdeographs(&$0) } }
        if stripsAccents ?? lowercases {
            text.normalize(.nfd)
            text.rewriteScalars { ScalarRewriting.removeMarks(.nonspacingMark, from: &$0) }
        }
        if lowercases { text.rewriteScalars { ScalarRewriting.lowercase(&$0) } }
    }
}

extension AlignedText {
    /// Normalizes each starter together with the marks that follow it.
    mutating func normalize(_ form: UnicodeNormalization.Form) {
        guard bytes.contains(where: { $0 >= 0x80 }) else { return }
        let decomposes = form == .nfd || form == .nfkd
        rewritePieces(
            end: { AlignedText.endOfNormalizationSegment($0, $1) },
            rewrite: { UnicodeNormalization.apply(form, to: &$0) },
            origin: { index, old, new in
                // Marks stay with marks: counted from the front where they come apart, from the back where they join.
                if decomposes || new >= old { return old == 1 ? 0 : max(index - (new - old), 0) }
                return index == 0 ? 0 : old - (new - index)
            })
    }

    /// ASCII up to the last character before others; else a character and what may join it.
    private static func endOfNormalizationSegment(_ text: ByteBuffer, _ start: Int) -> Int {
        var end = start
        while end < text.count, text[end] < 0x80 { end += 1 }
        if end == text.count { return end }
        if end > start + 1 { return end - 1 }
        end = start + UTF8Text.decode(text, at: start).length
        while end < text.count {
            let (scalar, length) = UTF8Text.decode(text, at: end)
            guard isContinuing(scalar) else { break }
            end += length
        }
        return end
    }

    private static func isContinuing(_ value: UInt32) -> Bool {
        guard value >= 0x300, let scalar = Unicode.Scalar(value) else { return false }
        // The vowels and final consonants of Hangul.
        if (0x1160...0x11FF).contains(value) { return true }
        return scalar.properties.canonicalCombiningClass != .notReordered
            || scalar.properties.generalCategory == .spacingMark
    }

    /// SentencePiece's map works on graphemes, and on their characters where it has no entry for one.
    mutating func apply(_ map: PrecompiledCharacterMap) {
        func rewrite(_ piece: inout [UInt8]) {
            var output: [UInt8] = []
            piece.withUnsafeBufferPointer { map.apply(to: $0, into: &output) }
            piece = output
        }
        rewritePieces(
            end: { text, start in
                let end = GraphemeBreaker.endOfGrapheme(text, from: start)
                let length = UTF8Text.decode(text, at: start).length
                guard end > start + length else { return end }
                var whole = Array(text[start..<end])
                rewrite(&whole)
                var single = Array(text[start..<start + length])
                rewrite(&single)
                var rest = Array(text[(start + length)..<end])
                rewrite(&rest)
                // A grapheme without an entry of its own is worked on character by character.
                return whole == single + rest ? start + length : end
            }, rewrite: rewrite)
    }
}
