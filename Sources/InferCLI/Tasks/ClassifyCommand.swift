public import ArgumentParser
import CommandSupport
import Foundation
import Images
public import Inference
import JSONCore
import Models
import TensorCore

/// `infer classify`: labels of a text.
struct ClassifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify", abstract: "Puts labels on a text, on a pair of texts, or on images.",
        discussion: """
            Scores are as the model's problem_type says: probabilities of labels that exclude each other, of labels that \
            do not, or the number of a regression. With --lines, a tab separates the texts of a pair. \
            Images are PNG or JPEG files, or folders of them, and are prepared as the model's preprocessor_config.json \
            says; a model of images takes them from --lines too, a file on each line. Images without --model go to the \
            bundled reader of digits.
            """)

    @Argument(help: "The text; left out, the lines of standard input.") var text: String?

    @Option(help: ArgumentHelp("The second text of a pair.", valueName: "text2")) var pair: String?

    @Option(help: "How scores are made of logits: softmax, sigmoid or none; left out, as the model says.")
    var function: Classifier.Activation?

    @Option(
        help: ArgumentHelp(
            "Labels by this linear layer on the vectors of an embedder (safetensors).", valueName: "file"),
        completion: .file(extensions: ["safetensors"]))
    var head: String?

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Images in place of a text.", valueName: "file"),
        completion: .file(extensions: ["png", "jpg", "jpeg"]))
    var image: [String] = []

    @Option(
        help: ArgumentHelp("Labels that a CLIP model chooses of, separated by commas.", valueName: "a,b,c"))
    var labels: String?

    @Option(help: "The text that {} stands in for a label, with --labels.") var template = ZeroShotClassifier.template

    @Option(help: "Labels that are shown of each image; left out, five.") var topK: Int?

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--top-k", topK, in: 1...(1 << 20))
        if !image.isEmpty {
            guard text == nil, pair == nil else {
                throw ValidationError("--image takes the place of a text; give one of them")
            }
            try ImageFiles.check(image, lines: list.lines)
        }
        if labels != nil, image.isEmpty, list.lines == nil {
            throw ValidationError("--labels goes with --image; give both")
        }
        if labels != nil, model.model == nil {
            throw ValidationError("--labels needs a model of images and texts, such as CLIP; name one with --model")
        }
        try list.check([text].compactMap { $0 })
        if pair != nil, text == nil { throw ValidationError("--pair goes with a text as an argument; give both") }
    }

    func run() async throws {
        if !image.isEmpty {
            return try classifyImages(
                labels == nil ? model.openPackage(orBundled: .digitReader) : model.openPackage(),
                ImageFiles(image, lines: list.lines))
        }
        if let task = try Classifier.make(words: model, head: head, activation: function) { return try classify(task) }
        let package = try model.openPackage()
        if package.kind == .vision, let lines = list.lines {
            return try classifyImages(package, ImageFiles(lines: lines))
        }
        let task = try Classifier.make(
            package, head: head, on: try model.makeBackend(), activation: function,
            options: model.taskOptions(truncates: truncate))
        try classify(task)
    }

    private func classify(_ task: Classifier) throws {
        var output = OutputWriter()
        try list.forEachBatch(of: [text].compactMap { $0 }) { texts, _ in
            let inputs = texts.map { text == nil ? ClassifyCommand.input(line: $0) : TextPair($0, pair: pair) }
            for scores in try task.run(inputs).map({ Array($0.prefix(topK ?? $0.count)) }) {
                try output.writeLine(list.json ? try json(scores) : lines(scores))
            }
            try output.flush()
        }
    }

    private func classifyImages(_ package: ModelPackage, _ files: ImageFiles) throws {
        let backend = try model.makeBackend()
        let classify = try imageTask(package, on: backend)
        if model.profile { backend.setProfiling(true) }
        var output = OutputWriter()
        try files.forEachBatch(classify) { paths, answers in
            for (path, all) in zip(paths, answers) {
                let scores = Array(all.prefix(topK ?? 5))
                if list.json {
                    try output.writeLine(try json(scores))
                } else {
                    let shown = scores.map { "\(ModelOptions.score($0.score))  \($0.label)" }
                    let isOnly = files.paths.count == 1
                    try output.writeLine(
                        isOnly ? shown.joined(separator: "\n") : "\(path)\t" + shown.joined(separator: "  "))
                }
            }
            try output.flush()
        }
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    /// What gives each of some images its labels.
    private func imageTask(
        _ package: ModelPackage, on backend: any Backend
    ) throws -> ([PixelImage]) throws -> [[LabelScore]] {
        let options = model.engineOptions(defaultPrecision: .highest)
        guard let labels else {
            return try ImageClassifier(package, on: backend, activation: function, options: options).run
        }
        let names = labels.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        guard !names.isEmpty, names.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("--labels '\(labels)' holds an empty label")
        }
        return try ZeroShotClassifier(
            package, on: backend, labels: names, template: template, options: options
        ).run
    }

    /// A line is a text, or two with a tab between.
    private static func input(line: String) -> TextPair {
        let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
        return TextPair(String(parts[0]), pair: parts.count > 1 ? String(parts[1]) : nil)
    }

    private func json(_ scores: [LabelScore]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for score in scores {
            writer.beginObject()
            writer.member("label", score.label)
            try writer.member("score", score.score)
            writer.endObject()
        }
        writer.endArray()
        return writer.text
    }

    private func lines(_ scores: [LabelScore]) -> String {
        scores.map { "\(ModelOptions.score($0.score))  \($0.label)" }.joined(separator: text == nil ? "  " : "\n")
    }
}

extension Classifier.Activation: ExpressibleByArgument {}

extension Classifier {
    /// A head on static embeddings; `nil` where the model is of another kind.
    static func make(words model: ModelOptions, head: String?, activation: Activation?) throws -> Classifier? {
        guard let path = model.model, WordVectors.isFile(path) else { return nil }
        guard let head else {
            throw CommandError.unsupported(
                option: "--model", value: path, reason: "word vectors have no labels; give --head, see `infer fit`")
        }
        return try Classifier(try WordVectors(path: path), head: head, activation: activation)
    }

    /// With the model's own head, or another one.
    static func make(
        _ package: ModelPackage, head: String?, on backend: any Backend, activation: Activation?, options: TaskOptions
    ) throws -> Classifier {
        guard let head else {
            return try Classifier(package, on: backend, activation: activation, options: options)
        }
        return try Classifier(package, head: head, on: backend, activation: activation, options: options)
    }
}
