internal import ModelIO
internal import Models
internal import Tokenization

/// What a decoder is asked of a query and a document, as Qwen3-Reranker was trained to be (Zhang et al., 2025,
/// https://arxiv.org/abs/2506.05176): the next token is "yes" or "no".
struct RelevanceQuestion: Sendable {
    let yes: Int
    let no: Int
    private let tokenizer: Tokenizer
    private let before: [Int]
    private let behind: [Int]
    private let instruction: String

    private static let usualInstruction =
        "Given a web search query, retrieve relevant passages that answer the query"

    /// - Throws: `InferenceError.wrongTask` for a decoder that cannot be asked so, because its tokenizer lacks the words or
    ///   the marks of a conversation.
    init(_ package: ModelPackage, instruction: String?) throws {
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        guard let yes = tokenizer.id(for: "yes"), let no = tokenizer.id(for: "no"),
            tokenizer.id(for: "<|im_start|>") != nil
        else {
            throw InferenceError.wrongTask(
                path: package.name,
                architecture: package.configuration.architectures.first ?? package.configuration.modelType,
                does: "continues texts", command: "rerank", fitting: "generate")
        }
        (self.yes, self.no) = (yes, no)
        self.tokenizer = tokenizer
        self.instruction = instruction ?? RelevanceQuestion.usualInstruction
        before = try tokenizer.encode(
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
                + "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n",
            addSpecialTokens: false)
        behind = try tokenizer.encode(
            "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", addSpecialTokens: false)
    }

    /// The question's tokens; the document is cut where they are too many.
    func input(for pair: TextPair, maximumLength: Int) throws -> EncoderInput {
        let text = "<Instruct>: \(instruction)\n<Query>: \(pair.text)\n<Document>: \(pair.pair ?? "")"
        let room = max(maximumLength - before.count - behind.count, 0)
        let tokens = try tokenizer.encode(text, addSpecialTokens: false).prefix(room)
        return EncoderInput(tokens: before + tokens + behind)
    }
}
