internal import GRDB

/// The tables of a collection's file.
enum CollectionSchema {
    static let version = 1
    /// Marks the file as ours in SQLite's header ("infr").
    static let applicationID: Int32 = 0x696E_6672

    static func create(in database: Database, settings: CollectionSettings) throws {
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(version)")
        try database.execute(
            sql: """
                CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE document(
                    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
                    source TEXT NOT NULL, hash INTEGER NOT NULL, byte_count INTEGER NOT NULL, time REAL,
                    metadata TEXT NOT NULL);
                CREATE INDEX document_source ON document(source);
                CREATE TABLE chunk(
                    id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES document(id),
                    start_byte INTEGER NOT NULL, end_byte INTEGER NOT NULL, headings TEXT NOT NULL, text TEXT NOT NULL);
                CREATE INDEX chunk_document ON chunk(document);
                CREATE TABLE segment(
                    id INTEGER PRIMARY KEY AUTOINCREMENT, chunks BLOB NOT NULL, lengths BLOB NOT NULL, vectors BLOB);
                CREATE TABLE posting(
                    term TEXT NOT NULL, segment INTEGER NOT NULL REFERENCES segment(id), bytes BLOB NOT NULL,
                    PRIMARY KEY(term, segment)) WITHOUT ROWID;
                CREATE INDEX posting_segment ON posting(segment);
                """)
        if settings.tokenVectorSize != nil { try TokenVectorStore.createTable(in: database) }
    }
}
