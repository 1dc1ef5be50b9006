#if SQLite
    import ArgumentParser
    import CommandSupport
    import Inference
    import JSONCore
    import Retrieval

    /// `infer evaluate groundedness`: how much of some answers their sources support.
    struct EvaluateGroundednessCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "groundedness",
            abstract: "Measures which sentences of answers are supported by their sources.",
            discussion: """
                --data holds JSON objects with answer and sources (texts, or objects with text), as `infer ask --json \
                --show-sources` prints them; without sources, citations. --model is one of natural language inference, or a \
                cross-encoder.
                """)

        @OptionGroup var evaluation: EvaluationOptions
        @Option(parsing: .unconditional, help: "The least support that counts, 0 to 1.") var threshold = 0.5
        @OptionGroup(title: "Model") var model: ModelOptions

        func validate() throws {
            try model.validate()
            try OptionRange.check("--threshold", threshold, in: 0...1)
            guard model.model != nil else {
                throw ValidationError("name a model of natural language inference or a cross-encoder with --model")
            }
        }

        func run() async throws {
            let records = try evaluation.records()
            let answers = try records.map { (try $0.text("answer"), try Self.sources(of: $0)) }
            let support = try SupportModelSource.load(model, path: model.model ?? "")
            var results: [Groundedness] = []
            var bar = ProgressLine("evaluate")
            defer { bar.clear() }
            for (answer, sources) in answers {
                results.append(try await Groundedness(of: answer, sources: sources, by: support, threshold: threshold))
                bar.update(Double(results.count) / Double(answers.count), "\(results.count)/\(answers.count) answers")
            }
            let measures = Resampling.measures(count: results.count, rounds: evaluation.resamples) { sample in
                let sentences = sample.flatMap { results[$0].sentences }
                let supported = sentences.filter(\.isSupported).count
                let whole = sample.filter { index in
                    !results[index].sentences.isEmpty && results[index].sentences.allSatisfy(\.isSupported)
                }.count
                return [
                    Measure("groundedness", Double(supported) / Double(max(sentences.count, 1))),
                    Measure("fully_grounded", Double(whole) / Double(max(sample.count, 1))),
                ]
            }
            bar.clear()
            var report = EvaluationReport(exampleCount: results.count, measures: measures)
            report.counts = [("sentences", results.reduce(0) { $0 + $1.sentences.count })]
            try report.print(json: evaluation.json)
        }

        private static func sources(of record: EvaluationRecord) throws -> [AnswerSource] {
            let keys = ["sources", "citations", "contexts", "context"]
            guard let key = record.first(of: keys) else { throw record.missing(keys) }
            let texts: [String]
            if let elements = record.value(key)?.array {
                texts = try elements.map { element in
                    guard let text = element.string ?? element["text"]?.string else {
                        throw record.invalid("'\(key)' holds \(element.kind.name), expected texts or objects with text")
                    }
                    return text
                }
            } else {
                texts = [try record.text(key)]
            }
            return texts.enumerated().map { place, text in
                AnswerSource(number: place + 1, key: "\(place + 1)", path: "", byteRange: 0..<0, text: text)
            }
        }
    }
#endif
