/// A text on its way through the pre-tokenizers: its bytes, and the words it is cut into so far, in order.
struct SplitText {
    private(set) var bytes: [UInt8]
    private(set) var words: [Range<Int>]
    /// Whether the first word starts where the whole input does, which the prepend scheme `first` asks.
    private var startsAtOrigin: Bool
    /// Where each byte came from; `nil` where nobody asks.
    private(set) var places: [TextPlace]?

    init(_ bytes: [UInt8], startsAtOrigin: Bool, places: [TextPlace]? = nil) {
        self.bytes = bytes
        self.places = places
        self.startsAtOrigin = startsAtOrigin
        words = bytes.isEmpty ? [] : [0..<bytes.count]
    }

    // MARK: Cutting

    /// Cuts every word at the matches of a pattern.
    mutating func split(at pattern: TextPattern, _ behavior: SplitBehavior, inverted: Bool) throws {
        if case .regex(let regex) = pattern, behavior == .isolated || behavior == .removed && inverted,
            let scanner = WordScanner(pattern: regex.source)
        {
            // These patterns match every character, so that nothing lies between matches.
            return scan(scanner)
        }
        try splitEach(behavior) { word, pieces in
            var position = 0
            try pattern.forEachMatch(in: word) { match in
                if position < match.lowerBound { pieces.append(.init(position..<match.lowerBound, isMatch: inverted)) }
                pieces.append(.init(match, isMatch: !inverted))
                position = match.upperBound
            }
            if position < word.count { pieces.append(.init(position..<word.count, isMatch: inverted)) }
        }
    }

    /// Cuts every word at each character of some classes.
    mutating func splitAtCharacters(_ classes: UnicodeClasses, _ behavior: SplitBehavior) {
        splitEach(behavior) { word, pieces in
            UnicodeClasses.withTable { table in
                var (index, gapStart) = (0, 0)
                while index < word.count {
                    let (scalar, length) = UTF8Text.decode(word, at: index)
                    if SplitText.isDelimiter(scalar, classes, table) {
                        if gapStart < index { pieces.append(.init(gapStart..<index, isMatch: false)) }
                        pieces.append(.init(index..<index + length, isMatch: true))
                        gapStart = index + length
                    }
                    index += length
                }
                if gapStart < word.count { pieces.append(.init(gapStart..<word.count, isMatch: false)) }
            }
        }
    }

    /// ASCII symbols such as `$` and `+` count as punctuation here, as in BERT.
    @inline(__always)
    private static func isDelimiter(_ scalar: UInt32, _ classes: UnicodeClasses, _ table: UnsafePointer<UInt16>) -> Bool
    {
        if !UnicodeClasses.of(scalar, table).isDisjoint(with: classes) { return true }
        guard classes.contains(.punctuation) else { return false }
        switch scalar {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        default: return false
        }
    }

    /// `\w+|[^\w\s]+`: the runs of word characters and of other characters that are not whitespace.
    mutating func splitIntoWordsAndSymbols() {
        splitEach(.isolated) { word, pieces in
            UnicodeClasses.withTable { table in
                func kind(_ scalar: UInt32) -> Int {
                    let classes = UnicodeClasses.of(scalar, table)
                    return classes.contains(.word) ? 1 : classes.contains(.whitespace) ? 0 : 2
                }
                var (index, start, current) = (0, 0, 0)
                while index < word.count {
                    let (scalar, length) = UTF8Text.decode(word, at: index)
                    let kind = kind(scalar)
                    if kind != current {
                        if current != 0 { pieces.append(.init(start..<index, isMatch: true)) }
                        (start, current) = (index, kind)
                    }
                    index += length
                }
                if current != 0 { pieces.append(.init(start..<word.count, isMatch: true)) }
            }
        }
    }

    /// Cuts every word into pieces of `length` characters.
    mutating func splitIntoPieces(of length: Int) {
        splitEach(.isolated) { word, pieces in
            var (index, start, count) = (0, 0, 0)
            while index < word.count {
                index += UTF8Text.decode(word, at: index).length
                count += 1
                if count == length || index == word.count {
                    pieces.append(.init(start..<index, isMatch: true))
                    (start, count) = (index, 0)
                }
            }
        }
    }

    /// Cuts every word by a hand-written scanner.
    mutating func scan(_ scanner: WordScanner) {
        var pieces: [Range<Int>] = []
        pieces.reserveCapacity(bytes.count / 4)
        bytes.withUnsafeBufferPointer { text in
            for word in words { scanner.scan(text, word, into: &pieces) }
        }
        words = pieces
    }

    private struct Piece {
        var range: Range<Int>
        let isMatch: Bool

        init(_ range: Range<Int>, isMatch: Bool) {
            self.range = range
            self.isMatch = isMatch
        }
    }

