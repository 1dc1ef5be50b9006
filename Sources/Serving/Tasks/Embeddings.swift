internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/embeddings`.
struct Embeddings: Sendable {
    static let maximumInputCount = 2048

    let state: ServerState

    func handle(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.taskModel(named: try fields.string("model"), for: "embeddings")
        guard case .embedder(let embedder) = model.task else { throw model.misused("embeddings") }
        let format = try fields.string("encoding_format") ?? "float"
        guard ["float", "base64"].contains(format) else {
            throw fields.mismatch("encoding_format", expected: "float or base64")
        }
        let dimensions = try fields.int("dimensions", in: 1...embedder.dimensions)
        let texts = try TextRequest(fields, model, field: "input")
        let inputs = try Embeddings.inputs(fields, model)
        let task = TokenEmbedder(embedder)
        let vectors = try await monitor.cancellingWhenClosed { try await texts.run(task, inputs) }
        let data = vectors.enumerated().map { index, embedding -> JSON in
            let vector = Embeddings.shortened(embedding.dense, dimensions)
            return [
                "object": "embedding", "index": .int(index),
                "embedding": format == "base64"
                    ? .string(Embeddings.base64(vector)) : .array(vector.map { .double(Double($0)) }),
            ]
        }
        return Response([
            "object": "list", "data": .array(data), "model": .string(model.name), "usage": texts.usage,
        ])
    }

    /// A string, strings, token ids, or arrays of ids.
    private static func inputs(_ fields: RequestFields, _ model: TaskModel) throws -> [EmbedderInput] {
        let value = try fields.requireMember("input")
        if let text = value.string { return [.text(text)] }
        guard let elements = value.array.map(Array.init) else {
            throw fields.mismatch("input", expected: "a string, an array of strings, or token ids")
        }
        guard (1...maximumInputCount).contains(elements.count) || elements.first?.kind == .integer else {
            throw APIError.invalid("input", "input must hold 1 to \(maximumInputCount) texts, found \(elements.count)")
        }
        func tokens(_ ids: [JSONValue], _ place: String) throws -> EmbedderInput {
            .tokens(try RequestFields.tokens(ids, place: place, vocabularySize: model.vocabularySize))
        }
        if elements.first?.kind == .integer { return [try tokens(elements, "input")] }
        return try elements.enumerated().map { index, element in
            if let string = element.string { return .text(string) }
            guard let ids = element.array.map(Array.init), !ids.isEmpty else {
                let place = "input[\(index)]"
                throw APIError.invalid(
                    place, "\(place) must be a string or token ids, found \(RequestFields.shown(element))")
            }
            return try tokens(ids, "input[\(index)]")
        }
    }

    /// The first elements of a vector, normalised again (Kusupati et al., 2022).
    private static func shortened(_ vector: [Float], _ dimensions: Int?) -> [Float] {
        guard let dimensions, dimensions < vector.count else { return vector }
        let kept = vector.prefix(dimensions)
        let length = kept.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? kept.map { Float(Double($0) / length) } : Array(kept)
    }

    /// Little-endian FP32.
    private static func base64(_ vector: [Float]) -> String {
        var bytes = Data(capacity: vector.count * 4)
        for value in vector {
            let bits = value.bitPattern
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
            }
        }
        return bytes.base64EncodedString()
    }
}
