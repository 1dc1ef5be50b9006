/// What rewrites text before it is cut into words.
public indirect enum Normalizer: Sendable {
    case nfc
    case nfd
    case nfkc
    case nfkd
    /// Puts a string before text that is not empty.
    case prepend(String)
    case replace(TextPattern, with: String)
    case lowercase
    /// Removes combining marks.
    case stripAccents
    /// Removes whitespace at the ends.
    case strip(left: Bool, right: Bool)
    case bert(BertNormalizer)
    case precompiled(PrecompiledCharacterMap)
    /// The clean-up of SentencePiece's `nmt_nfkc` rules.
    case nmt
    /// Spells every byte as the character that byte-level vocabularies use for it.
    case byteLevel
    case sequence([Normalizer])

    /// Rewrites well-formed UTF-8 in place.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func apply(to text: inout [UInt8]) throws {
        switch self {
        case .nfc: UnicodeNormalization.apply(.nfc, to: &text)
        case .nfd: UnicodeNormalization.apply(.nfd, to: &text)
        case .nfkc: UnicodeNormalization.apply(.nfkc, to: &text)
        case .nfkd: UnicodeNormalization.apply(.nfkd, to: &text)
        case .prepend(let prefix): if !text.isEmpty { text.insert(contentsOf: prefix.utf8, at: 0) }
        case .replace(let pattern, let content): text = try pattern.replace(in: text, with: Array(content.utf8))
        case .lowercase: ScalarRewriting.lowercase(&text)
        case .stripAccents: ScalarRewriting.removeMarks(.mark, from: &text)
        case .strip(let left, let right): Normalizer.strip(&text, left: left, right: right)
        case .bert(let bert): bert.apply(to: &text)
        case .precompiled(let map):
            var output: [UInt8] = []
            output.reserveCapacity(text.count)
            text.withUnsafeBufferPointer { map.apply(to: $0, into: &output) }
            text = output
        case .nmt: ScalarRewriting.cleanAsNMT(&text)
        case .byteLevel: text = ByteLevel.spell(text)
        case .sequence(let normalizers): for normalizer in normalizers { try normalizer.apply(to: &text) }
        }
    }

    private static func strip(_ text: inout [UInt8], left: Bool, right: Bool) {
        let kept = keptRange(of: text, left: left, right: right)
        if kept != 0..<text.count { text = Array(text[kept]) }
    }

    /// The text without the whitespace at its ends.
    static func keptRange(of text: [UInt8], left: Bool, right: Bool) -> Range<Int> {
        text.withUnsafeBufferPointer { buffer in
            var (start, end) = (0, buffer.count)
            while left, start < end {
                let (scalar, length) = UTF8Text.decode(buffer, at: start)
                guard UnicodeClasses.isWhitespace(scalar) else { break }
                start += length
            }
            while right, end > start {
                let last = UTF8Text.previousStart(buffer, before: end)
                guard UnicodeClasses.isWhitespace(UTF8Text.decode(buffer, at: last).scalar) else { break }
                end = last
            }
            return start..<end
        }
    }
}

/// The normalizer of BERT's original implementation.
public struct BertNormalizer: Sendable {
    /// Remove control characters, and make all whitespace spaces.
    public var cleansText: Bool
    /// Put spaces around every ideograph.
    public var separatesIdeographs: Bool
    /// Remove non-spacing marks after decomposition; left out, whether it does so is ``lowercases``.
    public var stripsAccents: Bool?
    public var lowercases: Bool

    public init(
        cleansText: Bool = true, separatesIdeographs: Bool = true, stripsAccents: Bool? = nil, lowercases: Bool = true
    ) {
        self.cleansText = cleansText
        self.separatesIdeographs = separatesIdeographs
        self.stripsAccents = stripsAccents
        self.lowercases = lowercases
    }

    func apply(to text: inout [UInt8]) {
        if cleansText { ScalarRewriting.cleanAsBERT(&text) }
        if separatesIdeographs { ScalarRewriting.separateIdeographs(&text) }
        if stripsAccents ?? lowercases {
            UnicodeNormalization.apply(.nfd, to: &text)
            ScalarRewriting.removeMarks(.nonspacingMark, from: &text)
        }
        if lowercases { ScalarRewriting.lowercase(&text) }
    }
}
