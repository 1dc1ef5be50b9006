extension Tokenizer {
    /// The text of tokens that need not be in the vocabulary, put together as the decoder puts tokens together.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    public func text(ofTokens tokens: [String]) throws -> String {
        var pieces = tokens.map { Array($0.utf8) }
        for var stage in decoder?.makeStages() ?? [JoinStage()] {
            var output: [[UInt8]] = []
            for piece in pieces { try stage.push(piece, into: &output) }
            try stage.finish(into: &output)
            pieces = output
        }
        return String(decoding: pieces.joined(), as: UTF8.self)
    }

    /// What tokens inside of a word begin with ("##"), where the model marks them so.
    public var continuingSubwordPrefix: String? {
        switch model {
        case .wordPiece(let model): model.continuingSubwordPrefix
        case .bpe(let model): model.options.continuingSubwordPrefix
        case .unigram, .wordLevel: nil
        }
    }
}
