internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/chat/completions`.
struct ChatCompletions: Sendable {
    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let shared = try CompletionFields(fields, version: state.options.version)
        let model = try state.directory.model(named: shared.requestedModel).translating(fields)
        let prompt = try ChatPrompt(fields)
        let answer = ChatAnswer(
            id: "chatcmpl-" + Identifier.random(28), created: Int(Date().timeIntervalSince1970),
            model: shared.requestedModel ?? model.name, shared: shared)
        if let tool = prompt.tools.search {
            let chat = try searchingChat(tool, fields, shared, model, client: context.client)
            return try await answer.respond(chat, prompt, monitor, pingSeconds: state.options.pingSeconds)
        }
        let job = try makeJob(prompt, fields, shared, model)
        let running = try RunningJob(job, on: model, for: context.client, state: state)
        let counts = job.prompts.map(\.count)
        return try await state.respond(
            running, monitor: monitor, isStream: shared.isStream,
            whole: { answer.whole($0, job, usage: $0.usage(promptTokenCounts: counts)) },
            events: { try await answer.stream(running, job, to: $0) })
    }

    func makeJob(
        _ prompt: ChatPrompt, _ fields: RequestFields, _ shared: CompletionFields, _ model: ServedModel
    ) throws(APIError) -> GenerationJob {
        try fields.refuse(["chat_template"], because: "the model's own template is used; leave it out")
        let sampling = try SamplingFields(
            fields, model, defaults: .init(openAI: model.engine.package.generation))
        let maxTokens = try fields.int(["max_completion_tokens", "max_tokens"], in: 1...Int(Int32.max))
        var job = try prompt.job(for: model, fields: sampling, maxTokens: maxTokens)
        job.choiceCount = shared.choiceCount
        job.priority = shared.priority
        job.cacheSalt = shared.cacheSalt
        job.isStream = shared.isStream
        let wantsLogprobs = try fields.bool("logprobs") ?? false
        let top = try fields.int("top_logprobs", in: 0...20)
        if let top, !wantsLogprobs, top > 0 {
            throw .invalid("top_logprobs", "top_logprobs needs logprobs to be true")
        }
        if wantsLogprobs { job.logprobCount = top ?? 0 }
        return job
    }
}

/// The shapes of a chat completion.
struct ChatAnswer: Sendable {
    let id: String
    let created: Int
    let model: String
    let shared: CompletionFields

    func whole(_ choices: [ChoiceText], _ job: GenerationJob, usage: UsageCount) -> JSON {
        var json = head("chat.completion")
        json["choices"] = .array(
            choices.enumerated().map { index, choice in
                let answer = AnswerBlocks(job.reading, whole: choice.text)
                var shown: JSON = [
                    "index": .int(index), "message": message(answer),
                    "logprobs": logprobs(choice.logprobs, choice.result),
                    "finish_reason": .optional(finishReason(answer, choice.result)),
                ]
                if shared.returnsTokenIDs { shown["token_ids"] = .array(choice.tokens.map(JSON.int)) }
                return shown
            })
        json["usage"] = usage.json
        if let result = choices.first?.result { json["timings"] = result.timingsJSON }
        return json
    }

    private func message(_ answer: AnswerBlocks) -> JSON {
        let isCall = !answer.calls.isEmpty && answer.text.isEmpty
        var message: JSON = [
            "role": "assistant", "content": isCall ? .null : .string(answer.text), "refusal": nil,
        ]
        if let reasoning = answer.reasoning { message["reasoning_content"] = .string(reasoning) }
        let calls = answer.blocks.compactMap { $0.chatCall() }
        if !calls.isEmpty { message["tool_calls"] = .array(calls) }
        return message
    }

    private func finishReason(_ answer: AnswerBlocks, _ result: GenerationResult?) -> String? {
        answer.waitsForTools(result) ? "tool_calls" : result?.finishReason.rawValue
    }

    func stream(_ running: RunningJob, _ job: GenerationJob, to sink: EventSink) async throws {
        var choices = [ChoiceText](repeating: ChoiceText(), count: job.totalChoiceCount)
        var answers = [AnswerBlocks](repeating: AnswerBlocks(job.reading), count: job.totalChoiceCount)
        var begun = Set<Int>()
        let counts = job.prompts.map(\.count)
        var progress = StreamProgress(shared, job)
        try await running.forEach { update in
            let index = update.choice
            if begun.insert(index).inserted {
                sink.send(chunk(index, ["role": "assistant", "content": ""], finish: nil))
            }
            choices[index].take(update.update)
            progress.take(update.update)
            var events = answers[index].take(update.update.text)
            if update.update.result != nil { events += answers[index].finish() }
            var entries = logprobs(update.update.logProbabilities, update.update.result)
            var deltas = events.compactMap { delta($0, answers[index]) }
            if deltas.isEmpty, entries != .null { deltas = [["content": ""]] }
            for delta in deltas {
                sink.send(progress.adding(to: chunk(index, delta, logprobs: entries, finish: nil), choices))
                entries = .null
            }
            guard let result = update.update.result else { return }
            var last = progress.adding(
                to: chunk(index, .object([]), finish: finishReason(answers[index], result)), choices)
            if !shared.includesUsage { last["timings"] = result.timingsJSON }
            sink.send(last)
        }
        if shared.includesUsage {
            var last = head("chat.completion.chunk")
            last["choices"] = []
            last["usage"] = choices.usage(promptTokenCounts: counts).json
            if let result = choices.first?.result { last["timings"] = result.timingsJSON }
            sink.send(last)
        }
        sink.sendDone()
    }

    private func delta(_ event: AnswerBlocks.Event, _ answer: AnswerBlocks) -> JSON? {
        switch event {
        case .begin(let place):
            let number = answer.blocks[..<place].filter { $0.chatCall() != nil }.count
            return answer.blocks[place].chatCall(index: number).map { ["tool_calls": [$0]] }
        case .delta(let place, let piece):
            switch answer.blocks[place] {
            case .text: return ["content": .string(piece)]
            case .reasoning: return ["reasoning_content": .string(piece)]
            case .call: return nil
            }
        case .end: return nil
        }
    }

    /// The token that ended the text is no part of it.
    private func logprobs(_ entries: [TokenLogProbability], _ result: GenerationResult?) -> JSON {
        var entries = entries
        switch result?.stopCause {
        case .endOfSequence, .token: entries.removeLast(min(1, entries.count))
        case .string, nil: break
        }
        return entries.isEmpty ? nil : ["content": Logprobs.chat(entries), "refusal": nil]
    }

    func chunk(_ index: Int, _ delta: JSON, logprobs: JSON = nil, finish: String?) -> JSON {
        var json = head("chat.completion.chunk")
        json["choices"] = [
            ["index": .int(index), "delta": delta, "logprobs": logprobs, "finish_reason": .optional(finish)]
        ]
        if shared.includesUsage { json["usage"] = .null }
        return json
    }

    func head(_ object: String) -> JSON {
        [
            "id": .string(id), "object": .string(object), "created": .int(created), "model": .string(model),
            "system_fingerprint": .string(shared.fingerprint),
        ]
    }
}
