import ArgumentParser
import CommandSupport
import Inference

/// `infer evaluate embed`: nearness of sentence pairs against what people say of it.
struct EvaluateEmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Measures embeddings by sentence pairs (STS): Spearman's and Pearson's correlation.",
        discussion: """
            --data holds JSON objects with sentence1, sentence2 and score, or a table with a line of such names (.tsv, \
            .csv).
            """)

    @OptionGroup var evaluation: EvaluationOptions
    @Option(help: "How tokens become one vector: mean, cls, max or last; left out, as the model's files say.")
    var pooling: Pooling?
    @Option(help: "Keep so many elements of each vector.") var dimensions: Int?
    @Option(help: "Put this before each text.") var prompt: String?
    @Option(help: "Put the model's prompt of this name before each text.") var promptName: String?
    @OptionGroup(title: "Model") var model: ModelOptions

    private static let pairs = [
        ("sentence1", "sentence2"), ("text1", "text2"), ("sentence_a", "sentence_b"), ("sentence_A", "sentence_B"),
        ("text", "pair"), ("text", "text_pair"), ("question1", "question2"),
    ]
    private static let scoreFields = ["score", "similarity_score", "label", "relatedness_score", "similarity"]

    func validate() throws {
        try OptionRange.check("--dimensions", dimensions, in: 1...(1 << 24))
        if prompt != nil, promptName != nil { throw ValidationError("give --prompt or --prompt-name, not both") }
    }

    func run() async throws {
        let examples = try evaluation.records().map { record in
            guard let (first, second) = Self.pairs.first(where: { record.has($0.0) && record.has($0.1) }) else {
                throw record.missing(["sentence1", "sentence2"])
            }
            guard let score = record.first(of: Self.scoreFields) else { throw record.missing(Self.scoreFields) }
            return (try record.text(first), try record.text(second), try record.number(score))
        }
        var choices = Embedder.Options()
        choices.pooling = pooling
        choices.dimensions = dimensions
        choices.prompt = prompt
        choices.promptName = promptName
        let package = try model.openPackage()
        let task = try Embedder(package, on: try model.makeBackend(), choices: choices, options: model.taskOptions())
        let vectors = try evaluation.answers(examples.flatMap { [$0.0, $0.1] }) { try task.run($0).map(\.dense) }
        let scores = examples.map(\.2)
        let nearness = VectorSimilarity.allCases.map { similarity in
            examples.indices.map { similarity(vectors[2 * $0], vectors[2 * $0 + 1]) }
        }
        let measures = Resampling.measures(count: scores.count, rounds: evaluation.resamples) { sample in
            let wanted = sample.map { scores[$0] }
            let found = nearness.map { values in sample.map { values[$0] } }
            return [Measure("spearman", Correlation.spearman(found[0], wanted))]
                + [Measure("pearson", Correlation.pearson(found[0], wanted))]
                + zip(VectorSimilarity.allCases, found).flatMap { similarity, values in
                    [
                        Measure("\(similarity.rawValue)_spearman", Correlation.spearman(values, wanted)),
                        Measure("\(similarity.rawValue)_pearson", Correlation.pearson(values, wanted)),
                    ]
                }
        }
        try EvaluationReport(exampleCount: scores.count, measures: measures).print(json: evaluation.json)
    }
}
