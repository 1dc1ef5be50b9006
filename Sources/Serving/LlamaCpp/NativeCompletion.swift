internal import Tokenization
internal import Hummingbird
internal import Inference
internal import JSONCore

/// llama.cpp's own `POST /completion`.
struct NativeCompletion: Sendable {
    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.model(named: try fields.string("model")).translating(fields)
        let prompts = try NativeCompletion.prompts(fields, model)
        return try await run(fields, prompts, model, context, monitor)
    }

    /// `POST /infill`: what belongs between `input_prefix` and `input_suffix`.
    func infill(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.model(named: try fields.string("model"))
        let prompt = try InfillPrompt(fields, model).tokens
        return try await run(fields, [prompt], model, context, monitor)
    }

    private func run(
        _ fields: RequestFields, _ prompts: [[Int]], _ model: ServedModel, _ context: ServerContext,
        _ monitor: ConnectionMonitor
    ) async throws -> Response {
        let isStream = try fields.bool("stream") ?? false
        let returnsTokens = try fields.bool("return_tokens") ?? false
        var job = try makeJob(fields, prompts, model)
        job.isStream = isStream
        let running = try RunningJob(job, on: model, for: context.client, state: state)
        let answer = NativeAnswer(model: model.name, returnsTokens: returnsTokens, job: job)
        return try await state.respond(
            running, monitor: monitor, isStream: isStream,
            whole: { choices in
                let shown = choices.enumerated().map { answer.whole($0.offset, $0.element) }
                return shown.count == 1 ? shown[0] : .array(shown)
            },
            events: { sink in try await running.forEach { sink.send(answer.chunk($0.choice, $0.update)) } })
    }

    private func makeJob(
        _ fields: RequestFields, _ prompts: [[Int]], _ model: ServedModel
    ) throws(APIError) -> GenerationJob {
        let sampling = try SamplingFields(
            fields, model, defaults: .init(llamaCpp: model.engine.package.generation))
        let count = try fields.int(["n_predict", "max_tokens"], in: -2...Int(Int32.max))
        if count == 0 { throw .unsupported("n_predict", "give at least 1, or -1 for no limit") }
        var job = GenerationJob(
            prompts: prompts, fields: sampling, maxTokens: count.flatMap { $0 < 0 ? nil : $0 })
        job.cacheSalt = try fields.string("cache_salt")
        job.hold(to: try AnswerShape.read(fields))
        job.priority = try fields.int("priority", in: -1_000_000...1_000_000) ?? 0
        _ = try fields.bool("cache_prompt")
        for adapter in try fields.objects("lora", atMost: 1024) ?? []
        where try adapter.double("scale", in: -1e9...1e9) ?? 0 != 0 {
            throw .unsupported("lora", "adapters have names (serve --lora NAME=DIR); name one as the model")
        }
        let probabilities = try fields.int("n_probs", in: 0...100) ?? 0
        if probabilities > 0 { job.logprobCount = probabilities }
        return job
    }

    /// A string, ids, a mix of both, or an array of several such prompts.
    static func prompts(_ fields: RequestFields, _ model: ServedModel) throws(APIError) -> [[Int]] {
        let value = try fields.requireMember("prompt")
        guard let elements = value.array.map(Array.init) else { return [try prompt(value, "prompt", model)] }
        guard !elements.isEmpty else { throw .invalid("prompt", "prompt must not be empty") }
        let isMix = elements.contains { $0.kind == .integer } && !elements.contains { $0.array != nil }
        if isMix { return [try prompt(value, "prompt", model)] }
        guard elements.count <= Completions.maximumPromptCount else {
            throw .invalid("prompt", "prompt holds more than \(Completions.maximumPromptCount) prompts")
        }
        var result: [[Int]] = []
        for (index, element) in elements.enumerated() {
            result.append(try prompt(element, "prompt[\(index)]", model))
        }
        return result
    }

    private static func prompt(_ value: JSONValue, _ place: String, _ model: ServedModel) throws(APIError) -> [Int] {
        if let text = value.string { return try model.promptTokens(of: text) }
        if let inner = value.object.flatMap({ _ in value["prompt_string"]?.string }) {
            return try model.promptTokens(of: inner)
        }
        guard let elements = value.array.map(Array.init), !elements.isEmpty else {
            throw .invalid(place, "\(place) must be a string or token ids, found \(RequestFields.shown(value))")
        }
        try model.requireOwnFrame(place)
        var result: [Int] = []
        for (index, element) in elements.enumerated() {
            if let text = element.string {
                do {
                    result += try model.requireTokenizer().encode(text, addSpecialTokens: index == 0)
                } catch {
                    throw APIError(error)
                }
            } else {
                result += try RequestFields.tokens([element], place: place, vocabularySize: model.vocabularySize)
            }
        }
        return result
    }
}

