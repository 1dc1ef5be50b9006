#if SQLite
    import CommandSupport
    import Foundation
    import Glibc
    import JSONCore
    import Retrieval
    import TensorCore

    /// Builds a collection and times its searches.
    final class RetrievalMeasurement {
        private static let batchCount = 8192

        private let corpus: SyntheticCorpus
        private let count: Int
        private let folder: String
        private let keepsData: Bool
        private let vectorFormat: VectorFormat
        private var output: ResultOutput
        private let collection: String

        init(
            _ corpus: SyntheticCorpus, count: Int, folder: String, keepsData: Bool, vectorFormat: VectorFormat,
            output: consuming ResultOutput
        ) {
            self.corpus = corpus
            self.count = count
            self.folder = folder
            self.keepsData = keepsData
            self.vectorFormat = vectorFormat
            self.output = output
            let size = corpus.size
            let name = "collection-\(size.chunkCount)-\(size.dimensionCount)-\(vectorFormat.rawValue)-\(size.seed).db"
            collection = "\(folder)/\(name)"
        }

        func run(
            widths: [Int], probes: [Int], makeBackend: () throws -> any Backend
        ) async throws {
            try output.begin("retrieval")
            let isThere = (try? CollectionReader(path: collection).chunkCount) == corpus.size.chunkCount
            if !isThere {
                for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: collection + suffix) }
            }
            let settings = CollectionSettings(
                analyzer: .simple, embedder: hasVectors ? "synthetic" : nil,
                embedderFingerprint: hasVectors ? "synthetic" : nil,
                dimensionCount: hasVectors ? corpus.size.dimensionCount : nil, vectorFormat: vectorFormat)
            let store = try DocumentCollection(path: collection, settings: settings)
            if !isThere {
                let seconds = try elapsed { try fill(store) }
                try write(arm: "index", way: "words" + (hasVectors ? " and vectors" : ""), built: seconds)
            }
            try writeQueries()
            let words = try await time(.lexical, .exact, try Searcher(CollectionReader(path: collection)))
            try write(arm: "lexical", way: "BM25", words)
            guard hasVectors else { return try output.end() }
            let exact = try await time(.dense, .exact, try vectorSearcher(makeBackend))
            try write(arm: "dense", way: "exact", exact)
            let ways: [(ApproximateKind, [VectorSearch])] = [
                (.ivf, probes.map { .ivf(probeCount: $0) }), (.hnsw, widths.map { .hnsw(width: $0) }),
            ]
            for (kind, searches) in ways where !searches.isEmpty {
                var isNew = false
                let seconds = try elapsed { isNew = try store.buildApproximateIndex(kind, on: makeBackend) }
                if isNew { try write(arm: "index", way: kind.rawValue, built: seconds) }
                let searcher = try vectorSearcher(makeBackend)
                for search in searches {
                    let found = try await time(.dense, search, searcher)
                    try write(arm: "dense", way: "\(search)", found, exact: exact)
                }
            }
            try output.end()
        }

        private var hasVectors: Bool { corpus.size.dimensionCount > 0 }

        private func vectorSearcher(_ makeBackend: () throws -> any Backend) throws -> Searcher {
            try Searcher(
                CollectionReader(path: collection),
                embedder: SyntheticEmbedder(
                    vectors: corpus.queryVectors, size: corpus.size.dimensionCount), on: makeBackend())
        }

        private func elapsed(_ body: () throws -> Void) rethrows -> Double {
            let start = ContinuousClock.now
            try body()
            return (ContinuousClock.now - start) / .seconds(1)
        }

        /// Writes the chunks to the collection, and to files where they are to be kept.
        private func fill(_ store: DocumentCollection) throws {
            let texts = try file("corpus.jsonl")
            let vectors = try file("vectors.f32")
            for start in stride(from: 0, to: corpus.size.chunkCount, by: RetrievalMeasurement.batchCount) {
                let numbers = start..<min(start + RetrievalMeasurement.batchCount, corpus.size.chunkCount)
                var documents: [IndexedDocument] = []
                for number in numbers {
                    let (text, vector) = corpus.chunk(number)
                    try texts?.write(contentsOf: Data((#"{"id":"\#(number)","text":"\#(text)"}"# + "\n").utf8))
                    try vectors?.write(contentsOf: vector.withUnsafeBytes { Data($0) })
                    documents.append(
                        IndexedDocument(
                            key: "\(number)", path: "synthetic", source: "synthetic",
                            state: DocumentState(contentHash: UInt64(number), byteCount: text.utf8.count),
                            chunks: [Chunk(byteRange: 0..<text.utf8.count, text: text)],
                            vectors: hasVectors ? [vector] : []))
                }
                try store.write(documents)
            }
        }

        private func writeQueries() throws {
            let queries = corpus.queries.enumerated().map { #"{"id":"\#($0)","text":"\#($1)"}"# + "\n" }.joined()
            try file("queries.jsonl")?.write(contentsOf: Data(queries.utf8))
            let numbers = corpus.queryVectors.flatMap { $0 }
            try file("query-vectors.f32")?.write(contentsOf: numbers.withUnsafeBytes { Data($0) })
        }

        /// A new file in the folder; `nil` where nothing is kept.
        private func file(_ name: String) throws -> FileHandle? {
            guard keepsData else { return nil }
            let path = folder + "/" + name
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            return FileHandle(forWritingAtPath: path)
        }

        private struct Timed {
            var seconds: [Double] = []
            var hits: [[Int64]] = []
        }

        /// One query after another, all of them once before the clock starts where that takes no longer than some seconds.
        private func time(_ mode: SearchMode, _ search: VectorSearch, _ searcher: Searcher) async throws -> Timed {
            let options = SearchOptions(mode: mode, count: count, readsConditions: false, vectorSearch: search)
            let queries = mode == .lexical ? corpus.queries : corpus.queries.indices.map(String.init)
            let warmUp = ContinuousClock.now
            for query in queries where ContinuousClock.now - warmUp < .seconds(5) {
                _ = try await searcher.hits(query, options)
            }
            var timed = Timed()
            for query in queries {
                let start = ContinuousClock.now
                let hits = try await searcher.hits(query, options)
                timed.seconds.append((ContinuousClock.now - start) / .seconds(1))
                // Chunks are numbered from 1.
                timed.hits.append(hits.map { $0.chunk - 1 })
            }
            return timed
        }

        private func write(arm: String, way: String, built seconds: Double) throws {
            var row = TableRow()
            addHead(arm, way, to: &row)
            row.add("build_s", seconds)
            row.show(number: "build s", fixed(seconds, digits: 1))
            for name in ["ms", "p50", "p99", "recall"] { row.show(number: name, "") }
            try output.write(row)
        }

        private func write(arm: String, way: String, _ timed: Timed, exact: Timed? = nil) throws {
            let statistics = SampleStatistics(timed.seconds.map { $0 * 1000 })
            var row = TableRow()
            addHead(arm, way, to: &row)
            row.add("ms_mean", statistics.mean)
            row.add("ms_p50", statistics.percentile(50))
            row.add("ms_p99", statistics.percentile(99))
            row.show(number: "build s", "")
            row.show(number: "ms", fixed(statistics.mean, digits: 3))
            row.show(number: "p50", fixed(statistics.percentile(50), digits: 3))
            row.show(number: "p99", fixed(statistics.percentile(99), digits: 3))
            if let exact {
                let found = zip(timed.hits, exact.hits).reduce(0) { $0 + Set($1.0).intersection($1.1).count }
                let recall = Double(found) / Double(max(exact.hits.reduce(0) { $0 + $1.count }, 1))
                row.add("recall", recall)
                row.show(number: "recall", fixed(recall, digits: 4))
            } else {
                row.show(number: "recall", "")
            }
            if let handle = try file("hits-\(arm)-\(way.replacingOccurrences(of: " ", with: "-")).txt") {
                let lines = timed.hits.map { $0.map(String.init).joined(separator: " ") + "\n" }.joined()
                try handle.write(contentsOf: Data(lines.utf8))
            }
            try output.write(row)
        }

        private func addHead(_ arm: String, _ way: String, to row: inout TableRow) {
            row.add("suite", "retrieval")
            row.add("build_version", Version.text)
            row.add("chunks", corpus.size.chunkCount)
            row.add("dimensions", corpus.size.dimensionCount)
            row.add("queries", corpus.size.queryCount)
            row.add("top_k", count)
            row.add("arm", arm)
            row.add("way", way)
            row.show("arm", arm)
            row.show("way", way)
        }
    }
#endif
