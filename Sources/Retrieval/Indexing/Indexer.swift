import Glibc
internal import JSONCore

/// Brings a collection up to date with files, folders and JSON lines files: only what is new or has changed is read and
/// embedded again, and what is gone is removed. What a transaction has written stays, whenever the process ends.
public struct Indexer {
    /// What happened to the documents.
    public struct Report: Sendable {
        public var added = 0
        public var changed = 0
        public var unchanged = 0
        public var removed = 0
        public var chunkCount = 0
        /// Documents left out, with the reason.
        public var skipped: [String] = []
    }

    public struct Progress: Sendable {
        public var documentCount: Int
        public var chunkCount: Int
        public var current: String
    }

    /// How much is collected before it is embedded and written in one transaction.
    private static let batchChunkCount = 2048
    private static let batchByteCount = 16 << 20
    /// The same where every token has a vector, and how many chunks are embedded at once then.
    private static let multiVectorBatchChunkCount = 256
    private static let multiVectorGroupCount = 64

    private let collection: DocumentCollection
    private let chunker: Chunker
    /// Whether a JSON line is cut into chunks; otherwise each is one, as collections of passages have it.
    private let cutsJSONLines: Bool
    private let embedder: (any TextEmbedder)?
    private let onProgress: (Progress) -> Void
    private let onSkip: (String) -> Void

    private var known: [ExactText: DocumentState] = [:]
    private var seen: Set<ExactText> = []
    private var batch: [IndexedDocument] = []
    private var batchChunks = 0
    private var batchBytes = 0
    private var touched: [(key: String, state: DocumentState)] = []
    private var report = Report()

    /// - Parameters:
    ///   - onProgress: called for every document.
    ///   - onSkip: called with one line for every document that is left out.
    public init(
        _ collection: DocumentCollection, chunker: Chunker, cutsJSONLines: Bool = false,
        embedder: (any TextEmbedder)? = nil, onProgress: @escaping (Progress) -> Void = { _ in },
        onSkip: @escaping (String) -> Void = { _ in }
    ) {
        self.collection = collection
        self.chunker = chunker
        self.cutsJSONLines = cutsJSONLines
        self.embedder = embedder
        self.onProgress = onProgress
        self.onSkip = onSkip
    }

    /// Blocks while files are read and texts embedded.
    /// - Parameters:
    ///   - paths: files and folders.
    ///   - jsonLines: files with a document a line: `id`, `text`, and fields of the user's.
    /// - Throws: ``RetrievalError`` for a path that is not there, before anything of it is removed, and for the
    ///   collection; what the embedder throws.
    public mutating func index(paths: [String], jsonLines: [String] = []) async throws -> Report {
        report = Report()
        known = try collection.documentStates()
        for path in paths {
            seen = []
            var unreadable: [String] = []
            let files = try FileWalk.files(below: path) { folder, reason in
                unreadable.append(folder + "/")
                skip(RetrievalError.unreadable(path: folder, reason: reason).description, key: nil)
            }
            // A folder that cannot be read now may still contain what was indexed from it, so this stays.
            seen.formUnion(known.keys.filter { key in unreadable.contains { key.text.hasPrefix($0) } })
            for file in files {
                if DocumentKind(path: file.path) == .jsonLines {
                    try await add(linesOf: file.path, source: path)
                } else {
                    try await add(file, source: path)
                }
            }
            try await finish(path)
        }
        for path in jsonLines {
            seen = []
            try await add(linesOf: path, source: path)
            try await finish(path)
        }
        report.chunkCount = try collection.write([])
        return report
    }

    /// Writes what is left and removes what is no longer there.
    private mutating func finish(_ source: String) async throws {
        try await flush()
        let gone = try collection.keys(from: source).filter { !seen.contains(ExactText($0)) }
        report.removed += gone.count
        if !gone.isEmpty { try collection.write([], removing: gone) }
    }

    private mutating func add(_ file: FileEntry, source: String) async throws {
        let key = ExactText(file.path)
        seen.insert(key)
        if let state = known[key], state.time == file.time, state.byteCount == file.byteCount {
            report.unchanged += 1
            return
        }
        let bytes: [UInt8]
        do {
            bytes = try DocumentReader.bytes(file.path)
        } catch let error as RetrievalError {
            // What was indexed of it stays until it can be read again; a file that is gone is removed.
            if access(file.path, F_OK) != 0 { seen.remove(key) }
            return skip(error.description, key: nil)
        }
        do {
            let state = DocumentState(
                contentHash: bytes.withUnsafeBytes(ContentHash.hash), byteCount: bytes.count, time: file.time)
            if let old = known[key], old.contentHash == state.contentHash, old.byteCount == state.byteCount {
                report.unchanged += 1
                touched.append((key.text, state))
                return
            }
            let chunks = try await chunker.chunks(
                of: DocumentReader.extract(bytes, path: file.path), embedder: embedder)
            try await append(
                IndexedDocument(key: key.text, path: file.path, source: source, state: state, chunks: chunks),
                byteCount: bytes.count)
        } catch let error as RetrievalError {
            guard case .unreadable = error else { throw error }
            skip(error.description, key: key)
        }
    }

