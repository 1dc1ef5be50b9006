extension Tokenizer {
    /// The bytes that one token adds inside a text: possibly part of a character, with the space that it stands for. Empty
    /// for an id that is not in the vocabulary.
    public func textBytes(of id: Int) -> [UInt8] {
        guard let token = tokenBytes(for: id) else { return [] }
        guard addedTokens[id] == nil, let decoder else { return token }
        return decoder.pieceBytes(of: token)
    }
}

extension TokenDecoder {
    /// What a token inside a text becomes, without regard to those around it.
    func pieceBytes(of token: [UInt8]) -> [UInt8] {
        switch self {
        case .byteLevel:
            var bytes: [UInt8] = []
            token.withUnsafeBufferPointer { ByteLevel.decode($0, into: &bytes) }
            return bytes
        case .byteFallback: return ByteFallbackStage.byte(of: token).map { [$0] } ?? token
        case .metaspace(let replacement, _): return token.replacing(Array(replacement.utf8), with: [0x20])
        case .wordPiece(let prefix, _):
            return token.starts(with: prefix.utf8) ? Array(token.dropFirst(prefix.utf8.count)) : [0x20] + token
        case .bpe(let suffix): return token.replacing(Array(suffix.utf8), with: [0x20])
        case .replace(let pattern, let content):
            var stage = ReplaceStage(pattern: pattern, content: Array(content.utf8))
            var output: [[UInt8]] = []
            do { try stage.push(token, into: &output) } catch { return token }
            return output.flatMap(\.self)
        // These concern the ends of a text only.
        case .ctc, .fuse, .strip: return token
        case .sequence(let decoders): return decoders.reduce(token) { $1.pieceBytes(of: $0) }
        }
    }
}
