public import ArgumentParser
import CommandSupport
public import Inference
import JSONCore

/// `infer evaluate translate`: target texts against references.
struct EvaluateTranslateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "translate",
        abstract: "Measures translations by BLEU, chrF and chrF++, as sacrebleu defines them.",
        discussion: """
            --data holds JSON objects with source and target (a text, or an array of references), or a table with a line \
            of such names. With --hypotheses FILE, a text a line, those are measured and no model runs; --data may then \
            be a plain file with a reference a line.
            """)

    @OptionGroup var evaluation: EvaluationOptions

    @Option(
        help: ArgumentHelp("Measure these texts, one a line, rather than a model's.", valueName: "file"),
        completion: .file())
    var hypotheses: String?

    @Option(help: "How BLEU finds words: 13a, char or none.") var tokenize: BLEU.Tokenization = .wmt13a

    @Option(help: ArgumentHelp("The field with the text.", valueName: "name")) var sourceField: String?
    @Option(help: ArgumentHelp("The field with its translations.", valueName: "name")) var targetField: String?
    @Option(help: "Texts held at once; 1 takes the best token each time.") var beams: Int?
    @Option(help: "Tokens of the longest text.") var maxTokens: Int?
    @Option(help: ArgumentHelp("The language of the text, as the tokenizer names it.", valueName: "language"))
    var from: String?
    @Option(help: ArgumentHelp("The language to write, as the tokenizer names it.", valueName: "language"))
    var to: String?
    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false
    @OptionGroup(title: "Model") var model: ModelOptions

    private static let sourceFields = ["source", "src", "text", "document", "article", "input"]
    private static let targetFields = ["references", "target", "tgt", "reference", "translation", "summary", "output"]

    func validate() throws {
        try OptionRange.check("--beams", beams, in: 1...256)
        try OptionRange.check("--max-tokens", maxTokens, in: 1...(1 << 16))
    }

    func run() async throws {
        let texts: [String]
        let references: [[String]]
        if let hypotheses {
            texts = lines(try EvaluationFile.read(hypotheses))
            references = try self.references()
        } else {
            let records = try evaluation.records()
            let sources = try records.map { record in
                let keys = sourceField.map { [$0] } ?? Self.sourceFields
                guard let key = record.first(of: keys) else { throw record.missing(keys) }
                return try record.text(key)
            }
            references = try records.map(target)
            texts = try translations(of: sources)
        }
        guard texts.count == references.count, !texts.isEmpty else {
            throw InputError.unreadable(
                name: evaluation.data, reason: "it holds \(references.count) references for \(texts.count) texts")
        }
        try report(texts, references).print(json: evaluation.json)
    }

    private func translations(of sources: [String]) throws -> [String] {
        var search = SearchOptions()
        search.beamCount = beams
        search.maximumNewTokens = maxTokens
        let package = try model.openPackage()
        let task = try Translator(
            package, on: try model.makeBackend(), search: search, from: from, to: to,
            options: model.taskOptions(truncates: truncate))
        return try evaluation.answers(sources) { try task.run($0).map { $0.first?.text ?? "" } }
    }

    private func target(_ record: EvaluationRecord) throws -> [String] {
        let keys = targetField.map { [$0] } ?? Self.targetFields
        guard let key = record.first(of: keys) else { throw record.missing(keys) }
        return try record.texts(key)
    }

    private func references() throws -> [[String]] {
        let text = try EvaluationFile.read(evaluation.data)
        let isRecords =
            evaluation.data.hasSuffix(".tsv") || evaluation.data.hasSuffix(".csv")
            || evaluation.data.hasSuffix(".jsonl") || evaluation.data.hasSuffix(".json")
        let all = isRecords ? try EvaluationFile.records(evaluation.data).map(target) : lines(text).map { [$0] }
        return evaluation.limit.map { Array(all.prefix($0)) } ?? all
    }

    private func lines(_ text: String) -> [String] {
        let all = JSONLines(text).map { $0.line.hasSuffix("\r") ? String($0.line.unicodeScalars.dropLast()) : $0.line }
        return evaluation.limit.map { Array(all.prefix($0)) } ?? all
    }

    private func report(_ texts: [String], _ references: [[String]]) -> EvaluationReport {
        let bleu = BLEU(tokenize)
        let (chrF, chrFWords) = (ChrF(), ChrF(wordOrder: 2))
        let counts = zip(texts, references).map { text, references in
            (
                bleu.counts(text, references: references), chrF.counts(text, references: references),
                chrFWords.counts(text, references: references)
            )
        }
        let measures = Resampling.measures(count: counts.count, rounds: evaluation.resamples) { sample in
            var sum = (BLEU.Counts(), chrF.noCounts, chrFWords.noCounts)
            for index in sample {
                sum.0 += counts[index].0
                sum.1 += counts[index].1
                sum.2 += counts[index].2
            }
            return [
                Measure("bleu", sum.0.score), Measure("chrf", sum.1.score), Measure("chrf++", sum.2.score),
            ]
        }
        return EvaluationReport(exampleCount: counts.count, measures: measures)
    }
}

extension BLEU.Tokenization: ExpressibleByArgument {}
