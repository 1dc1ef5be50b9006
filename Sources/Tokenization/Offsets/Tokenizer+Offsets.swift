extension Tokenizer {
    /// Encodes a text or a pair of texts, cut to a number of tokens.
    ///
    /// - Returns: the tokens, and how many there would be without cutting.
    /// - Throws: as ``encode(_:addSpecialTokens:parseSpecialTokens:)``; ``TokenizationError/noRoomForText(otherTokenCount:maximum:)``.
    public func encode(
        _ text: String, pair: String? = nil, truncation: Truncation, addSpecialTokens: Bool = true,
        parseSpecialTokens: Bool = true
    ) throws -> (encoding: Encoding, fullCount: Int) {
        let first = try encodeText(text, parseSpecialTokens: parseSpecialTokens)
        let second = try pair.map { try encodeText($0, parseSpecialTokens: parseSpecialTokens) }
        let added = addSpecialTokens ? postProcessor.addedTokenCount(isPair: second != nil) : 0
        let kept = try truncation.counts(
            first: first.count, second: second?.count ?? 0, room: truncation.maximumLength - added)
        let (ids, typeIDs) = postProcessor.apply(
            first: Array(first.prefix(kept.first)), second: second.map { Array($0.prefix(kept.second)) },
            addsSpecialTokens: addSpecialTokens)
        return (Encoding(ids: ids, typeIDs: typeIDs), first.count + (second?.count ?? 0) + added)
    }

    /// Encodes a text or a pair of texts into tokens that know where they came from.
    ///
    /// - Parameters:
    ///   - truncation: what the tokens are cut to; `nil`: they are not.
    ///   - stride: where given, what is cut off a text comes as further windows that repeat so many tokens of the one
    ///     before; the strategy must name one text.
    /// - Returns: one element, or with `stride` as many as windows are needed.
    /// - Throws: as ``encode(_:pair:truncation:addSpecialTokens:parseSpecialTokens:)``.
    public func encodeWithOffsets(
        _ text: String, pair: String? = nil, truncation: Truncation? = nil, stride: Int? = nil,
        addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
    ) throws -> [TokenizedText] {
        let first = try tokens(of: text, parseSpecialTokens)
        let second = try pair.map { try tokens(of: $0, parseSpecialTokens) }
        var kept = (first: first.count, second: second?.count ?? 0)
        if let truncation {
            let added = addSpecialTokens ? postProcessor.addedTokenCount(isPair: second != nil) : 0
            kept = try truncation.counts(
                first: kept.first, second: kept.second, room: truncation.maximumLength - added)
        }
        func frame(_ firstRange: Range<Int>, _ secondRange: Range<Int>) -> TokenizedText {
            postProcessor.frame(
                (first, firstRange), second.map { ($0, secondRange) }, addsSpecialTokens: addSpecialTokens)
        }
        let whole = (0..<kept.first, 0..<kept.second)
        guard let truncation, let stride else { return [frame(whole.0, whole.1)] }
        if truncation.strategy == .onlySecond {
            return Tokenizer.windows(of: second?.count ?? 0, length: kept.second, stride: stride)
                .map { frame(whole.0, $0) }
        }
        return Tokenizer.windows(of: first.count, length: kept.first, stride: stride).map { frame($0, whole.1) }
    }

    /// Windows of `length` over `count` tokens, each of which begins with the last `stride` tokens of the one before.
    private static func windows(of count: Int, length: Int, stride: Int) -> [Range<Int>] {
        guard count > length, length > 0 else { return [0..<min(count, max(length, 0))] }
        // A window must bring something new.
        let step = max(length - max(stride, 0), 1)
        var windows: [Range<Int>] = []
        var start = 0
        while windows.last?.upperBound != count {
            windows.append(start..<min(start + length, count))
            start += step
        }
        return windows
    }

    // MARK: One text

    /// The tokens of one text, without framing.
    private func tokens(of text: String, _ parseSpecialTokens: Bool) throws -> TokenizedText {
        var text = text
        var result = TokenizedText()
        var wordID = 0
        try text.withUTF8 { bytes in
            guard bytes.count <= Tokenizer.maximumTextByteCount else {
                throw TokenizationError.textTooLong(byteCount: bytes.count)
            }
            func scalarCount(_ range: Range<Int>) -> Int {
                UTF8Text.scalarCount(ByteBuffer(rebasing: bytes[range]))
            }
            // Where the last piece ended, in bytes and in scalars. The next one may start before.
            var (end, endScalar) = (0, 0)
            try rawMatcher.forEachPiece(of: bytes, findsSpecial: parseSpecialTokens) { piece in
                switch piece {
                case .token(let id, let range):
                    let start =
                        range.lowerBound < end
                        ? endScalar - scalarCount(range.lowerBound..<end)
                        : endScalar + scalarCount(end..<range.lowerBound)
                    (end, endScalar) = (range.upperBound, start + scalarCount(range))
                    result.append(UInt32(id), start..<endScalar, &wordID)
                case .text(let range):
                    let segment = ByteBuffer(rebasing: bytes[range])
                    var aligned = AlignedText(segment, firstScalar: endScalar)
                    (end, endScalar) = (range.upperBound, endScalar + scalarCount(range))
                    try append(
                        &aligned, startsAtOrigin: range.lowerBound == 0, parseSpecialTokens, to: &result, &wordID)
                }
            }
        }
        if let offsetTrimming {
            for index in result.offsets.indices {
                result.offsets[index] = offsetTrimming.apply(
                    to: result.offsets[index], index: index, token: tokenBytes(for: result.ids[index]) ?? [])
            }
        }
        return result
    }

    /// Appends the tokens of what lies between added tokens.
    private func append(
        _ segment: inout AlignedText, startsAtOrigin: Bool, _ parseSpecialTokens: Bool, to result: inout TokenizedText,
        _ wordID: inout Int
    ) throws {
        try normalizer?.apply(to: &segment)
        let places = segment.places
        let startsAtOrigin = startsAtOrigin && places.first.map { $0.start == 0 } ?? true
        try segment.bytes.withUnsafeBufferPointer { bytes in
            try normalizedMatcher.forEachPiece(of: bytes, findsSpecial: parseSpecialTokens) { piece in
                switch piece {
                case .token(let id, let range): result.append(UInt32(id), places.span(range), &wordID)
                case .text(let range):
                    var text = SplitText(
                        Array(bytes[range]), startsAtOrigin: startsAtOrigin && range.lowerBound == 0,
                        places: Array(places[range]))
                    try preTokenizer?.apply(to: &text)
                    try append(text, to: &result, &wordID)
                }
            }
        }
    }

    private func append(_ text: SplitText, to result: inout TokenizedText, _ wordID: inout Int) throws {
        let places = text.places ?? []
        try text.bytes.withUnsafeBufferPointer { bytes in
            for word in text.words {
                for span in try model.spans(of: ByteBuffer(rebasing: bytes[word])) {
                    let range = word.lowerBound + span.bytes.lowerBound..<word.lowerBound + span.bytes.upperBound
                    var id = wordID
                    result.append(span.id, places.span(range), &id)
                }
                wordID += 1
            }
        }
    }
}

extension TokenizedText {
    /// Appends a token that is a word by itself.
    fileprivate mutating func append(_ id: UInt32, _ offsets: Range<Int>, _ wordID: inout Int) {
        ids.append(Int(id))
        self.offsets.append(offsets)
        wordIDs.append(wordID)
        wordID += 1
    }
}

extension Array where Element == TextPlace {
    /// From where the first byte of a range stood to where the last one did.
    fileprivate func span(_ range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty, indices.contains(range.lowerBound), indices.contains(range.upperBound - 1) else {
            return 0..<0
        }
        let (start, end) = (Int(self[range.lowerBound].start), Int(self[range.upperBound - 1].end))
        return start..<Swift.max(start, end)
    }
}
