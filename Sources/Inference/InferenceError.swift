/// What the engine refuses. Errors of files, tokenizers and devices pass through as they are.
public enum InferenceError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidParameter(name: String, value: String, expected: String)
    case unknownArchitecture(name: String, path: String, supported: [String])
    case promptTooLong(tokenCount: Int, contextLength: Int)
    case emptyPrompt
    case tokenOutOfRange(id: Int, vocabularySize: Int)
    case tokenizerMissing(path: String)
    case contextTooLong(requested: Int, maximum: Int)
    case nonFiniteLogits(step: Int)
    case engineStopped(reason: String)

    public var description: String {
        switch self {
        case .invalidParameter(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
        case .unknownArchitecture(let name, let path, let supported):
            "\(path): architecture '\(name)' is not supported; supported: \(supported.joined(separator: ", "))"
        case .promptTooLong(let count, let context):
            "prompt has \(count) tokens but the context holds \(context) and needs room for one more; "
                + "shorten the prompt or raise --ctx"
        case .emptyPrompt: "prompt is empty and the model has no token to begin with; give a prompt"
        case .tokenOutOfRange(let id, let size): "token id \(id) is outside the vocabulary of \(size) tokens"
        case .tokenizerMissing(let path):
            "\(path): has no tokenizer (no tokenizer.json); add it, or give the prompt as ids with --prompt-ids"
        case .contextTooLong(let requested, let maximum):
            "context of \(requested) tokens asked for, but the model was made for at most \(maximum); lower --ctx"
        case .nonFiniteLogits(let step):
            "the model's logits are not finite at output token \(step); its weights are damaged or overflow the "
                + "number format, try --dtype float32"
        case .engineStopped(let reason): "the engine stopped: \(reason)"
        }
    }
}
