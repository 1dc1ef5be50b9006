#if SQLite
    import ArgumentParser
    import CommandSupport
    import Inference
    import Logging
    import Retrieval

    /// What a generator makes of a question before it is searched for; for `search` and `ask`.
    struct TransformArguments: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "What the generator makes of the question first: history, sub-queries, hyde, paraphrases; several with commas.",
                discussion: """
                    history: it is written so that it stands without --history. sub-queries and paraphrases: each is searched \
                    for, and what they find is fused. hyde: vectors are compared with a made-up answer's.
                    """, valueName: "list"))
        var transform: [TransformList] = []

        @Option(
            help: ArgumentHelp("The conversation before the question, JSON with messages.", valueName: "file"),
            completion: .file(extensions: ["json"]))
        var history: String?

        @Option(parsing: .unconditional, help: "Most sub-queries, and most paraphrases.")
        var transformCount = 3

        var transforms: Set<QueryTransform> {
            var all = Set(transform.flatMap(\.transforms))
            // A conversation is named for nothing else.
            if history != nil { all.insert(.history) }
            return all
        }

        func validate() throws {
            try OptionRange.check("--transform-count", transformCount, in: 1...16)
            if history == nil, transforms.contains(.history) {
                throw ValidationError("--transform history needs the conversation; give --history FILE.json")
            }
        }

        /// - Throws: what the generator throws; `JSONError` for the conversation.
        func apply(to question: String, _ generator: any QueryGenerator) async throws -> TransformedQuery {
            let messages = try history.map { try ConversationFile.load($0) } ?? []
            let said = messages.filter { $0.role == "user" || $0.role == "assistant" }
            return try await QueryTransformer(generator, count: transformCount).transform(
                question, by: transforms, history: said.map { ($0.role, $0.content) })
        }

        /// Tells what is searched for in place of the question.
        func log(_ query: TransformedQuery, _ question: String, _ model: ModelOptions) {
            if query.question != question { model.logger.notice("question: \(query.question)") }
            for other in query.others { model.logger.notice("also searched for: \(other)") }
            for passage in query.passages { model.logger.notice("made-up passage: \(passage)") }
        }
    }

    /// `hyde,paraphrases` on the command line.
    struct TransformList: ExpressibleByArgument {
        let transforms: [QueryTransform]

        init?(argument: String) {
            let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let transforms = names.compactMap { QueryTransform(rawValue: $0) }
            guard transforms.count == names.count else { return nil }
            self.transforms = transforms
        }

        static var allValueStrings: [String] { QueryTransform.allCases.map(\.rawValue) }
    }
#endif
