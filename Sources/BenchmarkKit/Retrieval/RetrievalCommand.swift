#if SQLite
    package import ArgumentParser
    import CommandSupport
    import Foundation
    import Glibc
    import Retrieval
    import TensorCore

    /// `bench retrieval`: searches of a synthetic collection, one query after another, and what its indexes take to build.
    package struct RetrievalCommand: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "retrieval", abstract: "Searches of a synthetic collection: words, vectors, graphs.",
            discussion: """
                Indexes --chunks chunks of words by Zipf's law with a vector each and times queries of two to six words and
                of a vector, the best --top-k of each. --data keeps the texts, the vectors and what was found, for
                Benchmarks/peers/retrieval.py.
                """)

        @Option(help: "Chunks of the collection.")
        var chunks = 20_000

        @Option(help: "Numbers of a vector; 0: words alone.")
        var dimensions = 384

        @Option(help: "Queries that are timed.")
        var queries = 200

        @Option(name: [.customShort("k"), .long], help: "Chunks that a query is after.")
        var topK = 10

        @Option(help: "Vectors that a walk through the graph keeps.")
        var widths = CountList([16, 32, 64, 128])

        @Option(help: "Lists that a query looks at.")
        var probes = CountList([8, 32])

        @Option(help: "Draws the texts and the vectors.")
        var seed: UInt64 = 0

        @Option(
            help: ArgumentHelp(
                "Keep corpus, queries and hits here; a collection of the same size that is there is not built again.",
                valueName: "folder"))
        var data: String?

        @Flag(name: .customLong("int8-vectors"), help: "Keep the vectors as int8 instead of FP16.") var hasInt8Vectors =
            false

        @OptionGroup var results: ResultOptions
        @OptionGroup(title: "Device") var model: ModelOptions

        package init() {}

        package func validate() throws {
            try model.validate()
            try OptionRange.check("--chunks", chunks, in: 1...10_000_000)
            try OptionRange.check("--dimensions", dimensions, in: 0...8192)
            try OptionRange.check("--queries", queries, in: 1...100_000)
            try OptionRange.check("--top-k", topK, in: 1...10_000)
            for width in widths.counts { try OptionRange.check("--widths", width, in: 1...100_000) }
            for probe in probes.counts { try OptionRange.check("--probes", probe, in: 1...100_000) }
        }

        package func run() async throws {
            let folder =
                data
                ?? FileManager.default.temporaryDirectory.appendingPathComponent("infer-bench-\(UUID().uuidString)")
                .path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { if data == nil { try? FileManager.default.removeItem(atPath: folder) } }
            let corpus = SyntheticCorpus(
                SyntheticCorpus.Size(
                    chunkCount: chunks, queryCount: queries, dimensionCount: dimensions, seed: seed))
            let measurement = RetrievalMeasurement(
                corpus, count: topK, folder: folder, keepsData: data != nil,
                vectorFormat: hasInt8Vectors ? .int8 : .float16,
                output: try ResultOutput(results))
            try await measurement.run(widths: widths.counts, probes: probes.counts, makeBackend: model.makeBackend)
        }
    }
#endif
