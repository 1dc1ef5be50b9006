import ArgumentParser
import CommandSupport
import Inference
import JSONCore
import ModelIO

/// `infer evaluate classify`: labels against those that people gave.
struct EvaluateClassifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify", abstract: "Measures a classifier.",
        discussion: """
            --data holds JSON objects with text and label (one a line, or an array), or a table with a line of names \
            (.tsv, .csv). Pairs are sentence1 and sentence2, premise and hypothesis, question1 and question2, or text and \
            pair. A label is one of the model's, or its number; an array of labels where any number may be right \
            (an answer then holds those of score 0.5 and more); a number for a regression. A folder as --data holds \
            images, in a folder for each label; without --model the bundled reader of digits is measured, and a CLIP \
            model chooses of the folders' names.
            """)

    @OptionGroup var evaluation: EvaluationOptions
    @Option(help: ArgumentHelp("The field with the text.", valueName: "name")) var textField: String?
    @Option(help: ArgumentHelp("The field with the second text.", valueName: "name")) var pairField: String?
    @Option(help: ArgumentHelp("The field with the label.", valueName: "name")) var labelField: String?

    @Option(
        help: ArgumentHelp("Draw the confusion matrix into this file, as SVG.", valueName: "file"),
        completion: .file(extensions: ["svg"]))
    var confusionSvg: String?

    @Option(
        help: ArgumentHelp(
            "Labels by this linear layer on the vectors of an embedder (safetensors).", valueName: "file"),
        completion: .file(extensions: ["safetensors"]))
    var head: String?

    @Option(help: "How scores are made of logits: softmax, sigmoid or none; left out, as the model says.")
    var function: Classifier.Activation?

    @Option(help: "The text that {} stands in for a label, with a CLIP model.")
    var template = ZeroShotClassifier.template

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false
    @OptionGroup(title: "Model") var model: ModelOptions

    private static let pairs = [
        ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"),
        ("text1", "text2"), ("text", "text_pair"), ("text", "pair"), ("query", "document"),
    ]
    static let textFields = ["text", "sentence", "content", "review", "question", "query", "input"]
    static let labelFields = ["label", "labels", "gold_label", "score", "target", "class"]

    func run() async throws {
        if WholeFile.isFolder(evaluation.data) { return try runImages() }
        let records = try evaluation.records()
        let texts = try records.map(text)
        let labels = try records.map { record in
            let keys = labelField.map { [$0] } ?? Self.labelFields
            guard let key = record.first(of: keys) else { throw record.missing(keys) }
            return (key, record)
        }
        let task = try makeTask()
        let names = LabelNames(task.labels)
        let report: EvaluationReport
        switch task.activation {
        case .none:
            let truths = try labels.map { try $1.number($0) }
            report = regression(truths, try answers(task, texts).map { $0[0].score })
        case .sigmoid where task.labels.count > 1:
            let truths = try labels.map { key, record in try names.flags(of: record, key) }
            let answers = try answers(task, texts).map { scores in
                let chosen = Set(scores.filter { $0.score >= 0.5 }.map(\.label))
                return task.labels.map { chosen.contains($0) }
            }
            report = multiLabel(task.labels, truths, answers)
        case .softmax, .sigmoid:
            report = try singleLabel(task, names, texts, labels)
        }
        try finish(report)
    }

    private func makeTask() throws -> Classifier {
        if let task = try Classifier.make(words: model, head: head, activation: function) { return task }
        return try Classifier.make(
            try model.openPackage(), head: head, on: try model.makeBackend(), activation: function,
            options: model.taskOptions(truncates: truncate))
    }

    /// Draws and prints.
    func finish(_ report: EvaluationReport) throws {
        if let confusionSvg {
            guard let confusion = report.confusion else {
                throw CommandError.unsupported(
                    option: "--confusion-svg", value: confusionSvg,
                    reason: "a confusion matrix is of labels that exclude each other, which this model's do not")
            }
            try AtomicFile.write(to: confusionSvg, chunks: [Array(ConfusionDrawing(matrix: confusion).svg.utf8)])
        }
        try report.print(json: evaluation.json)
    }

    private func text(of record: EvaluationRecord) throws -> TextPair {
        if let textField {
            return TextPair(try record.text(textField), pair: try pairField.map { try record.text($0) })
        }
        if pairField == nil, let (first, second) = Self.pairs.first(where: { record.has($0.0) && record.has($0.1) }) {
            return TextPair(try record.text(first), pair: try record.text(second))
        }
        guard let key = record.first(of: Self.textFields) else { throw record.missing(Self.textFields) }
        return TextPair(try record.text(key), pair: try pairField.map { try record.text($0) })
    }

    private func answers(_ task: Classifier, _ texts: [TextPair]) throws -> [[LabelScore]] {
        try evaluation.answers(texts) { try task.run($0) }
    }

    private func singleLabel(
        _ task: Classifier, _ names: LabelNames, _ texts: [TextPair], _ labels: [(String, EvaluationRecord)]
    ) throws -> EvaluationReport {
        let isBinary = task.labels.count == 1
        let shown = isBinary ? ["0", "1"] : task.labels
        let truths = try labels.map { key, record in
            isBinary ? (try record.number(key) >= 0.5 ? 1 : 0) : try names.index(try record.text(key), record)
        }
        let answers = try answers(task, texts).map { scores in
            isBinary ? (scores[0].score >= 0.5 ? 1 : 0) : names.index(of: scores[0].label)
        }
        return single(labels: shown, zip(truths, answers).map { (truth: $0.0, answer: $0.1) })
    }

    /// Of labels that exclude each other.
    func single(labels: [String], _ pairs: [(truth: Int, answer: Int)]) -> EvaluationReport {
        let matrix = ConfusionMatrix(labels: labels, answers: pairs)
        let measures = Resampling.measures(count: pairs.count, rounds: evaluation.resamples) { sample in
            ConfusionMatrix(labels: labels, answers: sample.lazy.map { pairs[$0] }).measures
        }
        return EvaluationReport(
            exampleCount: pairs.count, measures: measures, labels: ("labels", matrix.report), confusion: matrix)
    }

    private func multiLabel(_ labels: [String], _ truths: [[Bool]], _ answers: [[Bool]]) -> EvaluationReport {
        let measures = Resampling.measures(count: truths.count, rounds: evaluation.resamples) { sample in
            MultiLabel.measures(labels: labels, truths: sample.map { truths[$0] }, answers: sample.map { answers[$0] })
        }
        return EvaluationReport(
            exampleCount: truths.count, measures: measures,
            labels: ("labels", MultiLabel.report(labels: labels, truths: truths, answers: answers)))
    }

    private func regression(_ truths: [Double], _ answers: [Double]) -> EvaluationReport {
        let measures = Resampling.measures(count: truths.count, rounds: evaluation.resamples) { sample in
            let (truths, answers) = (sample.map { truths[$0] }, sample.map { answers[$0] })
            let squares = zip(truths, answers).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return [
                Measure("pearson", Correlation.pearson(truths, answers)),
                Measure("spearman", Correlation.spearman(truths, answers)),
                Measure("mean_squared_error", squares / Double(truths.count)),
            ]
        }
        return EvaluationReport(exampleCount: truths.count, measures: measures)
    }
}

