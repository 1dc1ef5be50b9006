/// What turns tokens back into text.
public indirect enum TokenDecoder: Sendable {
    /// Bytes spelled as characters become bytes; those that are no UTF-8 become U+FFFD.
    case byteLevel
    /// Tokens join with spaces, those with the prefix without; `cleansUp` removes the spaces before punctuation.
    case wordPiece(prefix: String, cleansUp: Bool)
    /// The replacement becomes a space; in the first token it goes, unless the scheme is `never`.
    case metaspace(replacement: String, PrependScheme)
    /// The suffix becomes a space, at the end of the last token nothing.
    case bpe(suffix: String)
    /// Repeated tokens and the padding go, the delimiter becomes a space.
    case ctc(padding: String, wordDelimiter: String, cleansUp: Bool)
    case replace(TextPattern, with: String)
    /// Runs of `<0x0A>` tokens become bytes, where they are UTF-8, and else one U+FFFD for each.
    case byteFallback
    /// All tokens become one.
    case fuse
    /// Removes up to so many of a character at the ends of each token.
    case strip(content: String, start: Int, stop: Int)
    case sequence([TokenDecoder])

    /// The stages of a new decoding, in order. Stages after one that makes all tokens one see that one in pieces.
    func makeStages() -> [any DecoderStage] {
        var stages: [any DecoderStage] = []
        var isFused = false
        appendStages(to: &stages, isFused: &isFused)
        return stages
    }

    private func appendStages(to stages: inout [any DecoderStage], isFused: inout Bool) {
        switch self {
        case .sequence(let decoders):
            for decoder in decoders { decoder.appendStages(to: &stages, isFused: &isFused) }
            return
        case .fuse:
            isFused = true
            return
        case .strip(let content, let start, let stop) where isFused:
            stages.append(FusedStripStage(content: Array(content.utf8), start: start, stop: stop))
            return
        default: break
        }
        let stage = makeStage()
        // Of what can follow, only the stripping of ends works on a fused token piece by piece.
        stages.append(isFused ? GatheringStage(inner: stage) : stage)
        if stage is ByteLevelStage { isFused = true }
    }

    private func makeStage() -> any DecoderStage {
        switch self {
        case .byteLevel: ByteLevelStage()
        case .wordPiece(let prefix, let cleansUp): WordPieceStage(prefix: Array(prefix.utf8), cleansUp: cleansUp)
        case .metaspace(let replacement, let scheme):
            MetaspaceStage(replacement: Array(replacement.utf8), dropsInFirst: scheme != .never)
        case .bpe(let suffix): SuffixStage(suffix: LiteralSearch(Array(suffix.utf8)))
        case .ctc(let padding, let wordDelimiter, let cleansUp):
            CTCStage(
                padding: LiteralSearch(Array(padding.utf8)), wordDelimiter: LiteralSearch(Array(wordDelimiter.utf8)),
                cleansUp: cleansUp)
        case .replace(let pattern, let content): ReplaceStage(pattern: pattern, content: Array(content.utf8))
        case .byteFallback: ByteFallbackStage()
        case .strip(let content, let start, let stop):
            StripStage(content: Array(content.utf8), start: start, stop: stop)
        case .fuse, .sequence: PassStage()
        }
    }
}
