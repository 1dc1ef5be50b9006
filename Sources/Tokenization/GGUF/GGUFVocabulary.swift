/// A tokenizer as the metadata of a GGUF file describes it, under the names of its keys (`tokenizer.ggml.*`).
public struct GGUFVocabulary: Sendable {
    /// Calls its argument with the UTF-8 of each of many strings in order, wherever they lie.
    public typealias Strings =
        @Sendable (_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws -> Void

    /// The kinds of tokens, by their number in `token_type`.
    public enum TokenKind: Int, Sendable {
        case undefined, normal, unknown, control, userDefined, unused, byte
    }

    /// `gpt2` (byte-level BPE), `llama` (SentencePiece's BPE), `bert` (WordPiece) or `t5` (Unigram).
    public var model: String
    /// Which pattern cuts text into words for `gpt2`; absent in old files.
    public var preTokenizer: String?
    public var tokenCount = 0
    public var tokens: Strings = { _ in }
    /// Log probabilities or ranks, one a token; empty where the file has none.
    public var scores: [Double] = []
    /// One a token; empty where all are normal.
    public var kinds: [Int] = []
    /// Pairs of tokens with a space between, in order of rank.
    public var mergeCount = 0
    public var merges: Strings = { _ in }

    public var beginningID: Int?
    public var endID: Int?
    public var unknownID: Int?
    public var paddingID: Int?
    public var separatorID: Int?
    public var classifierID: Int?
    public var maskID: Int?

    public var addsBeginning: Bool?
    public var addsEnd: Bool?
    public var addsSpacePrefix: Bool?
    public var removesExtraWhitespace: Bool?
    /// SentencePiece's normalisation as a double-array trie and its texts; empty where there is none.
    public var characterMap: [UInt8] = []
    /// What should be told of keys that were left aside.
    public var notices: [String] = []
    public var chatTemplate: String?
    public var namedChatTemplates: [String: String] = [:]

    public init(model: String) {
        self.model = model
    }

    func kind(of id: Int) -> TokenKind {
        kinds.isEmpty ? .normal : TokenKind(rawValue: kinds[id]) ?? .undefined
    }

    /// Whether the token is never found in text but as a whole, and only where those are looked for.
    func isHidden(_ id: Int) -> Bool { [.control, .unknown, .byte].contains(kind(of: id)) }
}
