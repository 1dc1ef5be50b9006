internal import Inference
internal import JSONCore

/// The shapes of the Responses API.
struct ResponsesAnswer: Sendable {
    let id: String
    let created: Int
    let model: String
    /// The request; the answer repeats some of its fields.
    let request: JSON

    func whole(_ answer: AnswerBlocks, _ result: GenerationResult?) -> JSON {
        let isComplete = result?.finishReason != .length
        let status = isComplete ? "completed" : "incomplete"
        var json = response(status: status)
        if !isComplete { json["incomplete_details"] = ["reason": "max_output_tokens"] }
        json["output"] = .array(answer.blocks.enumerated().map { item($0.element, $0.offset, status: status) })
        json["usage"] = usage(result)
        return json
    }

    func stream(
        _ running: RunningJob, _ reading: AnswerReading, to sink: EventSink,
        store: @Sendable (AnswerBlocks, GenerationResult?) -> JSON
    ) async throws {
        var number = 0
        func send(_ type: String, _ members: JSON) {
            var json: JSON = ["type": .string(type), "sequence_number": .int(number)]
            if case .object(let members) = members { for member in members { json[member.key] = member.value } }
            number += 1
            sink.send(json, event: type)
        }
        var answer = AnswerBlocks(reading)
        var result: GenerationResult?
        var hasBegun = false
        func send(_ event: AnswerBlocks.Event) {
            for (type, members) in events(event, answer, result) { send(type, members) }
        }
        try await running.forEach { update in
            if !hasBegun {
                hasBegun = true
                send("response.created", ["response": response(status: "in_progress")])
                send("response.in_progress", ["response": response(status: "in_progress")])
            }
            result = update.update.result ?? result
            answer.take(update.update.text).forEach(send)
        }
        answer.finish().forEach(send)
        let isComplete = result?.finishReason != .length
        send(isComplete ? "response.completed" : "response.incomplete", ["response": store(answer, result)])
    }

    /// The API's events for what happens to a block.
    private func events(
        _ event: AnswerBlocks.Event, _ answer: AnswerBlocks, _ result: GenerationResult?
    ) -> [(String, JSON)] {
        func at(_ place: Int, _ members: (String, JSON)...) -> JSON {
            var json: JSON = ["item_id": .string(itemID(answer.blocks[place], place)), "output_index": .int(place)]
            if case .call = answer.blocks[place] {} else { json["content_index"] = 0 }
            for (key, value) in members { json[key] = value }
            return json
        }
        switch event {
        case .begin(let place):
            let block = answer.blocks[place]
            let begun = item(block, place, status: "in_progress", isEmpty: true)
            let added: (String, JSON) =
                ("response.output_item.added", ["output_index": .int(place), "item": begun])
            guard let part = part(block, isEmpty: true) else { return [added] }
            return [added, ("response.content_part.added", at(place, ("part", part)))]
        case .delta(let place, let piece):
            switch answer.blocks[place] {
            case .text: return [("response.output_text.delta", at(place, ("delta", .string(piece)), ("logprobs", [])))]
            case .reasoning: return [("response.reasoning_text.delta", at(place, ("delta", .string(piece))))]
            case .call: return [("response.function_call_arguments.delta", at(place, ("delta", .string(piece))))]
            }
        case .end(let place):
            let block = answer.blocks[place]
            let status =
                result?.finishReason == .length && place == answer.blocks.count - 1 ? "incomplete" : "completed"
            var events: [(String, JSON)] = []
            switch block {
            case .text(let text):
                events = [("response.output_text.done", at(place, ("text", .string(text)), ("logprobs", [])))]
            case .reasoning(let text):
                events = [("response.reasoning_text.done", at(place, ("text", .string(text))))]
            case .call(_, let call):
                let members: [(String, JSON)] = [("name", .string(call.name)), ("arguments", .string(call.arguments))]
                events = [("response.function_call_arguments.done", at(place, members[0], members[1]))]
            }
            if let part = part(block) { events.append(("response.content_part.done", at(place, ("part", part)))) }
            events.append(
                (
                    "response.output_item.done",
                    ["output_index": .int(place), "item": item(block, place, status: status)]
                ))
            return events
        }
    }

    /// The content of a message or of reasoning; a call has none.
    private func part(_ block: AnswerBlocks.Block, isEmpty: Bool = false) -> JSON? {
        switch block {
        case .text(let text):
            [
                "type": "output_text", "text": .string(isEmpty ? "" : text), "annotations": [], "logprobs": [],
            ]
        case .reasoning(let text): ["type": "reasoning_text", "text": .string(isEmpty ? "" : text)]
        case .call: nil
        }
    }

    private func itemID(_ block: AnswerBlocks.Block, _ place: Int) -> String {
        let suffix = "\(id.dropFirst(5))_\(place)"
        return switch block {
        case .text: "msg_\(suffix)"
        case .reasoning: "rs_\(suffix)"
        case .call: "fc_\(suffix)"
        }
    }

    private func item(_ block: AnswerBlocks.Block, _ place: Int, status: String, isEmpty: Bool = false) -> JSON {
        var json: JSON = ["id": .string(itemID(block, place)), "status": .string(status)]
        switch block {
        case .text: json["type"] = "message"
        case .reasoning:
            json["type"] = "reasoning"
            json["summary"] = []
        case .call(let id, let call):
            json["type"] = "function_call"
            json["call_id"] = .string(id)
            json["name"] = .string(call.name)
            json["arguments"] = .string(isEmpty ? "" : call.arguments)
        }
        if case .text = block { json["role"] = "assistant" }
        if let part = part(block) { json["content"] = isEmpty ? [] : [part] }
        return json
    }

    private func response(status: String) -> JSON {
        var json: JSON = [
            "id": .string(id), "object": "response", "created_at": .int(created), "status": .string(status),
            "background": false, "error": nil, "incomplete_details": nil, "model": .string(model), "output": [],
            "parallel_tool_calls": request["parallel_tool_calls"] ?? true,
            "tool_choice": request["tool_choice"] ?? "auto", "tools": request["tools"] ?? [],
            "text": request["text"] ?? ["format": ["type": "text"]], "truncation": "disabled", "usage": nil,
        ]
        for key in [
            "instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p", "metadata", "user",
        ] { json[key] = request[key] ?? (key == "metadata" ? .object([]) : .null) }
        json["store"] = request["store"] ?? true
        return json
    }

    private func usage(_ result: GenerationResult?) -> JSON {
        let input = result?.promptTokenCount ?? 0
        let output = result?.tokenCount ?? 0
        return [
            "input_tokens": .int(input),
            "input_tokens_details": ["cached_tokens": .int(result?.cachedTokenCount ?? 0)],
            "output_tokens": .int(output), "output_tokens_details": ["reasoning_tokens": 0],
            "total_tokens": .int(input + output),
        ]
    }
}
