internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// The shapes of a chat completion with searches: the answer as ever, with what it cites as `annotations`, and all passages
/// as `search_results`.
extension ChatAnswer {
    func respond(
        _ chat: SearchingChat, _ prompt: ChatPrompt, _ monitor: ConnectionMonitor, pingSeconds: Double
    ) async throws -> Response {
        guard shared.isStream else {
            return Response(whole(try await monitor.cancellingWhenClosed { try await chat.run(prompt) { _ in } }))
        }
        return try await EventStream.respond(
            pingSeconds: pingSeconds, monitor: monitor,
            failure: { error, sink in sink.send(error.body(.openAI, requestID: nil)) },
            produce: { sink in try await stream(chat, prompt, to: sink) })
    }

    func whole(_ answer: SearchedAnswer) -> JSON {
        var message: JSON = [
            "role": "assistant",
            "content": !answer.calls.isEmpty && answer.text.isEmpty ? .null : .string(answer.text), "refusal": nil,
            "annotations": answer.annotations,
        ]
        if !answer.reasoning.isEmpty { message["reasoning_content"] = .string(answer.reasoning) }
        if !answer.calls.isEmpty { message["tool_calls"] = .array(answer.calls) }
        var json = head("chat.completion")
        json["choices"] = [
            [
                "index": 0, "message": message, "logprobs": nil, "finish_reason": .optional(answer.finishReason),
            ]
        ]
        json["search_results"] = answer.searchResults
        json["usage"] = answer.usage.json
        if let result = answer.result { json["timings"] = result.timingsJSON }
        return json
    }

    func stream(_ chat: SearchingChat, _ prompt: ChatPrompt, to sink: EventSink) async throws {
        var hasBegun = false
        let answer = try await chat.run(prompt) { piece in
            if !hasBegun { sink.send(chunk(0, ["role": "assistant", "content": ""], finish: nil)) }
            hasBegun = true
            let delta: JSON =
                switch piece {
                case .text(let text): ["content": .string(text)]
                case .reasoning(let text): ["reasoning_content": .string(text)]
                case .call(let call): ["tool_calls": [call]]
                }
            sink.send(chunk(0, delta, finish: nil))
        }
        if !hasBegun { sink.send(chunk(0, ["role": "assistant", "content": ""], finish: nil)) }
        var last = chunk(0, ["annotations": answer.annotations], finish: answer.finishReason)
        last["search_results"] = answer.searchResults
        if !shared.includesUsage, let result = answer.result { last["timings"] = result.timingsJSON }
        sink.send(last)
        if shared.includesUsage {
            var last = head("chat.completion.chunk")
            last["choices"] = []
            last["usage"] = answer.usage.json
            if let result = answer.result { last["timings"] = result.timingsJSON }
            sink.send(last)
        }
        sink.sendDone()
    }
}

extension NumberedPassage {
    /// The file, with its lines behind `#`.
    var url: String {
        let file = URL(fileURLWithPath: result.path).absoluteString
        guard let lines = result.lines else { return file }
        return lines.count == 1 ? "\(file)#L\(lines.lowerBound)" : "\(file)#L\(lines.lowerBound)-L\(lines.upperBound)"
    }
}

extension ChatCompletions {
    /// The work of answering a request that offers the search tool.
    func searchingChat(
        _ tool: SearchTool, _ fields: RequestFields, _ shared: CompletionFields, _ model: ServedModel, client: String?
    ) throws(APIError) -> SearchingChat {
        try fields.refuse(["top_logprobs"], because: "an answer with searches has none; leave it out")
        for (key, isWanted) in [
            ("logprobs", try fields.bool("logprobs") ?? false), ("timings_per_token", shared.hasTimingsPerToken),
            ("return_token_ids", shared.returnsTokenIDs),
            ("stream_options.continuous_usage_stats", shared.repeatsUsage),
        ] where isWanted { throw .unsupported(key, "an answer with searches has none; leave it out") }
        guard shared.choiceCount == 1 else {
            throw .invalid("n", "n must be 1 where the search tool is offered")
        }
        var collections: [any ServedCollection] = []
        for name in tool.collections {
            collections.append(try state.collections.collection(named: name, field: "tools"))
        }
        if collections.isEmpty { collections = [try state.collections.collection(named: nil, field: "tools")] }
        return SearchingChat(
            state: state, model: model, client: client, tool: tool, collections: collections
        ) { prompt in try makeJob(prompt, fields, shared, model) }
    }
}
