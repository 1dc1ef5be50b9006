extension Tokenizer {
    /// The bytes that one token adds to a text in which others come before it: possibly part of a character, with the space
    /// that it stands for. Empty for an id that is not in the vocabulary.
    public func textBytes(of id: Int) -> [UInt8] {
        guard let token = tokenBytes(for: id) else { return [] }
        // Added tokens are spelled as they are, whatever the decoder makes of others.
        guard addedTokens[id] == nil, let decoder else { return token }
        return decoder.bytes(of: token)
    }

    /// The same, but empty for control tokens too.
    public func decodedBytes(of id: Int) -> [UInt8] { isSpecial(id) ? [] : textBytes(of: id) }
}

extension TokenDecoder {
    /// What the decoder makes of a token in the middle of a text, as bytes that need not be whole characters.
    func bytes(of token: [UInt8]) -> [UInt8] {
        switch self {
        case .byteLevel:
            var bytes: [UInt8] = []
            token.withUnsafeBufferPointer { ByteLevel.decode($0, into: &bytes) }
            return bytes
        case .byteFallback: return ByteFallbackStage.byte(of: token).map { [$0] } ?? token
        case .metaspace(let replacement, _): return TokenDecoder.replacing(replacement, in: token)
        case .wordPiece(let prefix, _):
            return token.starts(with: prefix.utf8) ? Array(token.dropFirst(prefix.utf8.count)) : [0x20] + token
        case .bpe(let suffix): return TokenDecoder.replacing(suffix, in: token)
        case .replace(let pattern, let content):
            var stage = ReplaceStage(pattern: pattern, content: Array(content.utf8))
            var output: [[UInt8]] = []
            do { try stage.push(token, into: &output) } catch { return token }
            return output.flatMap(\.self)
        // These concern the ends of a text, or several tokens.
        case .ctc, .fuse, .strip: return token
        case .sequence(let decoders): return decoders.reduce(token) { $1.bytes(of: $0) }
        }
    }

    /// A token with spaces where `pattern` was.
    private static func replacing(_ pattern: String, in token: [UInt8]) -> [UInt8] {
        pattern.isEmpty ? token : token.replacing(Array(pattern.utf8), with: [0x20])
    }
}
