internal import Inference
internal import JSONCore

/// What requests about texts have in common: what is done with texts over the model's limit, and how many tokens are
/// computed.
struct TextRequest: Sendable {
    let model: TaskModel
    /// The field that holds the texts.
    let field: String
    private let reading: TextReading

    /// Refuses what vLLM's and Jina's servers change of texts and scores on demand, and this one does not.
    /// - Parameter cuts: whether texts over the model's limit are cut where the request says nothing, as the library of
    ///   the model and the command of the same name do, or an error.
    init(_ fields: RequestFields, _ model: TaskModel, field: String, cuts: Bool = true) throws(APIError) {
        self.model = model
        self.field = field
        for key in ["activation", "use_activation", "softmax", "normalize", "add_special_tokens"]
        where try fields.bool(key) == false {
            throw .unsupported(key, "scores and vectors are as the model's files say; leave it out")
        }
        if try fields.bool("late_chunking") ?? false {
            throw .unsupported("late_chunking", "this version does not do it; leave it out")
        }
        let limit = model.task.maximumTokenCount
        reading = TextReading(truncation: try TextRequest.truncation(fields, limit: limit) ?? (cuts ? limit : nil))
    }

    /// vLLM's field: -1 is its name for the model's limit.
    private static func truncation(_ fields: RequestFields, limit: Int) throws(APIError) -> Int? {
        let key = "truncate_prompt_tokens"
        guard let count = try fields.int(key, in: -1...Int(Int32.max)) else { return nil }
        guard count != 0, count <= limit else {
            throw fields.mismatch(key, expected: "a number of tokens from 1 to the model's \(limit), or -1 for those")
        }
        return count == -1 ? limit : count
    }

    /// Runs a task's texts on the model's own thread.
    func run<Work: ReadingTask>(_ task: Work, _ inputs: [Work.Input]) async throws -> [Work.Output] {
        do {
            return try await model.run(task.reading(reading), inputs)
        } catch InferenceError.textTooLong(let start, let count, let maximum) {
            throw APIError.textTooLong(field, start: start, tokenCount: count, maximum: maximum)
        } catch let error as InferenceError {
            guard case .limitTooSmall = error else { throw error }
            throw APIError.invalid("truncate_prompt_tokens", "truncate_prompt_tokens: \(error)")
        }
    }

    /// The `usage` of the answer, once all texts have run: there are only prompt tokens.
    var usage: JSON {
        let count = reading.tally.count
        return ["prompt_tokens": .int(count), "total_tokens": .int(count)]
    }
}

extension TaskModel.Task {
    /// Tokens of the longest text, special ones included.
    var maximumTokenCount: Int {
        switch self {
        case .embedder(let embedder): embedder.maximumTokenCount
        case .reranker(let reranker): reranker.maximumTokenCount
        case .classifier(let classifier): classifier.maximumTokenCount
        }
    }
}
