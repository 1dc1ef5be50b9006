#if SQLite
    public import ArgumentParser
    import CommandSupport
    public import Retrieval

    /// `--collection`, for every command that works on one.
    struct CollectionArgument: ParsableArguments {
        static let defaultPath = "infer.db"

        @Option(
            name: [.customShort("c"), .long],
            help: ArgumentHelp("The collection's file.", valueName: "file.db"), completion: .file())
        var collection: String = CollectionArgument.defaultPath
    }

    extension Analyzer.Segmentation: ExpressibleByArgument {}
    extension VectorFormat: ExpressibleByArgument {}
    extension ApproximateKind: ExpressibleByArgument {}
    extension SearchMode: ExpressibleByArgument {}
    extension VectorSearch: ExpressibleByArgument {
        public init?(argument: String) { self.init(argument) }
    }

    extension Chunker.Strategy: ExpressibleByArgument {}

    /// How a collection is searched; for `search`, `ask` and `evaluate retrieval`.
    struct SearchArguments: ParsableArguments {
        @Option(
            help:
                "lexical, dense, sparse, multi-vector, graph, hybrid (all there are) or auto (by the query); left out, hybrid."
        )
        var mode: SearchMode?

        @Option(
            help: ArgumentHelp(
                "Only documents of which this holds, as 'time > 2025-01-01 and path ~ \"guide\"'.",
                discussion: """
                    Fields: path, id, time, headings, and those of JSON lines. Operators: = != < <= > >= ~ !~ (contains, \
                    whatever the case), and, or, not, parentheses.
                    """, valueName: "condition"))
        var `where`: String?

        @Option(parsing: .unconditional, help: "BM25's saturation of repeated terms.")
        var k1: Double = 1.2

        @Option(parsing: .unconditional, help: "BM25's correction for the length of a text, 0 to 1.")
        var b: Double = 0.75

        @Option(help: "How terms are weighed: bm25 or tfidf.")
        var scoring: ScoringArgument = .bm25

        @Option(
            help: ArgumentHelp(
                "How vectors are compared: exact, ivf:PROBES or hnsw:WIDTH, where the collection has such an index.",
                valueName: "way"))
        var vectors: VectorSearch = .exact

        @Option(
            help: ArgumentHelp(
                "How arms are fused: rrf (reciprocal rank), distribution (of their scores), or a file of --fit-fusion.",
                valueName: "way"))
        var fusion: FusionArgument = .rrf

        @Option(parsing: .unconditional, help: "The constant of reciprocal rank fusion.")
        var rrfK: Double = 60

        @Option(parsing: .unconditional, help: "The weight of the lexical arm beside the dense one's 1.")
        var lexicalWeight: Double = 1

        @Option(
            parsing: .unconditional, help: "Relations that the graph arm follows from an entity of the query, 1 or 2.")
        var hops: Int = 2

        @Option(parsing: .unconditional, help: "Hits of each arm that are fused or reranked.")
        var candidates: Int = 100

        func validate() throws {
            try OptionRange.check("--k1", k1, in: 0...1000)
            try OptionRange.check("--b", b, in: 0...1)
            try OptionRange.check("--rrf-k", rrfK, in: 0...1_000_000)
            try OptionRange.check("--lexical-weight", lexicalWeight, in: 0...1000)
            try OptionRange.check("--hops", hops, in: 1...2)
            try OptionRange.check("--candidates", candidates, in: 1...100_000)
        }

        /// - Throws: `RetrievalError` for the filter.
        func options(
            count: Int, settings: CollectionSettings, hasGraph: Bool = false
        ) throws -> SearchOptions {
            SearchOptions(
                mode: mode ?? (settings.embedder == nil && !hasGraph ? .lexical : .hybrid), count: count,
                scoring: scoring == .bm25 ? .bm25(k1: k1, b: b) : .tfIDF,
                fusion: try fusion.fusion(rrfK: rrfK), lexicalWeight: lexicalWeight,
                filter: try self.where.map { try DocumentFilter($0) }, candidateCount: candidates,
                vectorSearch: vectors,
                graphHops: hops)
        }
    }

    /// What `search`, `ask` and `evaluate retrieval` have in common: a collection, how it is searched, and a reranker.
    struct RetrievalArguments: ParsableArguments {
        @OptionGroup var collection: CollectionArgument
        @OptionGroup var search: SearchArguments

        @Option(help: ArgumentHelp("A model that scores the hits anew.", valueName: "path"), completion: .directory)
        var rerank: String?

        func openReader() throws -> CollectionReader { try CollectionReader(path: collection.collection) }

        /// - Parameters:
        ///   - embedder: where the embedder lies now; `nil`: where it lay when the collection was made.
        ///   - model: the device and the number formats.
        func openModels(
            _ reader: CollectionReader, modes: [SearchMode], embedder: String?, model: ModelOptions
        ) throws -> SearchModels {
            try SearchModels(reader, modes: modes, embedder: embedder, model: model, reranker: rerank)
        }
    }

    enum ScoringArgument: String, ExpressibleByArgument, CaseIterable {
        case bm25, tfidf
    }

    enum FusionArgument: ExpressibleByArgument {
        case rrf, distribution
        case learned(path: String)

        init?(argument: String) {
            switch argument {
            case "rrf": self = .rrf
            case "distribution": self = .distribution
            // Files have an ending or lie somewhere; other words are mistyped names.
            case let path where path.contains(".") || path.contains("/"): self = .learned(path: path)
            default: return nil
            }
        }

        var defaultValueDescription: String { "rrf" }

        /// - Throws: `RetrievalError` for a file that holds no weights.
        func fusion(rrfK: Double) throws -> Fusion {
            switch self {
            case .rrf: .reciprocalRank(k: rrfK)
            case .distribution: .distribution
            case .learned(let path): .learned(try FusionWeights(parsing: InputText.file(path), path: path))
            }
        }
    }
#endif
