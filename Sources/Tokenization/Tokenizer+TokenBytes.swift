extension Tokenizer {
    /// The bytes that a token adds to a text in which others come before it; they may be a part of a character. Empty for
    /// control tokens, and for ids that no token has.
    public func decodedBytes(of id: Int) -> [UInt8] {
        guard !isSpecial(id), let token = tokenBytes(for: id) else { return [] }
        // Added tokens are spelled as they are, whatever the decoder makes of others.
        guard addedTokens[id] == nil, let decoder else { return token }
        return decoder.bytes(of: token)
    }
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
        case .sequence(let decoders):
            // What works on the ends of the whole text does not concern a token in its middle.
            return decoders.reduce(token) { bytes, decoder in
                if case .strip = decoder { bytes } else { decoder.bytes(of: bytes) }
            }
        case .metaspace(let replacement, _): return TokenDecoder.replacing(replacement, in: token)
        case .wordPiece(let prefix, _):
            let prefix = Array(prefix.utf8)
            return token.starts(with: prefix) ? Array(token.dropFirst(prefix.count)) : [0x20] + token
        case .bpe, .ctc, .replace, .fuse, .strip: return stagedBytes(of: token)
        }
    }

    private static func replacing(_ replacement: String, in token: [UInt8]) -> [UInt8] {
        let pattern = Array(replacement.utf8)
        guard !pattern.isEmpty else { return token }
        var bytes: [UInt8] = []
        var index = 0
        while index < token.count {
            if token[index...].starts(with: pattern) {
                bytes.append(0x20)
                index += pattern.count
            } else {
                bytes.append(token[index])
                index += 1
            }
        }
        return bytes
    }

    /// The decoder's own stage between two empty neighbours, for decoders that take tokens one by one.
    private func stagedBytes(of token: [UInt8]) -> [UInt8] {
        var output: [[UInt8]] = []
        for var stage in makeStages() {
            guard (try? stage.push(token, into: &output)) != nil, (try? stage.finish(into: &output)) != nil else {
                return token
            }
        }
        return output.isEmpty ? token : output.flatMap { $0 }
    }
}
