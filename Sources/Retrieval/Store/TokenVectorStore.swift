internal import GRDB

/// The vectors of a chunk's tokens in a collection's file: FP16, `[tokens, size]`, one row a chunk.
enum TokenVectorStore {
    static let table = "token_vector"

    static func createTable(in database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS token_vector(
                    chunk INTEGER PRIMARY KEY REFERENCES chunk(id), bytes BLOB NOT NULL)
                """)
    }

    static func insert(_ vectors: [Float16], of chunk: Int64, into database: Database) throws {
        try database.cachedStatement(sql: "INSERT INTO token_vector(chunk, bytes) VALUES (?, ?)")
            .execute(arguments: [chunk, SegmentBlob.data(SegmentBlob.bytes(of: vectors))])
    }
}

extension CollectionReader {
    /// Bytes of all vectors of tokens.
    func tokenVectorByteCount() throws -> Int {
        try read { database in
            guard try database.tableExists(TokenVectorStore.table) else { return 0 }
            return try Int.fetchOne(database, sql: "SELECT sum(length(bytes)) FROM token_vector") ?? 0
        }
    }

    /// Hands on the vectors of the tokens of some chunks, in their order; of all where none are named. Chunks without any are
    /// left out.
    /// - Parameter rowByteCount: of one vector.
    func forEachTokenVectors(
        of chunks: [Int64]?, rowByteCount: Int, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        try read { database in
            guard try database.tableExists(TokenVectorStore.table) else {
                throw RetrievalError.noTokenVectors(path: path)
            }
            func check(_ chunk: Int64, _ bytes: [UInt8]) throws {
                guard bytes.count % rowByteCount == 0 else {
                    throw RetrievalError.notACollection(path: path, reason: "the token vectors of a chunk are damaged")
                }
                if !bytes.isEmpty { try body(chunk, bytes) }
            }
            guard let chunks else {
                let rows = try Row.fetchCursor(database, sql: "SELECT chunk, bytes FROM token_vector ORDER BY chunk")
                while let row = try rows.next() { try check(row[0], SegmentBlob.bytes(row, 1)) }
                return
            }
            let statement = try database.cachedStatement(sql: "SELECT bytes FROM token_vector WHERE chunk = ?")
            for chunk in chunks {
                guard let row = try Row.fetchOne(statement, arguments: [chunk]) else { continue }
                try check(chunk, SegmentBlob.bytes(row, 0))
            }
        }
    }
}
