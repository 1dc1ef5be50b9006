internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/responses`, with `GET` and `DELETE` of the answers that are kept.
struct Responses: Sendable {
    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let requested = try fields.string("model")
        let model = try state.directory.model(named: requested).translating(fields)
        let isStream = try fields.bool("stream") ?? false
        let history = try history(fields)
        let input = try ResponsesInput.read(fields)
        let job = try makeJob(fields, instructions: try fields.string("instructions"), history + input, model)
        let answer = ResponsesAnswer(
            id: "resp_" + Identifier.random(32), created: Int(Date().timeIntervalSince1970),
            model: requested ?? model.name, request: fields.json)
        let store: @Sendable (AnswerBlocks, GenerationResult?) -> JSON = { [state] blocks, result in
            let json = answer.whole(blocks, result)
            if fields["store"]?.bool ?? true {
                let said = blocks.templateMessage
                state.responses.store(answer.id, messages: history + input + [said], response: json)
            }
            return json
        }
        let running = try RunningJob(job, on: model, for: context.client, state: state)
        return try await state.respond(
            running, monitor: monitor, isStream: isStream, framing: Responses.framing,
            whole: { store(AnswerBlocks(job.reading, whole: $0[0].text), $0[0].result) },
            events: { try await answer.stream(running, job.reading, to: $0, store: store) })
    }

    private static let framing = EventFraming(failure: { error, sink in
        sink.send(
            [
                "type": "error", "code": .optional(error.code), "message": .string(error.message),
                "param": .optional(error.parameter), "sequence_number": 0,
            ], event: "error")
    })

    func retrieve(_ id: String) throws -> Response { Response(try entry(id).response) }

    func delete(_ id: String) throws -> Response {
        guard state.responses.remove(id) else { throw notFound(id) }
        return Response(["id": .string(id), "object": "response", "deleted": true])
    }

    private func entry(_ id: String) throws(APIError) -> ResponseStore.Entry {
        guard let entry = state.responses.entry(id) else { throw notFound(id) }
        return entry
    }

    private func notFound(_ id: String) -> APIError {
        APIError(
            .notFound, "There is no response '\(id.prefix(80))' here (any more); send the whole conversation as input",
            parameter: "previous_response_id", code: "previous_response_not_found")
    }

    private func history(_ fields: RequestFields) throws(APIError) -> [JSON] {
        guard let id = try fields.string("previous_response_id") else { return [] }
        return try entry(id).messages
    }

    private func makeJob(
        _ fields: RequestFields, instructions: String?, _ messages: [JSON], _ model: ServedModel
    ) throws(APIError) -> GenerationJob {
        if try fields.bool("background") ?? false {
            throw .unsupported("background", "this server answers at once; leave it out")
        }
        try fields.refuse(["conversation"], because: "this server keeps responses only; use previous_response_id")
        try fields.refuse(["prompt"], because: "this server keeps no prompts; send it as instructions and input")
        var prompt = ChatPrompt(
            messages: messages, tools: try ToolFields.responses(fields), shape: try AnswerShape.responses(fields))
        if let instructions { prompt.messages.insert(["role": "system", "content": .string(instructions)], at: 0) }
        if let variables = try fields.object("chat_template_kwargs") { prompt.variables = variables.json }
        let sampling = try SamplingFields(
            fields, model, defaults: .init(openAI: model.engine.package.generation))
        prompt.allowsParallelCalls = try fields.bool("parallel_tool_calls")
        var job = try prompt.job(
            for: model, fields: sampling, maxTokens: fields.int("max_output_tokens", in: 1...Int(Int32.max)))
        job.priority = try fields.int("priority", in: -1_000_000...1_000_000) ?? 0
        job.cacheSalt = try fields.string("cache_salt")
        return job
    }
}

/// The input of the Responses API in the form that templates take.
enum ResponsesInput {
    static func read(_ fields: RequestFields) throws(APIError) -> [JSON] {
        let value = try fields.requireMember("input")
        if let text = value.string { return [["role": "user", "content": .string(text)]] }
        guard value.array != nil else { throw fields.mismatch("input", expected: "a string or an array of items") }
        let items = try fields.objects("input", atMost: ChatMessages.maximumCount) ?? []
        guard !items.isEmpty else { throw .invalid("input", "input must hold at least one item") }
        var messages: [JSON] = []
        for item in items {
            switch try item.string("type") ?? "message" {
            case "message": messages.append(try message(item))
            case "function_call": messages.append(try call(item))
            case "function_call_output":
                messages.append([
                    "role": "tool", "tool_call_id": .string(try item.requireString("call_id")),
                    "content": .string(try ChatMessages.text(item, "output") ?? ""),
                ])
            case "reasoning": break
            case let type: throw .unsupported(item.name(of: "type"), "items of type '\(type)' are not known here")
            }
        }
        return messages
    }

    private static func message(_ item: RequestFields) throws(APIError) -> JSON {
        let role = try item.requireString("role")
        guard ["system", "developer", "user", "assistant"].contains(role) else {
            throw item.mismatch("role", expected: "system, developer, user or assistant")
        }
        guard let text = try ChatMessages.text(item, "content") else {
            throw .invalid(item.name(of: "content"), "\(item.name(of: "content")) is required")
        }
        return ["role": .string(role == "developer" ? "system" : role), "content": .string(text)]
    }

    private static func call(_ item: RequestFields) throws(APIError) -> JSON {
        let name = item.name(of: "arguments")
        let arguments: JSON
        do {
            arguments = JSON(try JSONDocument(parsing: try item.string("arguments") ?? "{}", source: name).root)
        } catch {
            throw .invalid(name, "\(name) must be the text of a JSON object")
        }
        return [
            "role": "assistant", "content": "",
            "tool_calls": [
                [
                    "id": .string(try item.requireString("call_id")), "type": "function",
                    "function": ["name": .string(try item.requireString("name")), "arguments": arguments],
                ]
            ],
        ]
    }
}
