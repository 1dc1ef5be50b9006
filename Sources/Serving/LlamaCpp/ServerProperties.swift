internal import HTTPTypes
internal import JSONCore
internal import Tokenization
internal import Hummingbird
internal import Inference

/// `GET /props` and `GET /slots`.
struct ServerProperties: Sendable {
    let state: ServerState

    func props(model name: String?) throws -> Response {
        let model = try state.directory.model(named: name)
        let defaults = SamplingFields.Defaults(llamaCpp: model.engine.package.generation)
        let tokenizer = model.engine.tokenizer
        return Response([
            "default_generation_settings": [
                "n_ctx": .int(model.contextLength),
                "params": [
                    "temperature": .double(Double(defaults.temperature)), "top_k": .int(defaults.topK ?? 0),
                    "top_p": .double(Double(defaults.topP)), "min_p": .double(Double(defaults.minP)),
                    "repeat_penalty": .double(Double(defaults.repetitionPenalty)), "n_predict": -1, "seed": -1,
                ],
            ],
            "total_slots": .int(model.sequenceCount), "model_path": .string(model.engine.package.name),
            "model_alias": .string(model.name), "chat_template": .string(tokenizer?.configuration.chatTemplate ?? ""),
            "bos_token": .string(tokenizer?.configuration.token(for: .beginningOfSequence) ?? ""),
            "eos_token": .string(tokenizer?.configuration.token(for: .endOfSequence) ?? ""),
            "modalities": ["vision": false, "audio": false], "build_info": .string("infer " + state.options.version),
        ])
    }

    func slots(model name: String?) throws -> Response {
        guard state.options.showsSlots else {
            throw APIError(
                .notImplemented, "This server does not show its slots", type: "not_supported_error",
                code: "not_supported")
        }
        let model = try state.directory.model(named: name)
        let active = model.engine.status.runningCount
        return Response(
            .array(
                (0..<model.sequenceCount).map { slot in
                    [
                        "id": .int(slot), "n_ctx": .int(model.contextLength), "is_processing": .bool(slot < active),
                        "speculative": false,
                    ]
                }))
    }
}
