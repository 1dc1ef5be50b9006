import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer embed` with word vectors.
extension EmbedCommand {
    /// Whether `--model` names a file of word vectors.
    var wordVectorsPath: String? {
        guard let path = model.model, WordVectors.isFile(path) else { return nil }
        return path
    }

    /// - Throws: `ValidationError` for options that go with `--neighbours` or `--analogy` and are not given so.
    func checkWordOptions() throws {
        try OptionRange.check("--top-k", topK, in: 1...(1 << 20))
        guard analogy.isEmpty || analogy.count == 3 else {
            throw ValidationError("--analogy takes three words, as --analogy man king woman")
        }
        guard neighbours != nil || !analogy.isEmpty else { return }
        guard texts.isEmpty, list.lines == nil, image.isEmpty, neighbours == nil || analogy.isEmpty else {
            throw ValidationError("--neighbours and --analogy take the place of texts; give one of them")
        }
    }

    func runWords(_ path: String) throws {
        for (option, isGiven) in [
            ("--outputs", outputs != nil), ("--prompt", prompt != nil), ("--prompt-name", promptName != nil),
            ("--dimensions", dimensions != nil), ("--image", !image.isEmpty),
            ("--pooling", pooling != nil && pooling != .mean),
        ] where isGiven {
            throw CommandError.unsupported(
                option: option, value: path, reason: "word vectors give the mean of a text's words and nothing else")
        }
        let vectors = try WordVectors(path: path)
        if let neighbours { return try write(vectors.neighbours(of: neighbours, count: topK)) }
        if analogy.count == 3 {
            return try write(vectors.analogy(analogy[0], analogy[1], analogy[2], count: topK))
        }
        var output = OutputWriter()
        if list.json { try output.write("[") }
        try list.forEachBatch(of: texts) { texts, first in
            for (index, text) in texts.enumerated() {
                let vector = vectors.embed(text)
                guard list.json else {
                    try output.writeLine(vector.map { "\($0)" }.joined(separator: " "))
                    continue
                }
                if first + index > 0 { try output.write(",\n") }
                var writer = JSONWriter()
                try writer.value(vector)
                try output.write(writer.text)
            }
        }
        if list.json { try output.writeLine("]") }
        try output.flush()
    }

    private func write(_ scores: [WordScore]) throws {
        var output = OutputWriter()
        if list.json {
            var writer = JSONWriter()
            writer.beginArray()
            for score in scores {
                writer.beginObject()
                writer.member("word", score.word)
                try writer.member("score", score.score)
                writer.endObject()
            }
            writer.endArray()
            try output.writeLine(writer.text)
        } else {
            for score in scores { try output.writeLine("\(ModelOptions.score(score.score))  \(score.word)") }
        }
        try output.flush()
    }
}
