import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// The options of every `infer evaluate` of a task.
struct EvaluationOptions: ParsableArguments {
    @Option(
        name: .customLong("data"),
        help: ArgumentHelp("Examples with their answers; - is standard input.", valueName: "file"), completion: .file())
    var data: String

    @Option(parsing: .unconditional, help: "Samples drawn for the intervals; 0 leaves them out.")
    var resamples = Resampling.usualRoundCount

    @Option(parsing: .unconditional, help: "Only so many examples, from the start.")
    var limit: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    /// Examples whose answers are computed together.
    private static let batchCount = 512

    func validate() throws {
        try OptionRange.check("--resamples", resamples, in: 0...100_000)
        try OptionRange.check("--limit", limit, in: 1...(1 << 40))
    }

    /// The examples that count.
    func records() throws -> [EvaluationRecord] {
        let records = try EvaluationFile.records(data)
        return limit.map { Array(records.prefix($0)) } ?? records
    }

    /// The answers for all inputs, batch by batch, with progress.
    func answers<Input, Output>(
        _ inputs: [Input], batchCount: Int = Self.batchCount, _ body: ([Input]) throws -> [Output]
    ) throws -> [Output] {
        var bar = ProgressLine("evaluate")
        defer { bar.clear() }
        var outputs: [Output] = []
        while outputs.count < inputs.count {
            let end = min(outputs.count + batchCount, inputs.count)
            outputs += try body(Array(inputs[outputs.count..<end]))
            bar.update(Double(end) / Double(inputs.count), "\(end)/\(inputs.count) examples")
        }
        return outputs
    }
}

/// What an evaluation prints.
struct EvaluationReport {
    var exampleCount: Int
    var measures: [Measure]
    /// Precision, recall and F1 by label, under this name in JSON.
    var labels: (name: String, report: LabelReport)?
    var confusion: ConfusionMatrix?
    /// Further members of the JSON object.
    var counts: [(name: String, value: Int)] = []

    func print(json: Bool) throws {
        var output = OutputWriter()
        if json {
            try output.writeLine(try encoded())
        } else {
            try output.write(table())
        }
        try output.flush()
    }

    private func encoded() throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        for measure in measures {
            writer.key(measure.name)
            try writer.number(measure.value)
        }
        writer.member("examples", exampleCount)
        for count in counts { writer.member(count.name, count.value) }
        writer.key("intervals")
        writer.beginObject()
        for measure in measures {
            guard let interval = measure.interval else { continue }
            writer.key(measure.name)
            writer.beginArray()
            try writer.number(interval.lowerBound)
            try writer.number(interval.upperBound)
            writer.endArray()
        }
        writer.endObject()
        if let labels { try write(labels.report, as: labels.name, to: &writer) }
        if let confusion { write(confusion, to: &writer) }
        writer.endObject()
        return writer.text
    }

    private func write(_ report: LabelReport, as name: String, to writer: inout JSONWriter) throws {
        writer.key(name)
        writer.beginArray()
        for row in report.rows {
            writer.beginObject()
            writer.member("label", row.label)
            try writer.member("precision", row.counts.precision)
            try writer.member("recall", row.counts.recall)
            try writer.member("f1", row.counts.f1)
            writer.member("support", row.counts.support)
            writer.endObject()
        }
        writer.endArray()
    }

    private func write(_ confusion: ConfusionMatrix, to writer: inout JSONWriter) {
        writer.key("confusion_matrix")
        writer.beginObject()
        writer.key("labels")
        writer.beginArray()
        for label in confusion.labels { writer.value(label) }
        writer.endArray()
        writer.key("counts")
        writer.beginArray()
        for row in confusion.counts { writer.value(row) }
        writer.endArray()
        writer.endObject()
    }

    // MARK: Text

    private func table() -> String {
        var rows = measures.map { measure in
            let interval = measure.interval.map {
                "[\(ModelOptions.score($0.lowerBound)), \(ModelOptions.score($0.upperBound))]"
            }
            // Nothing correlates with numbers that are all the same.
            let value = measure.value.isFinite ? ModelOptions.score(measure.value) : "undefined"
            return [measure.name, value, interval ?? ""]
        }
        rows.append(["examples", "\(exampleCount)", ""])
        rows += counts.map { [$0.name, "\($0.value)", ""] }
        var text = EvaluationReport.aligned(rows)
        if let labels {
            let head = ["label", "precision", "recall", "f1", "support"]
            text +=
                "\n"
                + EvaluationReport.aligned(
                    [head]
                        + labels.report.rows.map { row in
                            [row.label]
                                + [row.counts.precision, row.counts.recall, row.counts.f1].map(ModelOptions.score)
                                + ["\(row.counts.support)"]
                        })
        }
        if let confusion {
            text +=
                "\nconfusion (rows: true labels, columns: answers)\n"
                + EvaluationReport.aligned(
                    [[""] + confusion.labels]
                        + zip(confusion.labels, confusion.counts).map { [$0] + $1.map(String.init) })
        }
        return text
    }

    private static func aligned(_ rows: [[String]]) -> String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).enumerated().map { index, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + padding : padding + cell.0
            }
            return cells.joined(separator: "  ").trimmingSuffix(" ") + "\n"
        }.joined()
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        String(reversed().drop { $0 == character }.reversed())
    }
}

extension JSONWriter {
    /// A number, or null for what is not finite.
    mutating func number(_ value: Double) throws {
        if value.isFinite { try self.value(value) } else { null() }
    }
}
