/// Where a folder without a `tokenizer.json` has its tokenizer.
struct TokenizerFiles {
    enum Kind: Sendable, Equatable {
        case sentencePiece(path: String)
        case bytePairs(vocabulary: String, merges: String)
        case wordPieces(path: String)
    }

    let kind: Kind

    private static let sentencePieceNames = [
        "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "sentencepiece.model",
    ]

    /// `nil` where the folder has no such files.
    init?(folder: String) {
        func existing(_ name: String) -> String? {
            let path = folder + "/" + name
            return FileBytes.exists(path) ? path : nil
        }
        let pieces = TokenizerFiles.sentencePieceNames.lazy.compactMap(existing).first
        if let vocabulary = existing("vocab.json"), let merges = existing("merges.txt") {
            kind = .bytePairs(vocabulary: vocabulary, merges: merges)
        } else if let pieces {
            kind = .sentencePiece(path: pieces)
        } else if let words = existing("vocab.txt") {
            kind = .wordPieces(path: words)
        } else {
            return nil
        }
    }

    /// The file that errors name.
    var path: String {
        switch kind {
        case .sentencePiece(let path), .wordPieces(let path), .bytePairs(let path, _): path
        }
    }

    /// The files as a `tokenizer.json`. Blocks while it reads.
    func document(_ configuration: TokenizerConfiguration) throws -> TokenizerDocument {
        let tokenizerClass = TokenizerClass(configuration: configuration)
        switch kind {
        case .sentencePiece(let path):
            let bytes = try FileBytes.read(path)
            return try Tokenizer.naming(path) {
                try TokenizerDocument(
                    try SentencePieceModel(bytes), as: tokenizerClass, configuration: configuration)
            }
        case .bytePairs(let vocabulary, let merges):
            let words = try FileBytes.read(vocabulary)
            let pairs = try FileBytes.read(merges)
            return try Tokenizer.naming(merges) {
                try TokenizerDocument(
                    vocabulary: words, merges: pairs, as: tokenizerClass, configuration: configuration)
            }
        case .wordPieces(let path):
            let bytes = try FileBytes.read(path)
            return try Tokenizer.naming(path) {
                try TokenizerDocument(wordPieces: bytes, as: tokenizerClass, configuration: configuration)
            }
        }
    }

    func tokenizer(_ configuration: TokenizerConfiguration) throws -> Tokenizer {
        let document = try document(configuration)
        return try Tokenizer.naming(path) {
            try Tokenizer(document, configuration: configuration, source: path)
        }
    }
}

extension Tokenizer {
    /// Whether a folder holds files that ``init(folder:)`` makes a tokenizer of.
    package static func exists(inFolder path: String) -> Bool {
        FileBytes.exists(path + "/tokenizer.json") || TokenizerFiles(folder: path) != nil
    }

    /// The tokenizer of a folder as a `tokenizer.json` without its special tokens, and the file it was made of; `nil`
    /// where the folder has none. Blocks while it reads.
    ///
    /// - Throws: ``TokenizationError`` naming the file.
    package static func json(ofFolder path: String) throws -> (bytes: [UInt8], path: String)? {
        let file = path + "/tokenizer.json"
        if FileBytes.exists(file) { return (try FileBytes.read(file), file) }
        guard let files = TokenizerFiles(folder: path) else { return nil }
        return (try files.document(try TokenizerConfiguration(folder: path)).json, files.path)
    }
}

extension Tokenizer {
    /// The tokenizer of a SentencePiece model in memory.
    ///
    /// - Parameter tokenizerClass: what `tokenizer_config.json` would name; nil: what the model itself says counts.
    /// - Throws: ``TokenizationError`` naming `source`.
    package init(sentencePieceModel bytes: [UInt8], tokenizerClass: String?, source: String) throws {
        var configuration = TokenizerConfiguration()
        configuration.tokenizerClass = tokenizerClass
        self = try Tokenizer.naming(source) {
            let document = try TokenizerDocument(
                try SentencePieceModel(bytes), as: TokenizerClass(configuration: configuration),
                configuration: configuration)
            return try Tokenizer(document, configuration: configuration, source: source)
        }
    }
}
