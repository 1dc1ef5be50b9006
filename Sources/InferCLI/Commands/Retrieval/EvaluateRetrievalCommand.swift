#if SQLite
    import ArgumentParser
    import CommandSupport
    import JSONCore
    import ModelIO
    import Retrieval

    /// `infer evaluate retrieval`: rankings against judgements, by TREC's definitions.
    struct EvaluateRetrievalCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retrieval", abstract: "Measures searches of a collection against judgements.",
            discussion: """
                Hit rate, recall, mean reciprocal rank, mean average precision and nDCG at --k as TREC's trec_eval defines \
                them (success, recall, recip_rank, map_cut and ndcg_cut), with 95 % intervals over the queries.
                """)

        @OptionGroup var collection: CollectionArgument

        @Option(
            help: ArgumentHelp("JSON lines with id and text of each query.", valueName: "file"), completion: .file())
        var queries: String

        @Option(
            help: ArgumentHelp("Judgements: query, iteration, document, relevance a line.", valueName: "file"),
            completion: .file())
        var qrels: String

        @Option(name: [.customShort("k"), .long], parsing: .unconditional, help: "Documents of a ranking that count.")
        var k: Int = 10

        @Option(
            name: .customLong("run"), help: ArgumentHelp("Write the rankings as a TREC run file.", valueName: "file"),
            completion: .file())
        var runFile: String?

        @Option(parsing: .unconditional, help: "Documents of each ranking in the run file.")
        var depth: Int = 100

        @OptionGroup var search: SearchArguments

        @Option(help: ArgumentHelp("A model that scores the hits anew.", valueName: "path"), completion: .directory)
        var rerank: String?

        @Flag(help: "Print one JSON object.")
        var json = false

        @OptionGroup(title: "Embedder") var model: ModelOptions

        func validate() throws {
            try model.validate()
            try OptionRange.check("--k", k, in: 1...100_000)
            try OptionRange.check("--depth", depth, in: 1...100_000)
        }

        func run() async throws {
            let queries = try Self.readQueries(queries)
            let judgements = try Judgements(parsing: try InputText.file(qrels), path: qrels)
            guard queries.contains(where: { judgements.relevance[$0.id] != nil }) else {
                throw RetrievalError.invalidLine(
                    path: qrels, line: 1, reason: "judges none of the queries in \(self.queries)")
            }
            let reader = try CollectionReader(path: collection.collection)
            let options = try search.options(count: k, settings: reader.settings)
            let searcher = try SearcherSource.make(reader, mode: options.mode, model: model, reranker: rerank)
            var evaluation = RetrievalEvaluation(searcher)
            var bar = ProgressLine("evaluate")
            defer { bar.clear() }
            let result = try await evaluation.run(queries, judgements, options, k: k, depth: depth) { done, count in
                bar.update(Double(done) / Double(count), "\(done)/\(count) queries")
            }
            bar.clear()
            if let runFile {
                let text = result.rankings.map { $0.runLines(tag: options.mode.rawValue) }.joined()
                try AtomicFile.write(to: runFile, chunks: [Array(text.utf8)])
            }
            var output = OutputWriter()
            try output.writeLine(json ? try Self.json(result) : Self.table(result))
            try output.flush()
        }

        private static var columns: [(name: String, path: KeyPath<RetrievalMetrics, Double>)] {
            [
                ("hit_rate", \.hitRate), ("recall", \.recall), ("mrr", \.reciprocalRank), ("map", \.averagePrecision),
                ("ndcg", \.ndcg),
            ]
        }

        private static func json(_ result: RetrievalEvaluation.Result) throws -> String {
            var writer = JSONWriter()
            writer.beginObject()
            for (name, path) in columns { try writer.member(name, result.mean[keyPath: path]) }
            writer.member("k", result.k)
            writer.member("queries", result.queries.count)
            writer.key("intervals")
            writer.beginObject()
            for (name, path) in columns {
                let interval = Bootstrap.interval(result.queries.map { $0.metrics[keyPath: path] })
                writer.key(name)
                writer.beginArray()
                try writer.value(interval.lowerBound)
                try writer.value(interval.upperBound)
                writer.endArray()
            }
            writer.endObject()
            try writer.member("seconds_per_query", result.seconds.reduce(0, +) / Double(max(result.seconds.count, 1)))
            writer.endObject()
            return writer.text
        }

        private static func table(_ result: RetrievalEvaluation.Result) -> String {
            let lines = columns.map { name, path in
                let values = result.queries.map { $0.metrics[keyPath: path] }
                let interval = Bootstrap.interval(values)
                return "\(name)@\(result.k)\t\(fixed(result.mean[keyPath: path], digits: 4))\t"
                    + "[\(fixed(interval.lowerBound, digits: 4)), \(fixed(interval.upperBound, digits: 4))]"
            }
            let seconds = result.seconds.reduce(0, +) / Double(max(result.seconds.count, 1))
            return (lines + ["\(result.queries.count) queries, \(fixed(seconds * 1000, digits: 3)) ms each"])
                .joined(separator: "\n")
        }

        private static func readQueries(_ path: String) throws -> [RetrievalEvaluation.Query] {
            try JSONLines(try InputText.file(path)).compactMap { number, line in
                guard let document = try JSONLineDocument(Array(line.utf8), path: path, number: number) else {
                    return nil
                }
                return RetrievalEvaluation.Query(id: document.id, text: document.text)
            }
        }
    }
#endif
