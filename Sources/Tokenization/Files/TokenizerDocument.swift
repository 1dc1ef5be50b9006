internal import JSONCore

/// A `tokenizer.json` in the making, of files that are older than that form, and the special tokens that transformers
/// 5 adds to it.
struct TokenizerDocument {
    /// What stands around a text.
    enum Frame {
        /// The beginning and the end of the sequence, as the configuration says.
        case ends
        case bert
        case roberta
        /// `A </s>`, and for pairs `A </s> B </s>` or `A B </s>`.
        case end(betweenTexts: Bool)
        /// `<s> A </s>` and `<s> A </s> </s> B </s>`, with the beginning and the end of the sequence.
        case doubled
    }

    /// The parts as JSON texts.
    var normalizer = "null"
    var preTokenizer = "null"
    var decoder = "null"
    var model = "null"
    var frame = Frame.ends
    /// Tokens that are added behind those with roles, in order.
    var specialTokens: [AddedToken] = []
    /// The roles that the files give to tokens, where the configuration gives none.
    var roles: [TokenizerConfiguration.Role: String] = [:]
    var addsBeginning = false
    /// Whether tokens of the configuration are searched for in the text as given, whatever it says of them.
    var findsAddedTokensInRawText = false
    /// Ways in which offsets leave out whitespace.
    var offsetTrimming: OffsetTrimming?

    /// The document without special tokens.
    var json: [UInt8] {
        Array(
            """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":\(normalizer),\
            "pre_tokenizer":\(preTokenizer),"post_processor":null,"decoder":\(decoder),"model":\(model)}
            """.utf8)
    }

    /// A string as JSON.
    static func quote(_ text: String) -> String {
        var writer = JSONWriter()
        writer.value(text)
        return writer.text
    }

    /// A sequence of components of a kind, or the only one.
    static func sequence(_ parts: [String], _ name: String) -> String {
        parts.isEmpty
            ? "null"
            : parts.count == 1 ? parts[0] : #"{"type":"Sequence","\#(name)":[\#(parts.joined(separator: ","))]}"#
    }

    static func metaspace(_ scheme: PrependScheme, splits: Bool = true) -> String {
        #"{"type":"Metaspace","replacement":"▁","prepend_scheme":"\#(scheme.rawValue)","split":\#(splits)}"#
    }

    static func replace(pattern: String, with content: String) -> String {
        #"{"type":"Replace","pattern":{"Regex":\#(quote(pattern))},"content":\#(quote(content))}"#
    }

    static func replace(_ text: String, with content: String) -> String {
        #"{"type":"Replace","pattern":{"String":\#(quote(text))},"content":\#(quote(content))}"#
    }
}

extension Tokenizer {
    /// The tokenizer of a document, with what the configuration says.
    init(_ document: TokenizerDocument, configuration: TokenizerConfiguration, source: String) throws {
        var configuration = configuration
        for (role, token) in document.roles where configuration.tokens[role] == nil {
            configuration.tokens[role] = token
        }
        if document.findsAddedTokensInRawText {
            configuration.addedTokens = configuration.addedTokens.map { tokens in
                tokens.map { token in
                    var token = token
                    token.isNormalized = false
                    return token
                }
            }
        }
        let named = Set(configuration.tokens.values)
        for token in document.specialTokens where configuration.describedTokens[token.content] == nil {
            // A user-defined piece with a role is special all the same.
            var token = token
            if named.contains(token.content) { token.isSpecial = true }
            configuration.describedTokens[token.content] = token
        }
        var described = configuration
        described.additionalSpecialTokens =
            document.specialTokens.map(\.content) + configuration.additionalSpecialTokens
        let base = try Tokenizer(json: document.json, source: source)
        let joined = try base.configured(by: described, isOfFile: false)
        self = try Tokenizer(
            model: joined.model, normalizer: joined.normalizer, preTokenizer: joined.preTokenizer,
            postProcessor: try joined.frame(document, configuration), decoder: joined.decoder, added: joined.added,
            configuration: configuration)
        offsetTrimming = document.offsetTrimming
    }

    private func frame(_ document: TokenizerDocument, _ configuration: TokenizerConfiguration) throws -> PostProcessor {
        func ids(_ role: TokenizerConfiguration.Role) -> [Int] { id(for: role).map { [$0] } ?? [] }
        func special(_ role: TokenizerConfiguration.Role, _ typeID: Int) -> PostProcessor.Part {
            .special(ids: ids(role), typeID: typeID)
        }
        let first = PostProcessor.Part.first(typeID: 0)
        switch document.frame {
        case .ends:
            let begins = configuration.addsBeginningOfSequence ?? document.addsBeginning
            let ends = configuration.addsEndOfSequence ?? false
            func framed(_ text: PostProcessor.Part, _ typeID: Int) -> [PostProcessor.Part] {
                (begins ? [special(.beginningOfSequence, typeID)] : []) + [text]
                    + (ends ? [special(.endOfSequence, typeID)] : [])
            }
            let single = framed(first, 0)
            return .template(single: single, pair: single + framed(.second(typeID: 1), 1))
        case .bert:
            let single = [special(.classifier, 0), first, special(.separator, 0)]
            return .template(single: single, pair: single + [.second(typeID: 1), special(.separator, 1)])
        case .roberta:
            let single = [special(.classifier, 0), first, special(.separator, 0)]
            return .template(
                single: single, pair: single + [special(.separator, 0), .second(typeID: 0), special(.separator, 0)])
        case .end(let betweenTexts):
            let end = special(.endOfSequence, 0)
            return .template(
                single: [first, end],
                pair: [first] + (betweenTexts ? [end] : []) + [.second(typeID: 0), end])
        case .doubled:
            let end = special(.endOfSequence, 0)
            let single = [special(.beginningOfSequence, 0), first, end]
            return .template(single: single, pair: single + [end, .second(typeID: 0), end])
        }
    }
}
