import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer evaluate answer`: extracted answers against those that people gave.
struct EvaluateAnswerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "answer", abstract: "Measures extracted answers by exact match and F1, as SQuAD's script does.",
        discussion: """
            --data is a file of SQuAD (1.1 or 2.0), or holds JSON objects with question, context and answers (texts, or \
            {"text": […]}). An empty list, or is_impossible, means that the question has none, which --handle-impossible lets the model say.
            """)

    @OptionGroup var evaluation: EvaluationOptions
    @OptionGroup var windows: AnswerWindowOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func run() async throws {
        let examples = try self.examples()
        let package = try model.openPackage()
        let task = try QuestionAnswerer(
            package, on: try model.makeBackend(), search: windows.search, options: model.taskOptions())
        let answers = try evaluation.answers(examples.map(\.question)) { try task.run($0) }
        let scores = zip(examples, answers).map { example, answers in
            AnswerMetrics.score(answers.first?.text ?? "", wanted: example.answers)
        }
        var report = EvaluationReport(
            exampleCount: scores.count,
            measures: Resampling.measures(count: scores.count, rounds: evaluation.resamples) { sample in
                AnswerMetrics.measures(sample.map { scores[$0] })
            })
        let answerable = examples.indices.filter { !examples[$0].answers.isEmpty }
        if answerable.count < examples.count {
            let others = examples.indices.filter { examples[$0].answers.isEmpty }
            for (name, places) in [("has_answer", answerable), ("no_answer", others)] where !places.isEmpty {
                report.measures += AnswerMetrics.measures(places.map { scores[$0] }).map {
                    Measure("\(name)_\($0.name)", $0.value)
                }
                report.counts.append((name, places.count))
            }
        }
        try report.print(json: evaluation.json)
    }

    private struct Example {
        var question: Question
        /// None where the question has no answer.
        var answers: [String]
    }

    private func examples() throws -> [Example] {
        let records = try EvaluationFile.records(evaluation.data)
        var examples: [Example] = []
        for record in records {
            if let limit = evaluation.limit, examples.count >= limit { break }
            if let paragraphs = record.value("paragraphs")?.array {
                for paragraph in paragraphs { examples += try self.examples(of: paragraph, record) }
            } else {
                examples.append(
                    Example(
                        question: Question(try record.text("question"), context: try record.text("context")),
                        answers: try answers(of: record)))
            }
        }
        guard !examples.isEmpty else {
            throw InputError.unreadable(name: evaluation.data, reason: "it holds no questions")
        }
        return evaluation.limit.map { Array(examples.prefix($0)) } ?? examples
    }

    /// The questions of a paragraph of SQuAD.
    private func examples(of paragraph: JSONValue, _ record: EvaluationRecord) throws -> [Example] {
        let context = try paragraph.requireString("context")
        return try paragraph.requireArray("qas").map { question in
            let answers = try question.optionalArray("answers").map { try $0.map { try $0.requireString("text") } }
            let isImpossible = try question.optionalBool("is_impossible") ?? false
            guard answers != nil || isImpossible else { throw record.invalid("a question has no 'answers'") }
            return Example(
                question: Question(try question.requireString("question"), context: context),
                answers: isImpossible ? [] : answers ?? [])
        }
    }

    private func answers(of record: EvaluationRecord) throws -> [String] {
        guard let key = record.first(of: ["answers", "answer"]) else {
            // Where nobody says that there is none, an answer is missing.
            guard record.value("is_impossible")?.bool == true else { throw record.missing(["answers", "answer"]) }
            return []
        }
        if let texts = record.value(key)?["text"] {
            return try texts.array.map { try $0.map { try $0.requireString() } } ?? [try texts.requireString()]
        }
        if let objects = record.value(key)?.array, objects.contains(where: { $0.kind == .object }) {
            return try objects.map { try $0.requireString("text") }
        }
        return try record.texts(key)
    }
}
