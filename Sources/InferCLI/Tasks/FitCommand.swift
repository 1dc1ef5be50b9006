import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer fit`: a head for `classify` from examples.
struct FitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit", abstract: "Fits a linear layer on an embedder's vectors, for `infer classify --head`.",
        discussion: """
            --data holds examples as `infer evaluate classify` takes them: text and label, as JSON lines or a table. \
            Logistic regression (for labels) minimises C times the log loss plus half the squared weights by L-BFGS, as \
            scikit-learn's LogisticRegression does; linear regression (for numbers) minimises the squared errors plus alpha \
            times the squared weights, as its Ridge does.
            """)

    enum Regression: String, ExpressibleByArgument, CaseIterable {
        case logistic, linear
    }

    @Option(help: ArgumentHelp("The examples.", valueName: "file"), completion: .file()) var data: String

    @Option(
        help: ArgumentHelp("The safetensors file to write.", valueName: "file"),
        completion: .file(extensions: ["safetensors"]))
    var head: String

    @Option(help: "What to fit: logistic (labels) or linear (numbers).") var regression = Regression.logistic

    @Option(
        name: [.customLong("c"), .customLong("C")], parsing: .unconditional,
        help: "Logistic: how much the examples count beside small weights.")
    var inverseStrength = 1.0

    @Option(parsing: .unconditional, help: "Linear: how much small weights count beside the examples.") var alpha = 1.0

    @Option(help: "Logistic: most steps of L-BFGS.") var maxIterations = 1000

    @Option(help: "Logistic: ends where no part of the gradient is larger.") var tolerance = 1e-6

    @Option(
        help: ArgumentHelp(
            "Names of the labels, in the order of the head's rows; left out, those of the examples in order.",
            valueName: "a,b,c"))
    var labels: String?

    @Option(help: ArgumentHelp("The field with the text.", valueName: "name")) var textField: String?
    @Option(help: ArgumentHelp("The field with the label.", valueName: "name")) var labelField: String?
    @Flag(help: "Print one JSON object.") var json = false
    @OptionGroup(title: "Embedder") var model: ModelOptions

    func validate() throws {
        try model.validate()
        try OptionRange.check("--c", inverseStrength, in: 1e-12...1e12)
        try OptionRange.check("--alpha", alpha, in: 0...1e12)
        try OptionRange.check("--max-iterations", maxIterations, in: 1...1_000_000)
        try OptionRange.check("--tolerance", tolerance, in: 1e-14...1)
        guard regression == .logistic || labels == nil else {
            throw ValidationError("--labels goes with --regression logistic; a number has none")
        }
        guard model.model != nil else { throw ValidationError("name an embedder or word vectors with --model") }
    }

    func run() async throws {
        let records = try EvaluationFile.records(data)
        let texts = try records.map { try field($0, textField, EvaluateClassifyCommand.textFields).text }
        let answers = try records.map { try field($0, labelField, EvaluateClassifyCommand.labelFields) }
        let fitted: FittedHead
        let quality: (name: String, value: Double)
        if regression == .linear {
            let numbers = try answers.map { try $0.record.number($0.key) }
            let vectors = try embed(texts)
            fitted = try LinearRegression(alpha: alpha).fit(vectors, numbers)
            quality = ("r2", FitCommand.determination(numbers, vectors.map { fitted.logits(of: $0)[0] }))
        } else {
            let names = try labelNames(answers)
            let places = try answers.map { try FitCommand.place($0.text, $0.record, among: names) }
            let vectors = try embed(texts)
            fitted = try LogisticRegression(
                inverseStrength: inverseStrength, maximumIterationCount: maxIterations, tolerance: tolerance
            ).fit(vectors, places, labels: names)
            let right = zip(vectors, places).filter { vector, place in
                let logits = fitted.logits(of: vector)
                return logits[place] == logits.max()
            }.count
            quality = ("accuracy", Double(right) / Double(places.count))
        }
        if fitted.gradient > tolerance {
            StandardErrorLog.line(
                "infer: warning: the fit ended after \(fitted.iterationCount) steps with a gradient of \(fitted.gradient), "
                    + "over --tolerance \(tolerance); raise --max-iterations or lower --c")
        }
        try fitted.save(to: head)
        try report(fitted, texts.count, quality)
    }

    private struct Answer {
        let key: String
        let text: String
        let record: EvaluationRecord
    }

    private func field(_ record: EvaluationRecord, _ name: String?, _ known: [String]) throws -> Answer {
        let keys = name.map { [$0] } ?? known
        guard let key = record.first(of: keys) else { throw record.missing(keys) }
        return Answer(key: key, text: try record.text(key), record: record)
    }

    /// Names in the order of the numbers, where all labels are numbers, else of the letters.
    private func labelNames(_ answers: [Answer]) throws -> [String] {
        if let labels {
            let names = labels.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard !names.contains(""), Set(names).count == names.count else {
                throw ValidationError("--labels '\(labels)' holds an empty label, or one twice")
            }
            return names
        }
        let names = Set(answers.map(\.text))
        guard names.count <= 10_000 else {
            throw CommandError.unsupported(
                option: "--data", value: data,
                reason: "\(names.count) different labels; fit --regression linear to numbers")
        }
        let numbers = names.compactMap { Int($0) }
        return numbers.count == names.count ? numbers.sorted().map(String.init) : names.sorted()
    }

    /// A label is a name, or the number of one where --labels renames numbers.
    private static func place(_ text: String, _ record: EvaluationRecord, among names: [String]) throws -> Int {
        if let place = names.firstIndex(of: text) { return place }
        if let number = Int(text), names.indices.contains(number) { return number }
        throw record.invalid("the label '\(text.prefix(40))' is none of \(names.prefix(8).joined(separator: ", "))")
    }

    private func embed(_ texts: [String]) throws -> [[Float]] {
        if let path = model.model, WordVectors.isFile(path) {
            let vectors = try WordVectors(path: path)
            return texts.map { vectors.embed($0) }
        }
        let embedder = try Embedder(
            try model.openPackage(), on: try model.makeBackend(), options: model.taskOptions())
        var bar = ProgressLine("embed")
        defer { bar.clear() }
        var vectors: [[Float]] = []
        for start in stride(from: 0, to: texts.count, by: 256) {
            vectors += try embedder.run(Array(texts[start..<min(start + 256, texts.count)])).map(\.dense)
            bar.update(Double(vectors.count) / Double(texts.count), "\(vectors.count)/\(texts.count) texts")
        }
        return vectors
    }

    /// The share of the answers' variance that the fit explains.
    private static func determination(_ answers: [Double], _ fitted: [Double]) -> Double {
        let mean = answers.reduce(0, +) / Double(answers.count)
        let total = answers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let rest = zip(answers, fitted).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return total > 0 ? 1 - rest / total : 0
    }

    private func report(_ fitted: FittedHead, _ count: Int, _ quality: (name: String, value: Double)) throws {
        var output = OutputWriter()
        if json {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("head", head)
            writer.key("labels")
            writer.beginArray()
            for label in fitted.labels { writer.value(label) }
            writer.endArray()
            writer.member("examples", count)
            writer.member("dimensions", fitted.weight.first?.count ?? 0)
            writer.member("iterations", fitted.iterationCount)
            try writer.member("gradient", fitted.gradient)
            try writer.member(quality.name, quality.value)
            writer.endObject()
            try output.writeLine(writer.text)
        } else {
            try output.writeLine(
                "\(head): \(fitted.labels.joined(separator: ", ")); \(count) examples, \(quality.name) on them "
                    + "\(fixed(quality.value, digits: 4)), \(fitted.iterationCount) steps")
        }
        try output.flush()
    }
}
