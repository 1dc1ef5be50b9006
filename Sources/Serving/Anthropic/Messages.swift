internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/messages` and `/v1/messages/count_tokens`.
struct Messages: Sendable {
    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let requested = try fields.requireString("model")
        let model = try state.directory.model(named: requested).translating(fields)
        let isStream = try fields.bool("stream") ?? false
        let job = try makeJob(fields, model)
        let answer = MessageAnswer(id: "msg_" + Identifier.random(24), model: requested, job: job)
        let running = try RunningJob(job, on: model, for: context.client, state: state)
        return try await state.respond(
            running, monitor: monitor, isStream: isStream,
            framing: EventFraming(
                ping: "event: ping\ndata: {\"type\": \"ping\"}\n\n",
                failure: { error, sink in sink.send(error.body(.anthropic, requestID: nil), event: "error") }),
            whole: { answer.whole($0[0]) }, events: { try await answer.stream(running, to: $0) })
    }

    func countTokens(_ request: Request) async throws -> Response {
        let fields = try await state.readFields(request)
        let model = try state.directory.model(named: try fields.requireString("model"))
        return Response(["input_tokens": .int(try AnthropicMessages.prompt(fields).tokens(for: model).count)])
    }

    private func makeJob(_ fields: RequestFields, _ model: ServedModel) throws(APIError) -> GenerationJob {
        _ = try fields.requireMember("max_tokens")
        let maxTokens = try fields.int("max_tokens", in: 1...Int(Int32.max))
        _ = try fields.object("metadata")
        let prompt = try AnthropicMessages.prompt(fields)
        let sampling = try SamplingFields(
            fields, model, defaults: .init(openAI: model.engine.package.generation), stopKey: "stop_sequences")
        return try prompt.job(for: model, fields: sampling, maxTokens: maxTokens)
    }
}

/// The shapes of Anthropic's messages.
struct MessageAnswer: Sendable {
    let id: String
    let model: String
    let job: GenerationJob

    func whole(_ choice: ChoiceText) -> JSON {
        let answer = AnswerBlocks(job.reading, whole: choice.text)
        var json = message(usage: usage(choice.result, output: choice.result?.tokenCount ?? 0))
        json["content"] = .array(answer.blocks.map { shown($0) })
        json["stop_reason"] = .string(stopReason(answer, choice.result))
        json["stop_sequence"] = stopSequence(choice.result)
        return json
    }

    func stream(_ running: RunningJob, to sink: EventSink) async throws {
        var hasBegun = false
        var last: GenerationResult?
        var answer = AnswerBlocks(job.reading)
        func send(_ type: String, _ members: JSON) {
            var json: JSON = ["type": .string(type)]
            if case .object(let members) = members { for member in members { json[member.key] = member.value } }
            sink.send(json, event: type)
        }
        func send(_ event: AnswerBlocks.Event) {
            switch event {
            case .begin(let place):
                send(
                    "content_block_start",
                    ["index": .int(place), "content_block": shown(answer.blocks[place], isEmpty: true)])
            case .delta(let place, let piece):
                send("content_block_delta", ["index": .int(place), "delta": delta(answer.blocks[place], piece)])
            case .end(let place): send("content_block_stop", ["index": .int(place)])
            }
        }
        try await running.forEach { update in
            if !hasBegun {
                hasBegun = true
                send("message_start", ["message": message(usage: usage(update.update.result, output: 1))])
            }
            last = update.update.result ?? last
            answer.take(update.update.text).forEach(send)
        }
        answer.finish().forEach(send)
        send(
            "message_delta",
            [
                "delta": ["stop_reason": .string(stopReason(answer, last)), "stop_sequence": stopSequence(last)],
                "usage": usage(last, output: last?.tokenCount ?? 0),
            ])
        send("message_stop", .object([]))
    }

    /// A block of the content. A stream begins it empty.
    private func shown(_ block: AnswerBlocks.Block, isEmpty: Bool = false) -> JSON {
        switch block {
        case .text(let text): return ["type": "text", "text": .string(isEmpty ? "" : text)]
        case .reasoning(let text):
            return ["type": "thinking", "thinking": .string(isEmpty ? "" : text), "signature": ""]
        case .call(let id, let call):
            let input = try? JSONDocument(parsing: call.arguments, source: "arguments").root
            return [
                "type": "tool_use", "id": .string(id), "name": .string(call.name),
                "input": isEmpty ? .object([]) : input.map { JSON($0) } ?? .object([]),
            ]
        }
    }

    private func delta(_ block: AnswerBlocks.Block, _ piece: String) -> JSON {
        switch block {
        case .text: ["type": "text_delta", "text": .string(piece)]
        case .reasoning: ["type": "thinking_delta", "thinking": .string(piece)]
        case .call: ["type": "input_json_delta", "partial_json": .string(piece)]
        }
    }

    private func message(usage: JSON) -> JSON {
        [
            "id": .string(id), "type": "message", "role": "assistant", "model": .string(model), "content": [],
            "stop_reason": nil, "stop_sequence": nil, "usage": usage,
        ]
    }

    /// Anthropic counts the prompt's tokens that came from the cache separately.
    private func usage(_ result: GenerationResult?, output: Int) -> JSON {
        let cached = result?.cachedTokenCount ?? 0
        return [
            "input_tokens": .int(job.prompts[0].count - cached), "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": .int(cached), "output_tokens": .int(output),
        ]
    }

    private func stopReason(_ answer: AnswerBlocks, _ result: GenerationResult?) -> String {
        if answer.waitsForTools(result) { return "tool_use" }
        guard result?.finishReason == .stop else { return "max_tokens" }
        return result?.stopString(job) == nil ? "end_turn" : "stop_sequence"
    }

    private func stopSequence(_ result: GenerationResult?) -> JSON { .optional(result?.stopString(job)) }
}