    private mutating func add(linesOf path: String, source: String) async throws {
        // Each line has its own document, so that one changed line embeds one text.
        var failures: [String] = []
        var additions: [(IndexedDocument, Int)] = []
        let (known, chunker, cuts, embedder) = (self.known, self.chunker, cutsJSONLines, self.embedder)
        var unchanged = 0
        var keys: Set<ExactText> = []
        var pending = self
        try await FileLines.forEach(
            path,
            onLongLine: { number in
                let reason = "longer than \(FileLines.byteLimit) bytes; split it in several documents"
                failures.append(RetrievalError.invalidLine(path: path, line: number, reason: reason).description)
            }
        ) { number, offset, line in
            let document: JSONLineDocument
            do {
                guard let parsed = try JSONLineDocument(line, path: path, number: number) else { return }
                document = parsed
            } catch let error as RetrievalError {
                failures.append(error.description)
                return
            }
            guard keys.insert(ExactText(document.id)).inserted else {
                failures.append(
                    RetrievalError.invalidLine(
                        path: path, line: number, reason: "the id '\(document.id)' was there before; the first counts"
                    ).description)
                return
            }
            let state = DocumentState(
                contentHash: line.withUnsafeBytes(ContentHash.hash), byteCount: line.count)
            if let old = known[ExactText(document.id)], old == state {
                unchanged += 1
                return
            }
            let range = offset..<offset + line.count
            let text = ExtractedText(bytes: Array(document.text.utf8))
            let chunks =
                cuts
                ? try await chunker.chunks(of: text, embedder: embedder).map { Chunk(byteRange: range, text: $0.text) }
                : [Chunk(byteRange: range, text: document.text)]
            additions.append(
                (
                    IndexedDocument(
                        key: document.id, path: path, source: source, state: state, metadata: document.metadata,
                        chunks: chunks), line.count
                ))
            if additions.count >= 256 {
                for (document, byteCount) in additions { try await pending.append(document, byteCount: byteCount) }
                additions = []
            }
        }
        for (document, byteCount) in additions { try await pending.append(document, byteCount: byteCount) }
        self = pending
        seen.formUnion(keys)
        report.unchanged += unchanged
        for failure in failures { skip(failure, key: nil) }
    }

    private mutating func skip(_ reason: String, key: ExactText?) {
        report.skipped.append(reason)
        onSkip(reason)
        // A document that can no longer be read is no longer what was indexed.
        if let key, known[key] != nil { seen.remove(key) }
    }

    private mutating func append(_ document: IndexedDocument, byteCount: Int) async throws {
        if known[ExactText(document.key)] == nil { report.added += 1 } else { report.changed += 1 }
        batch.append(document)
        batchChunks += document.chunks.count
        batchBytes += byteCount
        onProgress(
            Progress(
                documentCount: report.added + report.changed + report.unchanged, chunkCount: batchChunks,
                current: document.path))
        let limit =
            collection.settings.tokenVectorSize == nil ? Indexer.batchChunkCount : Indexer.multiVectorBatchChunkCount
        if batchChunks >= limit || batchBytes >= Indexer.batchByteCount { try await flush() }
    }

    private mutating func flush() async throws {
        if let embedder { try await embed(embedder) }
        if !batch.isEmpty { try collection.write(batch) }
        try collection.touch(touched)
        (batch, touched, batchChunks, batchBytes) = ([], [], 0, 0)
    }

    private mutating func embed(_ embedder: any TextEmbedder) async throws {
        let settings = collection.settings
        let places = batch.indices.flatMap { document in batch[document].chunks.map { (document, $0.indexedText) } }
        // Texts of one call share passes by their lengths; vectors of tokens are too large to have many at once.
        let groupCount = settings.tokenVectorSize == nil ? places.count : Indexer.multiVectorGroupCount
        for start in stride(from: 0, to: places.count, by: max(groupCount, 1)) {
            let group = places[start..<min(start + groupCount, places.count)]
            let encoded = try await embedder.encode(group.map(\.1), isQuery: false)
            for ((document, _), encoded) in zip(group, encoded) {
                if settings.dimensionCount != nil { batch[document].vectors.append(encoded.vector) }
                if settings.hasTermWeights { batch[document].termWeights.append(encoded.termWeights) }
                if settings.tokenVectorSize != nil {
                    batch[document].tokenVectors.append(encoded.tokenVectors.map { Float16($0) })
                }
            }
        }
    }
}
