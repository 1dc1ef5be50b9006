/// What becomes of the matches that a text is split at.
public enum SplitBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

/// When a Metaspace pre-tokenizer puts its replacement before a text that does not start with it.
public enum PrependScheme: String, Sendable, CaseIterable {
    case first, always, never
}

/// What cuts normalized text into the words that a model encodes one by one.
public indirect enum PreTokenizer: Sendable {
    /// GPT-2's: optionally a space in front, optionally a split into words, then bytes spelled as characters.
    case byteLevel(addsPrefixSpace: Bool, splitsWords: Bool)
    case split(TextPattern, SplitBehavior, inverted: Bool)
    /// Runs of word characters and runs of other characters, without whitespace.
    case whitespace
    /// What stands between whitespace.
    case whitespaceSplit
    /// SentencePiece's: spaces become `replacement`, and words start with it.
    case metaspace(replacement: String, PrependScheme, splits: Bool)
    /// At whitespace, and every punctuation character by itself.
    case bert
    /// Runs of digits, or each digit, by themselves.
    case digits(individually: Bool)
    case punctuation(SplitBehavior)
    case delimiter(String)
    /// Pieces of so many characters.
    case fixedLength(Int)
    case sequence([PreTokenizer])

    /// Whether it puts a word mark at the start of the text and nowhere else.
    var marksFirstWord: Bool {
        switch self {
        case .metaspace(_, .first, _): true
        case .sequence(let parts): parts.contains { $0.marksFirstWord }
        default: false
        }
    }

    /// Cuts `text` further.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func apply(to text: inout SplitText) throws {
        switch self {
        case .byteLevel(let addsPrefixSpace, let splitsWords):
            if addsPrefixSpace { text.prepend([0x20]) { $0.first != 0x20 } }
            if splitsWords { text.scan(.gpt2) }
            text.spellBytes()
        case .split(let pattern, let behavior, let inverted):
            try text.split(at: pattern, behavior, inverted: inverted)
        case .whitespace: text.splitIntoWordsAndSymbols()
        case .whitespaceSplit: text.splitAtCharacters(.whitespace, .removed)
        case .metaspace(let replacement, let scheme, let splits):
            try text.applyMetaspace(Array(replacement.utf8), scheme, splits: splits)
        case .bert:
            text.splitAtCharacters(.whitespace, .removed)
            text.splitAtCharacters(.punctuation, .isolated)
        case .digits(let individually): text.splitAtCharacters(.number, individually ? .isolated : .contiguous)
        case .punctuation(let behavior): text.splitAtCharacters(.punctuation, behavior)
        case .delimiter(let delimiter):
            try text.split(at: .literal(delimiter), .removed, inverted: false)
        case .fixedLength(let length): text.splitIntoPieces(of: length)
        case .sequence(let preTokenizers): for preTokenizer in preTokenizers { try preTokenizer.apply(to: &text) }
        }
    }
}
