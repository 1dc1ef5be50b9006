internal import Inference
internal import JSONCore
internal import Models
internal import Hummingbird

/// `GET /v1/models` and `GET /v1/models/NAME`.
struct ModelListing: Sendable {
    let state: ServerState

    func list() -> Response {
        let models = state.directory.models.flatMap { model in model.names.map { ModelListing.json(model, name: $0) } }
        let tasks = state.directory.taskModels.flatMap { model in model.names.map { ModelListing.json(model, name: $0) }
        }
        return Response(["object": "list", "data": .array(models + tasks)])
    }

    func retrieve(_ name: String) throws -> Response {
        if let task = state.directory.taskModels.first(where: { $0.names.contains(name) }) {
            return Response(ModelListing.json(task, name: name))
        }
        guard let model = state.directory.models.first(where: { $0.names.contains(name) }) else {
            throw APIError.modelNotFound(name, known: state.directory.names)
        }
        return Response(ModelListing.json(model, name: name))
    }

    private static func json(_ model: ServedModel, name: String) -> JSON {
        let parent: JSON = model.named(name).adapter == nil ? nil : .string(model.name)
        return [
            "id": .string(name), "object": "model", "created": .int(model.created), "owned_by": "infer",
            "root": .string(model.name), "parent": parent, "max_model_len": .int(model.contextLength),
            "meta": [
                "vocab_type": nil, "n_vocab": .int(model.vocabularySize),
                "n_ctx_train":
                    .int(model.engine.description.maxContextLength),
                "n_embd": .int(model.engine.description.hiddenSize),
            ],
        ]
    }

    private static func json(_ model: TaskModel, name: String) -> JSON {
        [
            "id": .string(name), "object": "model", "created": .int(model.created), "owned_by": "infer",
            "root": .string(model.name), "parent": nil,
        ]
    }
}