/// A model's labels as data name them: by name, by number, or in other case.
struct LabelNames {
    private let labels: [String]
    private var places: [String: Int] = [:]

    init(_ labels: [String]) {
        self.labels = labels
        // Names win over numbers, and exact names over those in other case.
        for (index, label) in labels.enumerated().reversed() { places[label.lowercased()] = index }
        for index in labels.indices where places["\(index)"] == nil { places["\(index)"] = index }
        for (index, label) in labels.enumerated().reversed() { places[label] = index }
    }

    /// The place of one of the labels.
    func index(of label: String) -> Int { places[label] ?? 0 }

    /// The place of the label that `name` means; `nil` where the model does not know it.
    func find(_ name: String) -> Int? { places[name] ?? places[name.lowercased()] }

    /// Labels as errors show them.
    static func list(_ labels: [String]) -> String {
        labels.prefix(20).joined(separator: ", ") + (labels.count > 20 ? ", …" : "")
    }

    /// - Throws: `InputError` for a label that the model does not know.
    func index(_ name: String, _ record: EvaluationRecord) throws -> Int {
        let name = name.hasSuffix(".0") ? String(name.dropLast(2)) : name
        guard let index = find(name) else {
            throw record.invalid(
                "the model has no label '\(name.prefix(40))'; its labels are \(LabelNames.list(labels))")
        }
        return index
    }

    /// Of an array of labels, or one of as many zeros and ones as there are labels.
    func flags(of record: EvaluationRecord, _ key: String) throws -> [Bool] {
        if let array = record.value(key)?.array, array.count == labels.count, labels.count > 1,
            array.allSatisfy({ ($0.double.map { $0 == 0 || $0 == 1 } ?? ($0.bool != nil)) })
        {
            return array.map { ($0.double ?? ($0.bool == true ? 1 : 0)) == 1 }
        }
        let chosen = Set(try record.texts(key).map { try index($0, record) })
        return labels.indices.map { chosen.contains($0) }
    }
}