    private mutating func splitEach(
        _ behavior: SplitBehavior, _ cut: (ByteBuffer, inout [Piece]) throws -> Void
    ) rethrows {
        var result: [Range<Int>] = []
        var pieces: [Piece] = []
        var firstWordIsCut = false
        try bytes.withUnsafeBufferPointer { text in
            for word in words {
                pieces.removeAll(keepingCapacity: true)
                try cut(ByteBuffer(rebasing: text[word]), &pieces)
                let before = result.count
                SplitText.merge(pieces, behavior, offset: word.lowerBound, into: &result)
                if word.lowerBound == words.first?.lowerBound {
                    firstWordIsCut = result.count == before || result[before].lowerBound != word.lowerBound
                }
            }
        }
        if firstWordIsCut { startsAtOrigin = false }
        words = result
    }

    private static func merge(
        _ pieces: [Piece], _ behavior: SplitBehavior, offset: Int, into words: inout [Range<Int>]
    ) {
        let firstIndex = words.count
        var previousIsMatch = false
        func extend(_ piece: Piece, joins: Bool) {
            if joins, words.count > firstIndex {
                words[words.count - 1] = words[words.count - 1].lowerBound..<offset + piece.range.upperBound
            } else {
                words.append(offset + piece.range.lowerBound..<offset + piece.range.upperBound)
            }
            previousIsMatch = piece.isMatch
        }
        switch behavior {
        case .isolated: for piece in pieces { extend(piece, joins: false) }
        case .removed: for piece in pieces where !piece.isMatch { extend(piece, joins: false) }
        case .contiguous: for piece in pieces { extend(piece, joins: piece.isMatch == previousIsMatch) }
        case .mergedWithPrevious: for piece in pieces { extend(piece, joins: piece.isMatch && !previousIsMatch) }
        case .mergedWithNext:
            // Seen from the end: a match joins what follows it, unless that is a match too.
            for piece in pieces.indices {
                let isJoined =
                    piece > 0 && pieces[piece - 1].isMatch && !pieces[piece].isMatch
                extend(pieces[piece], joins: isJoined)
            }
        }
        if words[firstIndex...].contains(where: \.isEmpty) {
            words.replaceSubrange(firstIndex..., with: words[firstIndex...].filter { !$0.isEmpty })
        }
    }

    // MARK: Rewriting

    /// Puts `prefix` before every word that `isWanted`.
    mutating func prepend(_ prefix: [UInt8], where isWanted: (ByteBuffer) -> Bool) {
        let old = places == nil ? nil : self
        defer { realign(from: old) { _ in 1 } }
        rewriteEach { word, _, output in
            if isWanted(word) { output.append(contentsOf: prefix) }
            output.append(contentsOf: word)
        }
    }

    /// Spells the bytes of every word as characters.
    mutating func spellBytes() {
        let old = places == nil ? nil : self
        defer { realign(from: old) { ByteLevel.characters[Int($0)] < 0x80 ? 1 : 2 } }
        var words = words
        bytes = bytes.withUnsafeBufferPointer { ByteLevel.spell($0, words: &words) }
        self.words = words
    }

    /// SentencePiece's treatment of spaces.
    mutating func applyMetaspace(_ replacement: [UInt8], _ scheme: PrependScheme, splits: Bool) throws {
        let startsAtOrigin = startsAtOrigin
        let old = places == nil ? nil : self
        rewriteEach { word, isFirst, output in
            let start = output.count
            for byte in word {
                if byte == 0x20 { output.append(contentsOf: replacement) } else { output.append(byte) }
            }
            let isPrepended =
                switch scheme {
                case .always: true
                case .first: isFirst && startsAtOrigin
                case .never: false
                }
            if isPrepended, !output[start...].starts(with: replacement) {
                output.insert(contentsOf: replacement, at: start)
            }
        }
        realign(from: old) { $0 == 0x20 ? replacement.count : 1 }
        if splits {
            try split(at: .literal(String(decoding: replacement, as: UTF8.self)), .mergedWithNext, inverted: false)
        }
    }

    private mutating func rewriteEach(_ rewrite: (ByteBuffer, _ isFirst: Bool, inout [UInt8]) -> Void) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 2)
        bytes.withUnsafeBufferPointer { text in
            for index in words.indices {
                let start = output.count
                rewrite(ByteBuffer(rebasing: text[words[index]]), index == 0, &output)
                words[index] = start..<output.count
            }
        }
        bytes = output
    }

    /// Follows the places through a rewriting of every word. What a word has more of in the end was put before it, and
    /// stands where its first character stands.
    /// - Parameter byteCount: the bytes that a byte of the old text became.
    private mutating func realign(from old: SplitText?, _ byteCount: (UInt8) -> Int) {
        guard let old, let oldPlaces = old.places else { return }
        var result: [TextPlace] = []
        result.reserveCapacity(bytes.count)
        for (before, after) in zip(old.words, words) {
            var places: [TextPlace] = []
            for index in before {
                places += repeatElement(oldPlaces[index], count: byteCount(old.bytes[index]))
            }
            let first = places.first ?? TextPlace(start: 0, end: 0)
            result += repeatElement(first, count: max(after.count - places.count, 0)) + places
        }
        places = result
    }
}
