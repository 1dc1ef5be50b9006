public import Models

/// Requests, models and options that the engine refuses. Errors of files, tokenizers and devices are thrown unchanged.
public enum InferenceError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidParameter(name: String, value: String, expected: String)
    case unknownArchitecture(name: String, path: String, supported: [String])
    /// The prompt leaves no room in the context for a token of the answer.
    case contextLengthExceeded(promptTokenCount: Int, contextLength: Int)
    /// A request that could not run even if it were the only one.
    case requestTooLarge(sampleCount: Int, capacity: Int)
    /// The queue is full, so the request is refused. It may be tried again after about so many seconds.
    case queueFull(waitingCount: Int, retryAfterSeconds: Int)
    case emptyPrompt
    case tokenOutOfRange(id: Int, vocabularySize: Int)
    case tokenizerMissing(path: String)
    case chatTemplateMissing(path: String)
    case contextTooLong(requested: Int, maximum: Int)
    case notADecoder(path: String, architecture: String, kind: ModelKind)
    case rowTooLong(row: Int, tokenCount: Int, maximum: Int)
    case segmentOutOfRange(id: Int, segmentCount: Int)
    case nothingVisible(row: Int)
    case hiddenInside(row: Int)
    case emptyTarget(row: Int)
    case nonFiniteLogits(step: Int)
    case wrongTask(path: String, architecture: String, does: String, command: String, fitting: String)
    case textTooLong(start: String, tokenCount: Int, maximum: Int)
    case limitTooSmall(specialTokenCount: Int, maximum: Int)
    case emptyText
    case noMaskToken(path: String)
    case noMask(start: String, mask: String)
    case missingPair(path: String)
    case questionTooLong(tokenCount: Int, maximum: Int)
    /// Images, or latent vectors, of another size than the model takes.
    case invalidImages(path: String, input: String, expected: String, found: String)
    case noImages(path: String)
    case engineStopped(reason: String)
    /// A schema, grammar or regular expression that cannot be compiled, with what is wrong and where.
    case invalidConstraint(reason: String)

    public var description: String {
        switch self {
        case .invalidParameter(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
        case .unknownArchitecture(let name, let path, let supported):
            "\(path): architecture '\(name)' is not supported; supported: \(supported.joined(separator: ", "))"
        case .contextLengthExceeded(let count, let context):
            "prompt has \(count) tokens but the context holds \(context) and needs room for one more; "
                + "shorten the prompt or use a larger context"
        case .requestTooLarge(let count, let capacity):
            "request asks for \(count) samples but at most \(capacity) can run and wait; ask for fewer"
        case .queueFull(let waiting, let seconds):
            "\(waiting) sequences are waiting, which is as many as may; try again in \(seconds) s"
        case .emptyPrompt: "prompt is empty and the model has no token to begin with; give a prompt"
        case .tokenOutOfRange(let id, let size): "token id \(id) is outside the vocabulary of \(size) tokens"
        case .tokenizerMissing(let path):
            "\(path): has no tokenizer (no tokenizer.json, tokenizer.model, or vocab.json with merges.txt); add it, or "
                + "give the prompt as ids with --prompt-ids"
        case .chatTemplateMissing(let path):
            "\(path): the model has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja); "
                + "give one with `infer template --template FILE`, or continue plain text with `infer generate`"
        case .contextTooLong(let requested, let maximum):
            "context of \(requested) tokens asked for, but the model was made for at most \(maximum); lower --ctx"
        case .notADecoder(let path, let architecture, .encoder):
            "\(path): '\(architecture)' is an encoder, which writes no text; run it with `infer forward` or with the "
                + "command of its task (embed, fill-mask, classify, tag, answer, rerank)"
        case .notADecoder(let path, let architecture, .vision):
            "\(path): '\(architecture)' is a model of images, which continues no text; run it with `infer classify "
                + "--image`, `infer imagine` or `infer forward`"
        case .notADecoder(let path, let architecture, _):
            "\(path): '\(architecture)' is an encoder-decoder, which continues no text; run it with `infer generate`, `serve` "
                + "or `translate`"
        case .rowTooLong(let row, let count, let maximum):
            "row \(row) has \(count) tokens, but the model was made for at most \(maximum); shorten it"
        case .segmentOutOfRange(let id, let count):
            "segment \(id) in token_type_ids is outside of the model's \(count) segment\(count == 1 ? "" : "s")"
        case .hiddenInside(let row):
            "attention_mask hides a token between others of row \(row); a model with relative positions takes masks "
                + "that hide tokens at either end"
        case .emptyTarget(let row): "row \(row) of decoder_input_ids has no token; give the one that texts begin with"
        case .nothingVisible(let row):
            "row \(row) has no token that attention_mask does not hide; leave the row out"
        case .nonFiniteLogits(let step):
            "the model's logits are not finite at output token \(step); its weights are damaged or overflow the "
                + "number format, try --dtype float32"
        case .wrongTask(let path, let architecture, let does, let command, let fitting):
            "\(path): '\(architecture)' \(does), which `infer \(command)` has no use for; use `infer \(fitting)`"
        case .textTooLong(let start, let count, let maximum):
            "text '\(start)…' has \(count) tokens, but the limit is \(maximum); shorten it or give --truncate"
        case .limitTooSmall(let count, let maximum):
            "the special tokens around a text are \(count), which a limit of \(maximum) does not hold; raise it"
        case .emptyText: "a text has no tokens; give one that is not empty"
        case .noMaskToken(let path): "\(path): the tokenizer names no mask_token, which filling masks needs"
        case .noMask(let start, let mask): "text '\(start)' has no mask; write \(mask) where a token is to be put"
        case .missingPair(let path): "\(path): the model takes two texts; give the second one with --pair"
        case .questionTooLong(let count, let maximum):
            "the question has \(count) tokens with the special ones, which leaves no room for the context within "
                + "\(maximum); shorten it or raise --max-length"
        case .invalidImages(let path, let input, let expected, let found):
            "\(path): \(input) has \(found), but the model takes \(expected)"
        case .noImages(let path): "\(path): holds no PNG or JPEG file itself; name files, or a folder that holds them"
        case .engineStopped(let reason): "the engine stopped: \(reason)"
        case .invalidConstraint(let reason): reason
        }
    }
}
