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
            "model_alias": .string(model.name),
            "chat_template": .string(model.promptTemplate?.source(hasTools: false) ?? ""),
            "bos_token": .string(tokenizer?.configuration.token(for: .beginningOfSequence) ?? ""),
            "eos_token": .string(tokenizer?.configuration.token(for: .endOfSequence) ?? ""),
            "modalities": ["vision": false, "audio": false], "build_info": .string("infer " + state.options.version),
        ])
    }

    /// - Parameter needsFreeSlot: the answer is 503 where every slot is taken.
    func slots(model name: String?, needsFreeSlot: Bool = false) throws -> Response {
        guard state.options.showsSlots else {
            throw APIError(
                .notImplemented, "This server does not show its slots", type: "not_supported_error",
                code: "not_supported")
        }
        let model = try state.directory.model(named: name)
        let slots = state.slots.board(of: model).slots
        if needsFreeSlot, !slots.contains(where: { !$0.isProcessing }) {
            throw APIError(.serviceUnavailable, "no slot available", type: "unavailable_error", code: "no_free_slot")
        }
        return Response(
            .array(
                slots.enumerated().map { index, slot in
                    let members: [JSON.Member] = [
                        .init(key: "id", value: .int(index)), .init(key: "n_ctx", value: .int(model.contextLength)),
                        .init(key: "speculative", value: false),
                        .init(key: "is_processing", value: .bool(slot.isProcessing)),
                    ]
                    return .object(members + (slot.entry?.members(isProcessing: slot.isProcessing) ?? []))
                }))
    }
}
