#if SQLite
    import ArgumentParser
    import CommandSupport
    import Foundation
    import Inference
    import JSONCore
    import Retrieval

    /// `infer index`: documents into a collection.
    struct IndexCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "index", abstract: "Indexes documents, so that they can be searched and answered from.",
            discussion: """
                Takes text, Markdown, HTML, LaTeX, source code, JSON lines and, with pdftotext, PDF. Run again, it reads only \
                what has changed, and removes what is gone from the folders it is given.
                """)

        @Argument(help: "Files and folders.", completion: .file())
        var paths: [String] = []

        @Option(
            help: ArgumentHelp("A file with a document a line: id, text, and any fields.", valueName: "file"),
            completion: .file())
        var jsonl: [String] = []

        @OptionGroup var collection: CollectionArgument

        @Flag(help: "Index words only, without an embedding model.")
        var lexicalOnly = false

        @Flag(help: "Index the embedder's weights of terms too, for --mode sparse (BGE-M3).")
        var sparse = false

        @Flag(help: "Index a vector for each token too, for --mode multi-vector (BGE-M3).")
        var multiVector = false

        @Option(help: "How texts become terms: simple, unicode or cjk.")
        var analyzer: Analyzer.Segmentation = .unicode

        @Option(help: "Bring words to their stems by Snowball's rules for a language, such as english or german.")
        var stemmer: String?

        @Option(
            help: "Where documents are cut: fixed, sentence, structure or semantic (where sentences' embeddings part).")
        var chunking: Chunker.Strategy = .structure

        @Option(
            parsing: .unconditional,
            help:
                "Most tokens of a chunk; JSON lines are cut only where this is given. Left out, what suits the embedder."
        )
        var chunkTokens: Int?

        @Option(
            parsing: .unconditional, help: "Tokens that a chunk repeats of the one before; left out, a sixth of it.")
        var overlapTokens: Int?

        @Option(help: "How vectors are kept: f16, or int8 in half the space.")
        var vectorFormat: VectorFormat = .float16

        @Option(help: "Build an approximate index over the vectors: ivf or hnsw. Kept up to date by later runs.")
        var approximate: [ApproximateKind] = []

        @Option(
            help: ArgumentHelp(
                "A knowledge graph: subject, relation, object and, optionally, document a line.", valueName: "file"),
            completion: .file())
        var triples: [String] = []

        @Option(
            help: ArgumentHelp(
                "A generator that takes the triples out of the documents; bundled: the one in this program.",
                valueName: "path"),
            completion: .directory)
        var extractTriples: String?

        @Flag(help: "Go on watching the files, and index what changes.")
        var watch = false

        @Flag(help: "Print one JSON object at the end.")
        var json = false

        @OptionGroup(title: "Embedder") var model: ModelOptions

        func validate() throws {
            try model.validate()
            guard !isGraphOnly else { return }
            guard !paths.isEmpty || !jsonl.isEmpty else {
                throw ValidationError("nothing to index; give files, folders or --jsonl FILE")
            }
            try OptionRange.check("--chunk-tokens", chunkTokens, in: 8...(1 << 20))
            try OptionRange.check("--overlap-tokens", overlapTokens, in: 0...(1 << 19))
            if lexicalOnly, !approximate.isEmpty {
                throw ValidationError("--approximate and --lexical-only exclude each other")
            }
            if lexicalOnly, vectorFormat != .float16 {
                throw ValidationError("--vector-format and --lexical-only exclude each other")
            }
            if lexicalOnly, multiVector {
                throw ValidationError("--multi-vector and --lexical-only exclude each other")
            }
            if lexicalOnly, chunking == .semantic {
                throw ValidationError("--chunking semantic compares embeddings; give --model instead of --lexical-only")
            }
            if lexicalOnly, sparse { throw ValidationError("--sparse and --lexical-only exclude each other") }
            if !lexicalOnly, model.model == nil {
                throw ValidationError("name an embedder with --model, or index words only with --lexical-only")
            }
        }

        /// Documents are there already, and only the graph over them is brought up to date.
        private var isGraphOnly: Bool {
            paths.isEmpty && jsonl.isEmpty && (!triples.isEmpty || extractTriples != nil) && !watch
        }

        func run() async throws {
            if isGraphOnly {
                return try await printGraph(updateGraph(DocumentCollection(path: collection.collection)))
            }
            let analyzer = try makeAnalyzer()
            let embedder = try makeEmbedder()
            if embedder != nil, embedder?.dimensionCount == nil {
                guard approximate.isEmpty, vectorFormat == .float16, chunking != .semantic else {
                    throw CommandError.unsupported(
                        option: "--model", value: model.model ?? "",
                        reason: "--approximate, --vector-format and --chunking semantic need a model that gives a text "
                            + "one vector")
                }
            }
            let collection = try DocumentCollection(
                path: collection.collection,
                settings: CollectionSettings(
                    analyzer: analyzer, embedder: embedder.map { Self.lasting($0.name) },
                    embedderFingerprint: embedder?.fingerprint, dimensionCount: embedder?.dimensionCount,
                    vectorFormat: vectorFormat, hasTermWeights: embedder?.givesTermWeights ?? false,
                    tokenVectorSize: embedder?.tokenVectorSize))
            let report = try await index(collection, embedder)
            let graph = try await updateGraph(collection)
            try print(report)
            try printGraph(graph)
            guard watch else { return }
            let interrupt = InterruptSignal()
            StandardErrorLog.line("infer: watching; Ctrl-C ends")
            while !interrupt.isReceived {
                try await Task.sleep(for: .seconds(1))
                let report = try await index(collection, embedder)
                guard report.added + report.changed + report.removed > 0 else { continue }
                try print(report)
                try printGraph(try await updateGraph(collection))
            }
        }

        /// - Returns: `nil` where no graph is asked for.
        private func updateGraph(_ collection: DocumentCollection) async throws -> DocumentCollection.GraphSize? {
            guard !triples.isEmpty || extractTriples != nil else { return nil }
            let bar = SharedProgress("graph")
            defer { bar.clear() }
            let indexer = TripleIndexer(collection)
            for file in triples {
                for reason in try await indexer.add(file: file).skipped {
                    bar.clear()
                    StandardErrorLog.line("infer: left out: \(reason)")
                }
            }
            if let extractTriples {
                let extractor = try await TripleExtractorSource.load(model, path: extractTriples)
                _ = try await indexer.extract(by: extractor) { bar.update("\($0) chunks read") }
            }
            return try collection.graphSize()
        }

        private func printGraph(_ size: DocumentCollection.GraphSize?) throws {
            guard let size, !json else { return }
            var output = OutputWriter()
            try output.writeLine(
                "\(collection.collection): graph of \(size.entityCount) entities and \(size.relationCount) relations")
            try output.flush()
        }

        private func index(
            _ collection: DocumentCollection, _ embedder: (any TextEmbedder)?
        ) async throws -> Indexer.Report {
            let bar = SharedProgress("index")
            defer { bar.clear() }
            var indexer = Indexer(
                collection, chunker: try makeChunker(embedder), cutsJSONLines: chunkTokens != nil, embedder: embedder,
                onProgress: { progress in bar.update("\(progress.documentCount) documents, \(progress.current)") },
                onSkip: { reason in
                    bar.clear()
                    StandardErrorLog.line("infer: left out: \(reason)")
                })
            let report = try await indexer.index(paths: paths, jsonLines: jsonl)
            for kind in Set(approximate + (try collection.approximateKinds())).sorted(by: { $0.rawValue < $1.rawValue })
            {
                bar.update("building the \(kind.rawValue) index")
                try collection.buildApproximateIndex(kind, on: model.makeBackend)
            }
            return report
        }

        /// Without an embedder tokens are counted in terms, of which about 300 are as much as 400 tokens of an embedder.
        private func makeChunker(_ embedder: (any TextEmbedder)?) throws -> Chunker {
            let limit = embedder.map { max(min($0.maximumTokenCount - 12, 500), 8) } ?? 300
            let tokenCount = chunkTokens ?? limit
            let analyzer = Analyzer(analyzer)
            return try Chunker(
                strategy: chunking, tokenCount: tokenCount, overlapTokenCount: overlapTokens ?? tokenCount / 6
            ) { text in
                if let embedder { return try embedder.tokenCount(of: text) }
                var count = 0
                analyzer.forEachTerm(in: text) { _ in count += 1 }
                return count
            }
        }

        /// A path that leads to the same file from every folder; the name of a model stays.
        private static func lasting(_ name: String) -> String {
            FileManager.default.fileExists(atPath: name) ? URL(fileURLWithPath: name).path : name
        }

        private func makeAnalyzer() throws -> Analyzer {
            Analyzer(analyzer, stemmer: try stemmer.map { try Stemmer(language: $0) })
        }

        private func makeEmbedder() throws -> (any TextEmbedder)? {
            guard !lexicalOnly else { return nil }
            return try EmbedderSource.load(
                model, adding: Set((sparse ? [.sparse] : []) + (multiVector ? [.colbert] : [])))
        }

        private func print(_ report: Indexer.Report) throws {
            var output = OutputWriter()
            if json {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("added", report.added)
                writer.member("changed", report.changed)
                writer.member("unchanged", report.unchanged)
                writer.member("removed", report.removed)
                writer.member("skipped", report.skipped.count)
                writer.member("chunks", report.chunkCount)
                writer.endObject()
                try output.writeLine(writer.text)
            } else {
                try output.writeLine(
                    "\(collection.collection): \(report.chunkCount) chunks; documents added \(report.added), changed "
                        + "\(report.changed), unchanged \(report.unchanged), removed \(report.removed), left out "
                        + "\(report.skipped.count)")
            }
            try output.flush()
        }
    }
#endif
