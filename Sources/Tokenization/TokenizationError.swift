public import JSONCore

/// What can go wrong with a tokenizer or the text given to it. Every description is one line that names the culprit.
public enum TokenizationError: Error, Sendable {
    /// A file could not be read.
    case unreadableFile(path: String, reason: String)
    /// A file is not the JSON it should be.
    case json(JSONError)
    /// A file is JSON, but what it describes is not a usable tokenizer.
    indirect case inFile(String, TokenizationError)
    /// A component (normalizer, model, …) of a kind that does not exist here.
    case unknownComponent(path: String, kind: String, name: String, known: [String])
    /// A component whose settings make no sense.
    case invalidComponent(path: String, reason: String)
    /// A vocabulary that contradicts itself.
    case invalidVocabulary(reason: String)
    /// A merge that names what the vocabulary lacks.
    case invalidMerge(index: Int, reason: String)
    /// A SentencePiece character map whose bytes are damaged.
    case invalidCharacterMap(reason: String)
    /// A SentencePiece model whose protocol buffer is damaged, or that is none.
    case invalidSentencePieceModel(reason: String)
    /// A regular expression that does not compile.
    case invalidPattern(pattern: String, offset: Int, reason: String)
    /// A regular expression that needs more steps or memory on a text than allowed.
    case patternTooCostly(pattern: String, reason: String)
    /// A word that the vocabulary cannot express, in a model without an unknown token.
    case missingUnknownToken(model: String, text: String)
    /// A text longer than is encoded at once (2 GiB).
    case textTooLong(byteCount: Int)
    /// Truncation of one text of a pair that the other leaves no room for.
    case noRoomForText(otherTokenCount: Int, maximum: Int)
}

extension TokenizationError: CustomStringConvertible {
    public var description: String { JSONError.singleLine(text) }

    private var text: String {
        switch self {
        case .unreadableFile(let path, let reason): "\(path): cannot be read: \(reason)"
        case .json(let error): error.description
        case .inFile(let source, let error): "\(source): \(error)"
        case .unknownComponent(let path, let kind, let name, let known):
            "\(path): unknown \(kind) \"\(name)\"; known are \(known.joined(separator: ", "))"
        case .invalidComponent(let path, let reason): "\(path): \(reason)"
        case .invalidVocabulary(let reason): "vocabulary: \(reason)"
        case .invalidMerge(let index, let reason): "merge \(index): \(reason)"
        case .invalidCharacterMap(let reason): "precompiled character map: \(reason)"
        case .invalidSentencePieceModel(let reason): "SentencePiece model: \(reason)"
        case .invalidPattern(let pattern, let offset, let reason):
            "pattern \"\(pattern)\" does not compile: \(reason) at offset \(offset)"
        case .patternTooCostly(let pattern, let reason): "pattern \"\(pattern)\" is too costly on this text: \(reason)"
        case .missingUnknownToken(let model, let text):
            "the \(model) vocabulary cannot express \"\(text)\" and has no unknown token"
        case .textTooLong(let count): "a text of \(count) bytes is too long to encode at once; the limit is 2 GiB"
        case .noRoomForText(let count, let maximum):
            "one text of the pair has \(count) tokens with the special ones and leaves no room for the other within "
                + "\(maximum) tokens; shorten it or raise the limit"
        }
    }
}
