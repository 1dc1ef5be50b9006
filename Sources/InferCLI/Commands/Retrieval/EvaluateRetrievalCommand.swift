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
                them (success, recall, recip_rank, map_cut and ndcg_cut), with 95 % intervals over the queries. --compare \
                tests the difference to another run, query by query. --sweep measures every combination of values, as \
                --sweep mode=lexical,dense,hybrid --sweep chunk-tokens=128,256.
                """)

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

        @Option(
            help: ArgumentHelp("A TREC run file to compare with; several may be given.", valueName: "file"),
            completion: .file())
        var compare: [String] = []

        @Option(
            help: ArgumentHelp(
                "Measure several values of mode, k, k1, b, lexical-weight, fusion, vectors or chunk-tokens.",
                valueName: "name=value,…"))
        var sweep: [String] = []

        @Option(
            help: ArgumentHelp(
                "Learn how much each arm counts from these queries, write it for --fusion FILE, and search with it.",
                valueName: "file"), completion: .file())
        var fitFusion: String?

        @Option(
            help: ArgumentHelp("Draw quality against time, of --sweep or of the one search.", valueName: "file"),
            completion: .file())
        var svg: String?

        @OptionGroup var retrieval: RetrievalArguments

        @Flag(help: "Print one JSON object.")
        var json = false

        @OptionGroup(title: "Embedder") var model: ModelOptions

        func validate() throws {
            try model.validate()
            try OptionRange.check("--k", k, in: 1...100_000)
            try OptionRange.check("--depth", depth, in: 1...100_000)
            _ = try axes()
        }

        /// - Throws: `ValidationError` for what is no parameter or no value of it.
        private func axes() throws -> [SweepAxis] {
            let axes: [SweepAxis]
            do {
                axes = try sweep.map { try SweepAxis($0) }
            } catch {
                throw ValidationError("\(error)")
            }
            guard Set(axes.map(\.parameter)).count == axes.count else {
                throw ValidationError("--sweep names a parameter twice; give its values together")
            }
            let reranks = axes.contains { $0.parameter == .mode && $0.values.contains { $0.hasSuffix("+rerank") } }
            guard !reranks || retrieval.rerank != nil else {
                throw ValidationError("--sweep mode=…+rerank needs --rerank MODEL")
            }
            return axes
        }

        func run() async throws {
            let queries = try Self.readQueries(queries)
            let judgements = try Judgements(parsing: try InputText.file(qrels), path: qrels)
            guard queries.contains(where: { judgements.relevance[$0.id] != nil }) else {
                throw RetrievalError.invalidLine(
                    path: qrels, line: 1, reason: "judges none of the queries in \(self.queries)")
            }
            let runs = try compare.map { path in (path, try RunFile.parse(InputText.file(path), path: path)) }
            let reader = try retrieval.openReader()
            var base = SweepPoint(
                options: try retrieval.search.options(count: k, settings: reader.settings, hasGraph: reader.hasGraph),
                k: k)
            let modes = try SweepPoint.all(axes(), from: base).map(\.options.mode) + [base.options.mode]
            let models = try retrieval.openModels(reader, modes: modes, embedder: model.model, model: model)
            let runner = RetrievalEvaluationRunner(
                queries: queries, judgements: judgements, models: models, depth: depth)
            var learned: FusionWeights?
            if let fitFusion {
                let weights = try await runner.fitFusion(base, reader)
                try AtomicFile.write(to: fitFusion, chunks: [Array((try weights.json + "\n").utf8)])
                base.options.fusion = .learned(weights)
                learned = weights
            }
            let points = try SweepPoint.all(axes(), from: base)
            let result = try await runner.run(base, reader)
            if let runFile {
                let text = result.rankings.map { $0.runLines(tag: base.options.mode.rawValue) }.joined()
                try AtomicFile.write(to: runFile, chunks: [Array(text.utf8)])
            }
            let comparisons = runs.map { path, run in (path, RunComparison(result, run, judgements)) }
            let swept = sweep.isEmpty ? [] : try await runner.run(points, reader)
            if let svg {
                let shown = swept.isEmpty ? [SweepResult(point: base, evaluation: result)] : swept
                let picture = SweepPicture(shown).svg(title: "\(reader.path): \(result.queries.count) queries")
                try AtomicFile.write(to: svg, chunks: [Array(picture.utf8)])
            }
            let report = RetrievalReport(
                result: result, learned: learned, comparisons: comparisons, swept: swept)
            var output = OutputWriter()
            try output.writeLine(json ? try report.json() : report.table())
            try output.flush()
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
