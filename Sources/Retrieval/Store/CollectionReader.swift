import Foundation
internal import GRDB
import Glibc
import Synchronization

/// A collection as it was when it was opened: what others write meanwhile is not seen. Calls block while they read the file.
public final class CollectionReader: Sendable {
    public let path: String
    public let settings: CollectionSettings
    let lexical: LexicalIndex
    private let snapshot: SnapshotSource

    /// - Throws: ``RetrievalError``.
    public init(path: String) throws {
        guard access(path, F_OK) == 0 else { throw RetrievalError.collectionMissing(path: path) }
        self.path = path
        (snapshot, settings, lexical) = try CollectionFailure.translate(path) {
            let snapshot = try SnapshotSource(path: path)
            let (settings, segments) = try snapshot.read { database in
                (
                    try DocumentCollection.readSettings(database, path: path),
                    try SegmentBlob.readAll(database, path: path)
                )
            }
            let lexical = LexicalIndex(
                segments: segments, analyzer: settings.analyzer, source: snapshot, name: path)
            return (snapshot, settings, lexical)
        }
    }

    /// Chunks of the collection.
    public var chunkCount: Int { lexical.chunkCount }

    /// A chunk's text and place.
    public func chunk(_ number: Int64) throws -> FoundChunk {
        try read { database in
            guard
                let row = try Row.fetchOne(
                    database,
                    sql: """
                        SELECT document.id, key, path, start_byte, end_byte, headings, text
                        FROM chunk JOIN document ON document.id = chunk.document WHERE chunk.id = ?
                        """, arguments: [number])
            else { throw RetrievalError.notACollection(path: path, reason: "chunk \(number) is missing") }
            let (start, end, headings): (Int, Int, String) = (row[3], row[4], row[5])
            guard start >= 0, start <= end else {
                throw RetrievalError.notACollection(path: path, reason: "chunk \(number) is damaged")
            }
            return FoundChunk(
                number: number, document: row[0], key: row[1], path: row[2],
                chunk: Chunk(
                    byteRange: start..<end, headings: headings.split(separator: "\n").map(String.init), text: row[6]))
        }
    }

    /// The chunks before and behind one in its document, itself among them.
    public func neighbours(of number: Int64, reach: Int) throws -> [Int64] {
        try read { database in
            let all = try Int64.fetchAll(
                database,
                sql: """
                    SELECT id FROM chunk WHERE document = (SELECT document FROM chunk WHERE id = ?) ORDER BY start_byte, id
                    """, arguments: [number])
            guard let place = all.firstIndex(of: number) else { return [number] }
            return Array(all[max(place - reach, 0)...min(place + reach, all.count - 1)])
        }
    }

    /// The source that the document was indexed from, and whether it is a file of JSON lines.
    public func sources() throws -> [(path: String, holdsLines: Bool)] {
        try read { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT source, max(key != path AND path = source) FROM document GROUP BY source ORDER BY source")
            return rows.map { (path: $0[0], holdsLines: $0[1]) }
        }
    }

    /// The chunks of the documents that a filter lets through.
    public func chunks(matching filter: DocumentFilter) throws -> Set<Int64> {
        try read { database in
            var allowed: Set<Int64> = []
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT chunk.id, chunk.document, key, path, time, metadata, headings
                    FROM chunk JOIN document ON document.id = chunk.document ORDER BY chunk.document
                    """)
            while let row = try rows.next() {
                let fields = try DocumentFields(
                    key: row[2], path: row[3], time: row[4], metadata: row[5], headings: row[6], collection: path)
                if filter.matches(fields) { allowed.insert(row[0]) }
            }
            return allowed
        }
    }

    /// A segment's vectors in the collection's format, one row a chunk.
    func vectors(of segment: LexicalSegment, dimensionCount: Int) throws -> [UInt8] {
        try read { database in
            try SegmentBlob.vectors(
                database, of: segment, rowByteCount: settings.vectorFormat.rowByteCount(dimensionCount), path: path)
        }
    }

    /// SQLite's name for a file that does not change, where its folder cannot be written to and no log waits beside it.
    static func readOnlyAddress(_ path: String) -> String? {
        let url = URL(fileURLWithPath: path)
        guard access(url.deletingLastPathComponent().path, W_OK) != 0, access(path + "-wal", F_OK) != 0 else {
            return nil
        }
        return url.absoluteString + "?immutable=1"
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CollectionFailure.translate(path) { try snapshot.read(body) }
    }
}

/// One connection that stays in the transaction in which it first read, so that all it reads belongs together.
private final class SnapshotSource: PostingSource {
    private let queue: DatabaseQueue

    init(path: String) throws {
        do {
            queue = try SnapshotSource.open(path)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CANTOPEN {
            // A write-ahead log cannot be shared on a disk that is read-only; nobody writes there either.
            guard let address = CollectionReader.readOnlyAddress(path) else { throw error }
            queue = try SnapshotSource.open(address)
        }
    }

    private static func open(_ name: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        configuration.allowsUnsafeTransactions = true
        let queue = try DatabaseQueue(path: name, configuration: configuration)
        try queue.inDatabase { database in
            try database.execute(sql: "BEGIN")
            _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master")
        }
        return queue
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try queue.inDatabase(body)
    }

    func postings(of term: String) throws -> [Int64: [UInt8]] {
        try read { database in
            var found: [Int64: [UInt8]] = [:]
            let rows = try Row.fetchCursor(
                database.cachedStatement(sql: "SELECT segment, bytes FROM posting WHERE term = ?"), arguments: [term])
            while let row = try rows.next() { found[row[0]] = SegmentBlob.bytes(row, 1) }
            return found
        }
    }
}
