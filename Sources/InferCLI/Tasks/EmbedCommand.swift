public import ArgumentParser
import CommandSupport
public import Inference
import JSONCore
import Models

/// `infer embed`: vectors of texts.
struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed", abstract: "Turns texts or images into vectors.",
        discussion: """
            Pooled and normalised as the model's modules.json says; texts over its limit are cut. --json prints an array \
            with one array of numbers a text; with --outputs one object a text, for several texts an array of them. Images \
            get what the model pools of them; a CLIP model gives texts and images vectors of one space, of length 1. A file \
            of word vectors (word2vec, GloVe) gives a text the mean of its words' vectors.
            """)

    @Argument(help: "The texts; left out, the lines of standard input.") var texts: [String] = []

    @Option(help: "How tokens become one vector: mean, cls, max or last; left out, as the model's files say.")
    var pooling: Pooling?

    @Flag(inversion: .prefixedNo, help: "Make vectors of length 1 where the model's files say so.") var normalize = true

    @Option(help: "Keep so many elements of each vector.") var dimensions: Int?

    @Option(help: "Put this before each text.") var prompt: String?

    @Option(help: "Put the model's prompt of this name before each text.") var promptName: String?

    @Option(help: ArgumentHelp("What to give: dense, sparse, colbert.", valueName: "list"))
    var outputs: EmbeddingKindList?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Images in place of texts: files, or folders; without any, --lines names them.", valueName: "file"),
        completion: .file(extensions: ["png", "jpg", "jpeg"]))
    var image: [String] = []

    @Option(
        name: [.customLong("neighbours"), .customLong("neighbors")],
        help: "The words nearest to this one, of a file of word vectors.")
    var neighbours: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("'A is to B as C is to …', of a file of word vectors.", valueName: "a b c"))
    var analogy: [String] = []

    @Option(help: "Words that --neighbours and --analogy show.") var topK = 10

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try list.check(texts)
        try OptionRange.check("--dimensions", dimensions, in: 1...(1 << 24))
        if !image.isEmpty {
            guard texts.isEmpty else { throw ValidationError("--image takes the place of texts; give one of them") }
            try ImageFiles.check(image, lines: list.lines)
        }
        try checkWordOptions()
        if prompt != nil, promptName != nil { throw ValidationError("give --prompt or --prompt-name, not both") }
    }

    func run() async throws {
        if let path = wordVectorsPath { return try runWords(path) }
        if neighbours != nil || !analogy.isEmpty {
            throw CommandError.unsupported(
                option: "--model", value: model.model ?? "the bundled model",
                reason: "--neighbours and --analogy need word vectors, a .txt, .vec or .bin file of word2vec or GloVe")
        }
        let package = try model.openPackage()
        let hasImages = !image.isEmpty || (package.kind == .vision && !package.isCLIP && list.lines != nil)
        if hasImages { return try embedImages(package) }
        if package.isCLIP { return try embedTexts(package) }
        var choices = Embedder.Options()
        choices.pooling = pooling
        choices.normalizes = normalize
        choices.dimensions = dimensions
        choices.prompt = prompt
        choices.promptName = promptName
        if let outputs { choices.outputs = Set(outputs.kinds) }
        let task = try Embedder(package, on: try model.makeBackend(), choices: choices, options: model.taskOptions())
        var output = OutputWriter()
        // One object is printed by itself; everything else is one array, written as it comes.
        let isArray = list.json && (outputs == nil || texts.count != 1)
        if isArray { try output.write("[") }
        try list.forEachBatch(of: texts) { texts, first in
            for (index, embedding) in try task.run(texts).enumerated() {
                if list.json {
                    if first + index > 0 { try output.write(",\n") }
                    try output.write(try json(embedding))
                } else {
                    try output.writeLine(line(embedding))
                }
            }
        }
        if list.json { try output.writeLine(isArray ? "]" : "") }
        try output.flush()
    }

    private func json(_ embedding: Embedding) throws -> String {
        var writer = JSONWriter()
        guard let outputs else {
            try writer.value(embedding.dense)
            return writer.text
        }
        writer.beginObject()
        for kind in outputs.kinds {
            writer.key(kind.rawValue)
            switch kind {
            case .dense: try writer.value(embedding.dense)
            case .sparse:
                writer.beginObject()
                for (token, weight) in embedding.sparse.sorted(by: { $0.key < $1.key }) {
                    try writer.member("\(token)", weight)
                }
                writer.endObject()
            case .colbert:
                writer.beginArray()
                for vector in embedding.colbert { try writer.value(vector) }
                writer.endArray()
            }
        }
        writer.endObject()
        return writer.text
    }

    private func line(_ embedding: Embedding) -> String {
        var parts: [String] = []
        for kind in outputs?.kinds ?? [.dense] {
            switch kind {
            case .dense: parts.append(embedding.dense.map { "\($0)" }.joined(separator: " "))
            case .sparse:
                let weights = embedding.sparse.sorted { $0.key < $1.key }
                parts.append(weights.map { "\($0.key):\(ModelOptions.score($0.value))" }.joined(separator: " "))
            case .colbert:
                parts += embedding.colbert.map { $0.map { "\($0)" }.joined(separator: " ") }
            }
        }
        return parts.joined(separator: "\n")
    }
}

/// `dense,sparse` on the command line.
struct EmbeddingKindList: ExpressibleByArgument {
    let kinds: [EmbeddingKind]

    init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let kinds = names.compactMap { EmbeddingKind(rawValue: $0) }
        guard kinds.count == names.count, Set(names).count == names.count else { return nil }
        self.kinds = kinds
    }

    static var allValueStrings: [String] { EmbeddingKind.allCases.map(\.rawValue) }
}

extension Pooling: ExpressibleByArgument {
    public static var allValueStrings: [String] { ["mean", "cls", "max", "last"] }
}

extension JSONWriter {
    /// Writes an array of numbers, each as the shortest text that reads back as the same `Float`.
    mutating func value(_ numbers: [Float]) throws {
        beginArray()
        for number in numbers { try value(number) }
        endArray()
    }
}
