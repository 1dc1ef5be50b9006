import Foundation

/// A collection's documents cut anew, in a file of its own that goes with this object.
public final class RechunkedCollection {
    public let reader: CollectionReader
    private let folder: String

    /// Reads the documents from where they were indexed. Blocks while they are embedded.
    /// - Parameter embedder: the collection's; `nil`: for lexical searches only.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    public init(
        _ original: CollectionReader, chunkTokenCount: Int, embedder: (any TextEmbedder)?
    ) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("infer-sweep-\(UUID().uuidString)").path
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw RetrievalError.collectionUnwritable(path: folder, reason: error.localizedDescription)
        }
        let path = folder + "/collection.db"
        do {
            var settings = CollectionSettings(analyzer: original.settings.analyzer)
            if let embedder {
                settings.embedder = embedder.name
                settings.embedderFingerprint = embedder.fingerprint
                settings.dimensionCount = embedder.dimensionCount
                settings.vectorFormat = original.settings.vectorFormat
                settings.hasTermWeights = original.settings.hasTermWeights
                settings.tokenVectorSize = original.settings.tokenVectorSize
            }
            let analyzer = settings.analyzer
            let chunker = try Chunker(tokenCount: chunkTokenCount, overlapTokenCount: chunkTokenCount / 6) { text in
                try embedder?.tokenCount(of: text) ?? analyzer.terms(in: text).count
            }
            var indexer = Indexer(
                try DocumentCollection(path: path, settings: settings), chunker: chunker, cutsJSONLines: true,
                embedder: embedder)
            let sources = try original.sources()
            _ = try await indexer.index(
                paths: sources.filter { !$0.holdsLines }.map(\.path),
                jsonLines: sources.filter(\.holdsLines).map(\.path))
            reader = try CollectionReader(path: path)
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}
