internal import Hummingbird
internal import Inference

/// `POST /v1/messages` and `/v1/messages/count_tokens`.
struct Messages: Sendable {
    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let monitor = await context.connectionMonitor()
        let fields = try await state.readFields(request)
        let requested = try fields.requireString("model")
        let model = try state.directory.model(named: requested)
        let isStream = try fields.bool("stream") ?? false
        let job = try makeJob(fields, model)
        let answer = MessageAnswer(id: "msg_" + Identifier.random(24), model: requested, job: job)
        let running = try RunningJob(job, on: model, state: state)
        guard isStream else {
            let choices = try await monitor.cancellingWhenClosed { try await ChoiceText.collect(running, count: 1) }
            return Response(answer.whole(choices[0]))
        }
        return try await EventStream.respond(
            pingSeconds: state.options.pingSeconds, ping: "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            monitor: monitor,
            failure: { error, sink in sink.send(error.body(.anthropic, requestID: nil), event: "error") },
            produce: { sink in try await answer.stream(running, to: sink) })
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
        return GenerationJob(prompts: [try prompt.tokens(for: model)], fields: sampling, maxTokens: maxTokens)
    }
}

/// The shapes of Anthropic's messages.
struct MessageAnswer: Sendable {
    let id: String
    let model: String
    let job: GenerationJob

    func whole(_ choice: ChoiceText) -> JSON {
        var json = message(usage: usage(choice.result, output: choice.result?.tokenCount ?? 0))
        json["content"] = [["type": "text", "text": .string(choice.text)]]
        json["stop_reason"] = .string(stopReason(choice.result))
        json["stop_sequence"] = stopSequence(choice.result)
        return json
    }

    func stream(_ running: RunningJob, to sink: EventSink) async throws {
        var hasBegun = false
        var last: GenerationResult?
        func send(_ type: String, _ members: JSON) {
            var json: JSON = ["type": .string(type)]
            if case .object(let members) = members { for member in members { json[member.key] = member.value } }
            sink.send(json, event: type)
        }
        try await running.forEach { update in
            if !hasBegun {
                hasBegun = true
                send("message_start", ["message": message(usage: usage(update.update.result, output: 1))])
                send("content_block_start", ["index": 0, "content_block": ["type": "text", "text": ""]])
                send("ping", .object([]))
            }
            last = update.update.result ?? last
            guard !update.update.text.isEmpty else { return }
            send(
                "content_block_delta",
                ["index": 0, "delta": ["type": "text_delta", "text": .string(update.update.text)]])
        }
        send("content_block_stop", ["index": 0])
        send(
            "message_delta",
            [
                "delta": ["stop_reason": .string(stopReason(last)), "stop_sequence": stopSequence(last)],
                "usage": usage(last, output: last?.tokenCount ?? 0),
            ])
        send("message_stop", .object([]))
    }

    private func message(usage: JSON) -> JSON {
        [
            "id": .string(id), "type": "message", "role": "assistant", "model": .string(model), "content": [],
            "stop_reason": nil, "stop_sequence": nil, "usage": usage,
        ]
    }

    /// Anthropic counts tokens from the cache apart.
    private func usage(_ result: GenerationResult?, output: Int) -> JSON {
        let cached = result?.cachedTokenCount ?? 0
        return [
            "input_tokens": .int(job.prompts[0].count - cached), "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": .int(cached), "output_tokens": .int(output),
        ]
    }

    private func stopReason(_ result: GenerationResult?) -> String {
        guard result?.finishReason == .stop else { return "max_tokens" }
        return result?.stopString == nil ? "end_turn" : "stop_sequence"
    }

    private func stopSequence(_ result: GenerationResult?) -> JSON { .optional(result?.stopString) }
}
