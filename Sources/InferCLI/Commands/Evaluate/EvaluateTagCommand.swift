import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer evaluate tag`: entities against those that people marked.
struct EvaluateTagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Measures a tagger by whole entities, as conlleval and seqeval do.",
        discussion: """
            --data holds words and tags: CoNLL's columns (a word a line, its tag last, an empty line between sentences), \
            or JSON objects with tokens and tags (or ner_tags; names, or numbers of the model's labels). A word has the \
            label of its first token.
            """)

    @OptionGroup var evaluation: EvaluationOptions
    @Option(help: "Read longer texts in windows that repeat so many tokens.") var stride: Int?
    @Flag(help: "Cut texts that are over the model's limit; words that are cut off count as O.") var truncate = false
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws { try OptionRange.check("--stride", stride, in: 0...(1 << 20)) }

    func run() async throws {
        var sentences = try TaggedSentences.read(evaluation.data)
        if let limit = evaluation.limit { sentences = Array(sentences.prefix(limit)) }
        let package = try model.openPackage()
        let task = try TokenTagger(
            package, on: try model.makeBackend(), aggregation: .none, stride: stride,
            options: model.taskOptions(truncates: truncate))
        let names = LabelNames(task.labels)
        let truths = try sentences.map { sentence in
            try sentence.tags.map { tag in
                // Numbers are the model's labels; names are left as they are, for a tag may be one the model lacks.
                Int(tag) == nil ? tag : task.labels[try names.index(tag, sentence.record)]
            }
        }
        let answers = try evaluation.answers(sentences.map(\.words)) { try task.labels(ofWords: $0) }
        let measures = Resampling.measures(count: truths.count, rounds: evaluation.resamples) { sample in
            EntityMetrics.measures(truths: sample.map { truths[$0] }, answers: sample.map { answers[$0] })
        }
        try EvaluationReport(
            exampleCount: truths.count, measures: measures,
            labels: ("entities", EntityMetrics.report(truths: truths, answers: answers)),
            counts: [("words", truths.reduce(0) { $0 + $1.count })]
        ).print(json: evaluation.json)
    }
}

/// A sentence's words with their tags.
struct TaggedSentences {
    var words: [String]
    var tags: [String]
    /// Where it stands, for errors.
    var record: EvaluationRecord

    private static let wordFields = ["tokens", "words"]
    private static let tagFields = ["tags", "ner_tags", "labels", "pos_tags", "chunk_tags"]

    static func read(_ path: String) throws -> [TaggedSentences] {
        let text = try EvaluationFile.read(path)
        let isJSON = text.unicodeScalars.first { !$0.properties.isWhitespace }.map { $0 == "{" || $0 == "[" } ?? false
        // A word of CoNLL's may be a bracket too, but then its line has a tag.
        let firstLine = JSONLines(text).makeIterator().next()?.line ?? ""
        if isJSON, !(firstLine.split { $0 == " " || $0 == "\t" }.count == 2 && firstLine.count < 16) {
            return try EvaluationFile.records(path).map(sentence)
        }
        let sentences = try columns(text, name: path)
        guard !sentences.isEmpty else { throw InputError.unreadable(name: path, reason: "it holds no sentences") }
        return sentences
    }

    private static func sentence(_ record: EvaluationRecord) throws -> TaggedSentences {
        guard let wordKey = record.first(of: wordFields) else { throw record.missing(wordFields) }
        guard let tagKey = record.first(of: tagFields) else { throw record.missing(tagFields) }
        let (words, tags) = (try record.texts(wordKey), try record.texts(tagKey))
        guard words.count == tags.count else {
            throw record.invalid("has \(words.count) words but \(tags.count) tags")
        }
        guard !words.isEmpty else { throw record.invalid("has no words") }
        return TaggedSentences(words: words, tags: tags, record: record)
    }

    private static func columns(_ text: String, name: String) throws -> [TaggedSentences] {
        var sentences: [TaggedSentences] = []
        var (words, tags) = ([String](), [String]())
        func end(at number: Int) {
            guard !words.isEmpty else { return }
            let record = EvaluationRecord(fields: .columns([:]), name: name, number: number)
            sentences.append(TaggedSentences(words: words, tags: tags, record: record))
            (words, tags) = ([], [])
        }
        var last = 0
        for (number, line) in JSONLines(text) {
            last = number
            let isTabbed = line.contains("\t")
            let fields = line.split { isTabbed ? $0 == "\t" || $0 == "\r" : $0.isWhitespace }
            guard let word = fields.first, !word.allSatisfy(\.isWhitespace) else {
                end(at: number)
                continue
            }
            guard word != "-DOCSTART-", !(isTabbed && line.hasPrefix("# ")) else { continue }
            guard fields.count > 1, let tag = fields.last else {
                throw InputError.invalidLine(
                    name: name, line: number, reason: "has no tag; expected a word, and its tag as the last column")
            }
            words.append(String(word))
            tags.append(String(tag))
        }
        end(at: last)
        return sentences
    }
}
