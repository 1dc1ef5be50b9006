internal import Inference

/// The shapes of the Responses API.
struct ResponsesAnswer: Sendable {
    let id: String
    let itemID: String
    let created: Int
    let model: String
    /// The request, some of whose fields the answer repeats.
    let request: JSON

    func whole(_ choice: ChoiceText) -> JSON {
        let isComplete = choice.result?.finishReason != .length
        var json = response(status: isComplete ? "completed" : "incomplete")
        if !isComplete { json["incomplete_details"] = ["reason": "max_output_tokens"] }
        json["output"] = [item(text: choice.text, status: isComplete ? "completed" : "incomplete")]
        json["usage"] = usage(choice)
        return json
    }

    func stream(
        _ running: RunningJob, to sink: EventSink, store: @Sendable (ChoiceText) -> JSON
    ) async throws {
        var number = 0
        func send(_ type: String, _ members: JSON) {
            var json: JSON = ["type": .string(type), "sequence_number": .int(number)]
            if case .object(let members) = members { for member in members { json[member.key] = member.value } }
            number += 1
            sink.send(json, event: type)
        }
        let place: JSON = ["item_id": .string(itemID), "output_index": 0, "content_index": 0]
        func at(_ members: (String, JSON)...) -> JSON {
            var json = place
            for (key, value) in members { json[key] = value }
            return json
        }
        var choice = ChoiceText()
        var hasBegun = false
        try await running.forEach { update in
            if !hasBegun {
                hasBegun = true
                send("response.created", ["response": response(status: "in_progress")])
                send("response.in_progress", ["response": response(status: "in_progress")])
                var begun = item(text: "", status: "in_progress")
                begun["content"] = []
                send("response.output_item.added", ["output_index": 0, "item": begun])
                send("response.content_part.added", at(("part", part(""))))
            }
            choice.take(update.update)
            guard !update.update.text.isEmpty else { return }
            send("response.output_text.delta", at(("delta", .string(update.update.text)), ("logprobs", [])))
        }
        let end = store(choice)
        send("response.output_text.done", at(("text", .string(choice.text)), ("logprobs", [])))
        send("response.content_part.done", at(("part", part(choice.text))))
        let isComplete = choice.result?.finishReason != .length
        send(
            "response.output_item.done",
            ["output_index": 0, "item": item(text: choice.text, status: isComplete ? "completed" : "incomplete")])
        send(isComplete ? "response.completed" : "response.incomplete", ["response": end])
    }

    private func part(_ text: String) -> JSON {
        ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
    }

    private func item(text: String, status: String) -> JSON {
        [
            "id": .string(itemID), "type": "message", "status": .string(status), "role": "assistant",
            "content": [part(text)],
        ]
    }

    private func response(status: String) -> JSON {
        var json: JSON = [
            "id": .string(id), "object": "response", "created_at": .int(created), "status": .string(status),
            "background": false, "error": nil, "incomplete_details": nil, "model": .string(model), "output": [],
            "parallel_tool_calls": true, "tool_choice": request["tool_choice"] ?? "auto",
            "tools": request["tools"] ?? [],
            "text": ["format": ["type": "text"]], "truncation": "disabled", "usage": nil,
        ]
        for key in [
            "instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p", "metadata", "user",
        ] { json[key] = request[key] ?? (key == "metadata" ? .object([]) : .null) }
        json["store"] = request["store"] ?? true
        return json
    }

    private func usage(_ choice: ChoiceText) -> JSON {
        let input = choice.result?.promptTokenCount ?? 0
        let output = choice.result?.tokenCount ?? 0
        return [
            "input_tokens": .int(input),
            "input_tokens_details": ["cached_tokens": .int(choice.result?.cachedTokenCount ?? 0)],
            "output_tokens": .int(output), "output_tokens_details": ["reasoning_tokens": 0],
            "total_tokens": .int(input + output),
        ]
    }
}
