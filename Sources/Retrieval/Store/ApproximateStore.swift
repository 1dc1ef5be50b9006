internal import GRDB
public import TensorCore

/// The approximate indexes in a collection's file. An index fits only the vectors that it was built from.
extension DocumentCollection {
    private static let table = """
        CREATE TABLE IF NOT EXISTS approximate_index(
            kind TEXT PRIMARY KEY, vectors INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID
        """

    /// The kinds that were built, whether or not they fit the vectors that are there now.
    public func approximateKinds() throws -> [ApproximateKind] {
        try CollectionFailure.translate(path) {
            try queue.read { database in
                guard try database.tableExists("approximate_index") else { return [] }
                return try String.fetchAll(database, sql: "SELECT kind FROM approximate_index ORDER BY kind")
                    .compactMap(ApproximateKind.init(rawValue:))
            }
        }
    }

    /// Builds an index over the collection's vectors, where it has none that fits. Blocks, and takes the memory of all
    /// vectors in single precision.
    /// - Parameter makeBackend: gives one for this call alone, where an index is built.
    /// - Returns: whether it was built.
    /// - Throws: ``RetrievalError``, `BackendError`.
    @discardableResult
    public func buildApproximateIndex(_ kind: ApproximateKind, on makeBackend: () throws -> any Backend) throws -> Bool
    {
        let reader = try CollectionReader(path: path)
        guard reader.chunkCount > 0 else { return false }
        let vectors = try VectorTable(reader)
        if try reader.approximateIndex(kind, over: vectors) != nil { return false }
        let index: ApproximateIndex =
            switch kind {
            case .ivf: .ivf(try IVFIndex(vectors, on: makeBackend()))
            case .hnsw: .hnsw(HNSWIndex(vectors))
            }
        try CollectionFailure.translate(path) {
            try queue.write { database in
                try database.execute(sql: DocumentCollection.table)
                try database.execute(
                    sql: "INSERT OR REPLACE INTO approximate_index(kind, vectors, bytes) VALUES (?, ?, ?)",
                    arguments: [
                        kind.rawValue, vectors.fingerprint, SegmentBlob.data(SegmentBlob.bytes(of: index.encoded)),
                    ])
            }
        }
        return true
    }
}

extension CollectionReader {
    /// The index of a kind over these vectors; `nil` where there is none, or one over others.
    func approximateIndex(_ kind: ApproximateKind, over vectors: VectorTable) throws -> ApproximateIndex? {
        let bytes: [UInt8]? = try read { database in
            guard try database.tableExists("approximate_index") else { return nil }
            return try Row.fetchOne(
                database, sql: "SELECT bytes FROM approximate_index WHERE kind = ? AND vectors = ?",
                arguments: [kind.rawValue, vectors.fingerprint]
            ).map { SegmentBlob.bytes($0, 0) }
        }
        guard let bytes else { return nil }
        guard let numbers = SegmentBlob.numbers(bytes, as: UInt32.self),
            let index = ApproximateIndex(kind, numbers, vectors)
        else { throw RetrievalError.notACollection(path: path, reason: "its \(kind.rawValue) index is damaged") }
        return index
    }
}

extension VectorTable {
    /// Identifies the chunks whose vectors an index was built from. A chunk's number is never used again, so neither is
    /// its vector.
    var fingerprint: Int64 {
        chunks.withUnsafeBytes { Int64(bitPattern: ContentHash.hash($0)) }
    }
}
