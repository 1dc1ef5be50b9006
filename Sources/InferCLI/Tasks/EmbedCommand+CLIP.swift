import CommandSupport
import Images
import Inference
import JSONCore
import TensorCore

/// Vectors of images, and of texts that are compared with images.
extension EmbedCommand {
    func embedImages(_ package: ModelPackage) throws {
        try refuseTextOptions()
        let files = try ImageFiles(image, lines: list.lines)
        let backend = try model.makeBackend()
        let task = try ImageEmbedder(
            package, on: backend, normalizes: normalize,
            options: model.engineOptions(defaultPrecision: .highest))
        if model.profile { backend.setProfiling(true) }
        var output = VectorOutput(json: list.json)
        try files.forEachBatch(task.run) { _, vectors in try output.write(vectors.map(shortened)) }
        try output.end()
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    func embedTexts(_ package: ModelPackage) throws {
        try refuseTextOptions()
        let task = try CLIPTextEncoder(
            package, on: try model.makeBackend(), for: "embed",
            options: model.engineOptions(defaultPrecision: .highest))
        var output = VectorOutput(json: list.json)
        try list.forEachBatch(of: texts) { texts, _ in
            let vectors = try task.embed(texts.map { (prompt ?? "") + $0 })
            try output.write((normalize ? vectors.map(UnitVector.of) : vectors).map(shortened))
        }
        try output.end()
    }

    private func shortened(_ vector: [Float]) throws -> [Float] {
        guard let dimensions, dimensions != vector.count else { return vector }
        guard dimensions < vector.count else {
            throw CommandError.unsupported(
                option: "--dimensions", value: "\(dimensions)", reason: "the model's vectors have \(vector.count)")
        }
        let part = Array(vector.prefix(dimensions))
        return normalize ? UnitVector.of(part) : part
    }

    /// - Throws: `CommandError` for choices that vectors of these models do not have.
    private func refuseTextOptions() throws {
        let given: [(String, String?)] = [
            ("--pooling", pooling?.rawValue), ("--prompt-name", promptName),
            ("--outputs", outputs?.kinds.map(\.rawValue).joined(separator: ",")),
        ]
        for case (let option, let value?) in given {
            throw CommandError.unsupported(
                option: option, value: value, reason: "models of images have one vector; leave it out")
        }
    }
}

/// Vectors as lines of numbers, or as one JSON array that is written as they come.
private struct VectorOutput {
    private let json: Bool
    private var output = OutputWriter()
    private var count = 0

    init(json: Bool) { self.json = json }

    mutating func write(_ vectors: [[Float]]) throws {
        for vector in vectors {
            if json {
                var writer = JSONWriter()
                try writer.value(vector)
                try output.write((count == 0 ? "[" : ",\n") + writer.text)
            } else {
                try output.writeLine(vector.map { "\($0)" }.joined(separator: " "))
            }
            count += 1
        }
        try output.flush()
    }

    mutating func end() throws {
        if json { try output.writeLine(count == 0 ? "[]" : "]") }
        try output.flush()
    }
}
