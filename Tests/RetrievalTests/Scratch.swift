import Foundation

import Retrieval

/// A folder of its own for each test.
final class Scratch {
    let path: String
    var collection: String { path + "/c.db" }

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("infer-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws { try write(name, bytes: Array(text.utf8)) }

    func write(_ name: String, bytes: [UInt8]) throws {
        let file = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    /// Words are counted as tokens.
    @discardableResult
    func index(
        paths: [String] = [], jsonLines: [String] = [], embedder: (any TextEmbedder)? = nil,
        sparse: Bool = false
    ) async throws -> Indexer.Report {
        let collection = try DocumentCollection(
            path: collection,
            settings: CollectionSettings(
                analyzer: .simple, embedder: embedder?.name, embedderFingerprint: embedder?.fingerprint,
                dimensionCount: embedder?.dimensionCount, hasTermWeights: sparse,
                tokenVectorSize: embedder?.tokenVectorSize))
        let chunker = try Chunker(tokenCount: 30, overlapTokenCount: 5) { Analyzer.simple.terms(in: $0).count }
        var indexer = Indexer(collection, chunker: chunker, embedder: embedder)
        return try await indexer.index(paths: paths, jsonLines: jsonLines)
    }
}
