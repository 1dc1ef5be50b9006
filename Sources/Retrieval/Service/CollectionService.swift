import Dispatch
import Synchronization
public import TensorCore

/// A collection that many tasks search at a time while another process may write to it.
///
/// Some searchers take turns, each with a backend of its own. Before each search it is looked whether the file has changed
/// since the searcher opened it; then it is opened anew, so that a search finds what was committed before it began. Searches
/// run on threads of their own and hold up neither an engine nor Swift's pool.
///
///     let service = CollectionService(path: "docs.db", embedder: embedder) { try CPUBackend() }
///     let sources = try await service.search("how are kernels cached", options)
public final class CollectionService: Sendable {
    public let path: String
    public let embedder: (any TextEmbedder)?
    private let reranker: (any TextReranker)?
    private let makeBackend: @Sendable () throws -> any Backend
    private let watch: CollectionWatch
    private let threads = SearchThreads()
    private let pool: Mutex<Pool>

    private struct Pool {
        /// The last one was used last, and is the likeliest to be open.
        var idle: [SearchSlot]
        var waiting: [CheckedContinuation<SearchSlot, Never>] = []
    }

    /// Opens nothing yet.
    /// - Parameters:
    ///   - embedder: the one that the collection was made with; `nil`: only lexical searches.
    ///   - searcherCount: searches that run at once; further ones wait. Each holds the collection's vectors once it is used.
    ///   - makeBackend: where a searcher compares vectors.
    public init(
        path: String, embedder: (any TextEmbedder)? = nil, reranker: (any TextReranker)? = nil,
        searcherCount: Int = 2, makeBackend: @escaping @Sendable () throws -> any Backend
    ) {
        self.path = path
        self.embedder = embedder
        self.reranker = reranker
        self.makeBackend = makeBackend
        watch = CollectionWatch(path: path)
        pool = Mutex(Pool(idle: (0..<max(searcherCount, 1)).map { _ in SearchSlot() }))
    }

    /// The best chunks for a query, best first, with their lines where the files are still what was indexed.
    /// - Throws: ``RetrievalError``, and what the embedder throws; `CancellationError`.
    public func search(_ query: String, _ options: SearchOptions) async throws -> [AnswerSource] {
        try await withSearcher { searcher in
            try await searcher.search(query, options).enumerated().map { place, hit in
                AnswerSource(hit.chunk, number: place + 1, score: hit.score)
            }
        }
    }

    /// Lends a searcher of the collection as it is now. Waits for one; `body` may block.
    /// - Throws: what `body` throws; ``RetrievalError`` where the collection cannot be opened; `CancellationError`.
    public func withSearcher<Result: Sendable>(
        _ body: @Sendable (Searcher) async throws -> Result
    ) async throws -> Result {
        let slot = await take()
        defer { give(back: slot) }
        return try await withTaskExecutorPreference(threads) {
            try Task.checkCancellation()
            return try await body(try current(slot))
        }
    }

    /// Closes searchers of a content that is no longer there. They are opened anew by the next search in any case; until then
    /// they keep the writer's log from being emptied.
    public func closeStale() {
        threads.run { [weak self] in self?.dropStale() }
    }

    private func dropStale() {
        let version = try? watch.version()
        pool.withLock { pool in
            for slot in pool.idle where slot.opened?.version != version { slot.opened = nil }
        }
    }

    private func current(_ slot: SearchSlot) throws -> Searcher {
        // Asked before the file is read: what is committed in between is found by the next search.
        let version = try watch.version()
        if let opened = slot.opened, opened.version == version { return opened.searcher }
        slot.opened = nil
        let reader = try CollectionReader(path: path)
        let embedder = reader.settings.embedder == nil ? nil : embedder
        let searcher = try Searcher(
            reader, embedder: embedder, reranker: reranker, on: try embedder.map { _ in try makeBackend() })
        slot.opened = (version, searcher)
        dropStale()
        return searcher
    }

    private func take() async -> SearchSlot {
        await withCheckedContinuation { continuation in
            let slot = pool.withLock { pool -> SearchSlot? in
                if let slot = pool.idle.popLast() { return slot }
                pool.waiting.append(continuation)
                return nil
            }
            if let slot { continuation.resume(returning: slot) }
        }
    }

    private func give(back slot: SearchSlot) {
        let next = pool.withLock { pool -> CheckedContinuation<SearchSlot, Never>? in
            guard pool.waiting.isEmpty else { return pool.waiting.removeFirst() }
            pool.idle.append(slot)
            return nil
        }
        next?.resume(returning: slot)
    }
}

/// A place for a searcher.
// SAFETY: the pool lends it to one search at a time, and touches it itself only while it lies idle, under the pool's lock.
private final class SearchSlot: @unchecked Sendable {
    var opened: (version: CollectionWatch.Version, searcher: Searcher)?
}

extension AnswerSource {
    /// A chunk as a search found it. Reads the file for its lines.
    public init(_ found: FoundChunk, number: Int, score: Double) {
        self.init(
            number: number, key: found.key, path: found.path, byteRange: found.chunk.byteRange,
            lines: SourceLines.lines(of: found.chunk.byteRange, in: found.path), headings: found.chunk.headings,
            text: found.chunk.text, score: score)
    }
}