/// The shapes of llama.cpp's completions.
struct NativeAnswer: Sendable {
    let model: String
    let returnsTokens: Bool
    let job: GenerationJob

    func whole(_ index: Int, _ choice: ChoiceText) -> JSON {
        var json = last(index, choice.result)
        json["content"] = .string(choice.text)
        if returnsTokens { json["tokens"] = .array(choice.tokens.map(JSON.int)) }
        if job.logprobCount != nil { json["completion_probabilities"] = Logprobs.native(choice.logprobs) }
        return json
    }

    func chunk(_ index: Int, _ update: GenerationUpdate) -> JSON {
        let tokens = JSON.array(update.tokens.map(JSON.int))
        if let result = update.result {
            var json = last(index, result)
            json["content"] = .string(update.text)
            json["tokens"] = tokens
            return withProbabilities(json, update)
        }
        return withProbabilities(
            ["index": .int(index), "content": .string(update.text), "tokens": tokens, "stop": false, "id_slot": -1],
            update)
    }

    private func withProbabilities(_ json: JSON, _ update: GenerationUpdate) -> JSON {
        guard job.logprobCount != nil else { return json }
        var json = json
        json["completion_probabilities"] = Logprobs.native(update.logProbabilities)
        return json
    }

    private func last(_ index: Int, _ result: GenerationResult?) -> JSON {
        let reason = result?.finishReason
        var json: JSON = [
            "index": .int(index), "content": "", "tokens": [], "id_slot": -1, "stop": true, "model": .string(model),
            "tokens_predicted": .int(result?.tokenCount ?? 0), "tokens_evaluated": .int(result?.promptTokenCount ?? 0),
            "tokens_cached": .int(result?.cachedTokenCount ?? 0), "truncated": false,
            "stop_type": .string(reason == .length ? "limit" : result?.stopString(job) == nil ? "eos" : "word"),
            "stopping_word": .string(result?.stopString(job) ?? ""), "has_new_line": false,
        ]
        json["generation_settings"] = job.settingsJSON(seed: result?.seed)
        if let result { json["timings"] = result.timingsJSON }
        return json
    }
}

extension GenerationJob {
    /// The settings as llama.cpp's server shows them.
    func settingsJSON(seed: UInt64?) -> JSON {
        [
            "n_predict": .int(maxTokens ?? -1), "max_tokens": .int(maxTokens ?? -1),
            "seed": .int(seed.map { Int(truncatingIfNeeded: $0) } ?? -1),
            "temperature": .double(Double(sampling.temperature)), "top_k": .int(sampling.topK ?? 0),
            "top_p": .double(Double(sampling.topP)), "min_p": .double(Double(sampling.minP)),
            "typical_p": .double(Double(sampling.typicalP)),
            "repeat_penalty": .double(Double(sampling.repetitionPenalty)),
            "presence_penalty": .double(Double(sampling.presencePenalty)),
            "frequency_penalty": .double(Double(sampling.frequencyPenalty)),
            "stop": .array(stopStrings.map(JSON.string)), "ignore_eos": .bool(ignoresEndOfSequence),
            "n_probs": .int(logprobCount ?? 0), "stream": .bool(isStream),
        ]
    }
}
