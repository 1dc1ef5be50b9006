internal import Models
internal import Tokenization

/// The tokens that tell models of several languages which ones to read and write.
package struct LanguageTokens: Sendable {
    private let tokenizer: Tokenizer
    private var before: [Int] = []
    private var behind: [Int] = []
    /// Whether sources are framed by these rather than as the tokenizer's files say.
    package private(set) var framesSource = false
    /// The first token of targets.
    package private(set) var forcedFirstToken: Int?

    /// What names the languages to the user, for errors.
    package struct OptionNames: Sendable {
        let from: String
        let to: String

        package init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }

    /// Tokens that sources are framed by besides their own.
    var frameCount: Int { before.count + behind.count }

    func framed(_ tokens: [Int]) -> [Int] { before + tokens + behind }

    /// The ids that the encoder reads for a text.
    /// - Throws: `TokenizationError`; `InferenceError`.
    package func source(_ text: String, of package: ModelPackage) throws -> [Int] {
        guard framesSource else { return try package.promptTokens(for: text) }
        return framed(try tokenizer.encode(text, addSpecialTokens: false))
    }

    /// - Parameter from, to: languages as the tokenizer names them (`en`, `eng_Latn`, `en_XX`).
    /// - Throws: `InferenceError.invalidParameter` for a language that the tokenizer has no token for, and for a model that
    ///   writes no text after reading another.
    package init(_ package: ModelPackage, from: String?, to: String?, names: OptionNames) throws {
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        self.tokenizer = tokenizer
        let given = from.map { (names.from, $0) } ?? to.map { (names.to, $0) }
        guard let given else { return }
        guard package.kind == .encoderDecoder else {
            throw InferenceError.invalidParameter(
                name: given.0, value: given.1,
                expected: "no language: \(package.name) is not a model that reads one text and writes another")
        }
        let architecture = try package.describeEncoderDecoder().architecture
        let end = [tokenizer.id(for: .endOfSequence)].compactMap { $0 }
        if let from {
            let language = try LanguageTokens.token(from, names.from, tokenizer, architecture)
            framesSource = true
            (before, behind) = try LanguageTokens.frame(language, end, tokenizer, architecture)
        }
        guard let to else { return }
        let language = try LanguageTokens.token(to, names.to, tokenizer, architecture)
        if ["marian", "t5", "mt5"].contains(architecture) {
            framesSource = true
            (before, behind) = ([language] + before, end)
        } else {
            forcedFirstToken = language
        }
    }

    /// The token of a language. A plain word of the vocabulary is none, even where it is spelled like the language.
    private static func token(
        _ language: String, _ option: String, _ tokenizer: Tokenizer, _ architecture: String
    ) throws -> Int {
        for name in ["__\(language)__", ">>\(language)<<", "<2\(language)>"] {
            if let id = tokenizer.id(for: name) { return id }
        }
        if let id = tokenizer.id(for: language) {
            let isWord = language.allSatisfy { $0.isLetter || $0.isNumber || $0 == "▁" }
            if !isWord || tokenizer.addedTokens[id] != nil { return id }
        }
        let hint =
            ["t5", "mt5"].contains(architecture)
            ? "; T5 is told in words, as in 'translate English to German: TEXT'" : ""
        throw InferenceError.invalidParameter(
            name: option, value: language, expected: "a language that the tokenizer has a token for\(hint)")
    }

    /// What stands before and behind a text of a language: as the tokenizer frames its own default language, else as the
    /// tokenizers of transformers do.
    private static func frame(
        _ language: Int, _ end: [Int], _ tokenizer: Tokenizer, _ architecture: String
    ) throws -> (before: [Int], behind: [Int]) {
        let frame = try tokenizer.encode("", addSpecialTokens: true)
        let others = [tokenizer.id(for: .beginningOfSequence), tokenizer.id(for: .classifier)]
        if let end = end.first, frame.count == 2, let place = frame.firstIndex(where: { $0 != end }),
            frame[1 - place] == end, tokenizer.isSpecial(frame[place]), !others.contains(frame[place])
        {
            return place == 0 ? ([language], [end]) : ([], [end, language])
        }
        // The first mBART names the language behind the text, the others before it.
        let isFirst =
            architecture == "mbart" && !(tokenizer.configuration.tokenizerClass?.hasPrefix("MBart50") ?? false)
        return isFirst ? ([], end + [language]) : ([language], end)
    }
}
