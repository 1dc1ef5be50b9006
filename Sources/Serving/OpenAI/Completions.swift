internal import Tokenization
internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/completions`: the prompt as a string, strings, token ids, or arrays of ids.
struct Completions: Sendable {
    static let maximumPromptCount = 2048

    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let shared = try CompletionFields(fields, version: state.options.version)
        let model = try state.directory.model(named: shared.requestedModel).translating(fields)
        let job = try makeJob(fields, shared, model)
        let answer = CompletionAnswer(
            id: "cmpl-" + Identifier.random(28), created: Int(Date().timeIntervalSince1970),
            model: shared.requestedModel ?? model.name, shared: shared,
            echoes: try fields.bool("echo") ?? false ? try job.prompts.map { try PromptEcho($0, model) } : [])
        let running = try RunningJob(job, on: model, for: context.client, state: state)
        return try await state.respond(
            running, monitor: monitor, isStream: shared.isStream,
            whole: { answer.whole($0, job) },
            events: { try await answer.stream(running, job, to: $0) })
    }

    private func makeJob(
        _ fields: RequestFields, _ shared: CompletionFields, _ model: ServedModel
    ) throws(APIError) -> GenerationJob {
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw .unsupported("suffix", "completions end a text; use /infill to fill in between two parts")
        }
        let best = try fields.int("best_of", in: 1...128)
        if let best, best < shared.choiceCount {
            throw .invalid("best_of", "best_of is \(best), it must be at least n (\(shared.choiceCount))")
        }
        if let best, best > shared.choiceCount {
            throw .unsupported("best_of", "this version returns every sample; use n")
        }
        let prompts = try Completions.prompts(fields, model)
        guard prompts.count * shared.choiceCount <= Completions.maximumPromptCount else {
            throw .invalid("prompt", "prompts times n are more than \(Completions.maximumPromptCount)")
        }
        let sampling = try SamplingFields(
            fields, model, defaults: .init(openAI: model.engine.package.generation))
        let maxTokens = try fields.int("max_tokens", in: 0...Int(Int32.max)) ?? 16
        var job = GenerationJob(prompts: prompts, fields: sampling, maxTokens: maxTokens)
        job.choiceCount = shared.choiceCount
        job.priority = shared.priority
        job.cacheSalt = shared.cacheSalt
        job.isStream = shared.isStream
        job.logprobCount = try fields.int("logprobs", in: 0...20)
        job.hold(to: try AnswerShape.read(fields))
        let echoes = try fields.bool("echo") ?? false
        // A request that repeats the prompt and asks for log-probabilities gets those of the prompt too.
        if echoes { job.promptLogprobCount = maxTokens == 0 ? job.logprobCount ?? 0 : job.logprobCount }
        if maxTokens == 0, !echoes {
            throw .invalid("max_tokens", "max_tokens is 0, which is only allowed with echo")
        }
        return job
    }

    static func prompts(_ fields: RequestFields, _ model: ServedModel) throws(APIError) -> [[Int]] {
        let value = try fields.requireMember("prompt")
        if let text = value.string { return [try model.promptTokens(of: text)] }
        guard let elements = value.array.map(Array.init) else {
            throw fields.mismatch("prompt", expected: "a string, an array of strings, or token ids")
        }
        guard let first = elements.first else { throw .invalid("prompt", "prompt must not be empty") }
        if first.kind == .integer {
            try model.requireOwnFrame("prompt")
            return [try RequestFields.tokens(elements, place: "prompt", vocabularySize: model.vocabularySize)]
        }
        guard elements.count <= maximumPromptCount else {
            throw .invalid("prompt", "prompt holds \(elements.count) prompts, at most \(maximumPromptCount) are taken")
        }
        var result: [[Int]] = []
        for (index, element) in elements.enumerated() {
            let place = "prompt[\(index)]"
            if let text = element.string {
                result.append(try model.promptTokens(of: text))
            } else if let ids = element.array.map(Array.init) {
                guard !ids.isEmpty else { throw .invalid(place, "\(place) must not be empty") }
                try model.requireOwnFrame(place)
                result.append(try RequestFields.tokens(ids, place: place, vocabularySize: model.vocabularySize))
            } else {
                throw .invalid(
                    place, "\(place) must be a string or an array of token ids, found \(RequestFields.shown(element))")
            }
        }
        return result
    }
}

extension ServedModel {
    func promptTokens(of text: String) throws(APIError) -> [Int] {
        do {
            guard let languages else { return try engine.package.promptTokens(for: text) }
            return try languages.source(text, of: engine.package)
        } catch {
            throw APIError(error)
        }
    }

    func text(of tokens: [Int], skipSpecialTokens: Bool = true) throws(APIError) -> String {
        do {
            return try requireTokenizer().decode(tokens, skipSpecialTokens: skipSpecialTokens)
        } catch {
            throw APIError(error)
        }
    }
}

/// A prompt that an answer repeats.
struct PromptEcho: Sendable {
    let text: String
    /// The bytes of the prompt's first token.
    let firstBytes: [UInt8]

    init(_ tokens: [Int], _ model: ServedModel) throws(APIError) {
        text = try model.text(of: tokens)
        let tokenizer = try model.requireTokenizer()
        firstBytes = tokens.first.map { tokenizer.textBytes(of: $0) } ?? []
    }
}

/// The shapes of a text completion.
struct CompletionAnswer: Sendable {
    let id: String
    let created: Int
    let model: String
    let shared: CompletionFields
    /// Sends the prompts before their continuations.
    let echoes: [PromptEcho]

    func whole(_ choices: [ChoiceText], _ job: GenerationJob) -> JSON {
        var json = head()
        json["choices"] = .array(
            choices.enumerated().map { index, choice in
                var shown: JSON = [
                    "index": .int(index), "text": .string(echo(index, job) + choice.text),
                    "logprobs": logprobs(index, job, choices[index - index % job.choiceCount].promptLogprobs, choice),
                    "finish_reason": .optional(choice.result?.finishReason.rawValue),
                ]
                if shared.returnsTokenIDs {
                    shown["prompt_token_ids"] = .array(job.prompts[index / job.choiceCount].map(JSON.int))
                    shown["token_ids"] = .array(choice.tokens.map(JSON.int))
                }
                return shown
            })
        json["usage"] = choices.usage(promptTokenCounts: job.prompts.map(\.count)).json
        if let result = choices.first?.result { json["timings"] = result.timingsJSON }
        return json
    }

    func stream(_ running: RunningJob, _ job: GenerationJob, to sink: EventSink) async throws {
        var choices = [ChoiceText](repeating: ChoiceText(), count: job.totalChoiceCount)
        var begun = Set<Int>()
        var progress = StreamProgress(shared, job)
        try await running.forEach { update in
            let index = update.choice
            choices[index].take(update.update)
            progress.take(update.update)
            let result = update.update.result
            // What belongs to the prompt is held back until the first token comes.
            guard !update.update.tokens.isEmpty || result != nil else { return }
            let isFirst = begun.insert(index).inserted
            let text = (isFirst ? echo(index, job) : "") + update.update.text
            var news = ChoiceText()
            news.take(update.update)
            let prompt = isFirst ? choices[index - index % job.choiceCount].promptLogprobs : nil
            let entries = logprobs(index, job, prompt, news)
            guard !text.isEmpty || result != nil || entries != .null else { return }
            var json = head()
            json["choices"] = [
                [
                    "index": .int(index), "text": .string(text), "logprobs": entries,
                    "finish_reason": .optional(result?.finishReason.rawValue),
                ]
            ]
            if shared.includesUsage { json["usage"] = .null }
            json = progress.adding(to: json, choices)
            if let result, !shared.includesUsage { json["timings"] = result.timingsJSON }
            sink.send(json)
        }
        if shared.includesUsage {
            var last = head()
            last["choices"] = []
            last["usage"] = choices.usage(promptTokenCounts: job.prompts.map(\.count)).json
            if let result = choices.first?.result { last["timings"] = result.timingsJSON }
            sink.send(last)
        }
        sink.sendDone()
    }

    private func echo(_ index: Int, _ job: GenerationJob) -> String {
        guard !echoes.isEmpty else { return "" }
        return echoes[index / job.choiceCount].text
    }

    /// - Parameter prompt: the entries of the prompt's tokens, where these come first.
    private func logprobs(
        _ index: Int, _ job: GenerationJob, _ prompt: [TokenLogProbability]?, _ choice: ChoiceText
    ) -> JSON {
        guard job.logprobCount != nil else { return nil }
        var columns = Logprobs.Columns()
        if let prompt, !echoes.isEmpty {
            columns.addFirst(echoes[index / job.choiceCount].firstBytes)
            columns.add(prompt)
        }
        columns.add(choice.logprobs)
        return columns.json
    }

    private func head() -> JSON {
        [
            "id": .string(id), "object": "text_completion", "created": .int(created), "model": .string(model),
            "system_fingerprint": .string(shared.fingerprint),
        ]
    }
}
