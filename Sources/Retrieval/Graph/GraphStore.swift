internal import GRDB

/// A knowledge graph in a collection's file: entities by their names, and relations that each belong to the chunk that states
/// them, and go with it.
enum GraphStore {
    static let relations = "relation"
    static let extracted = "extracted"
    /// Where relations that a generator took out of a chunk come from, beside the names of files.
    static let generatorSource = ""

    static func createTables(in database: Database) throws {
        guard try !database.tableExists(relations) else { return }
        try database.execute(
            sql: """
                CREATE TABLE entity(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
                CREATE TABLE relation(
                    id INTEGER PRIMARY KEY AUTOINCREMENT, subject INTEGER NOT NULL REFERENCES entity(id),
                    name TEXT NOT NULL, object INTEGER NOT NULL REFERENCES entity(id),
                    chunk INTEGER NOT NULL REFERENCES chunk(id), source TEXT NOT NULL,
                    UNIQUE(subject, object, name, chunk, source));
                CREATE INDEX relation_object ON relation(object);
                CREATE INDEX relation_chunk ON relation(chunk);
                CREATE INDEX relation_source ON relation(source);
                CREATE TABLE extracted(chunk INTEGER PRIMARY KEY REFERENCES chunk(id));
                """)
    }

    static func insert(_ triple: Triple, chunk: Int64, source: String, into database: Database) throws {
        func entity(_ name: String) throws -> Int64 {
            let key = EntityName.key(name)
            let find = try database.cachedStatement(sql: "SELECT id FROM entity WHERE key = ?")
            if let known = try Int64.fetchOne(find, arguments: [key]) { return known }
            try database.cachedStatement(sql: "INSERT INTO entity(key, name) VALUES (?, ?)").execute(
                arguments: [key, name])
            return database.lastInsertedRowID
        }
        try database.cachedStatement(
            sql: "INSERT OR IGNORE INTO relation(subject, name, object, chunk, source) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [
            try entity(triple.subject), triple.relation, try entity(triple.object), chunk, source,
        ])
    }

    /// Entities that no relation names any more go.
    static func removeOrphans(in database: Database) throws {
        guard try database.tableExists(relations) else { return }
        try database.execute(
            sql: """
                DELETE FROM entity WHERE id NOT IN (SELECT subject FROM relation)
                AND id NOT IN (SELECT object FROM relation)
                """)
    }
}

extension DocumentCollection {
    /// What a collection knows of its graph.
    public struct GraphSize: Sendable, Hashable {
        public var entityCount = 0
        public var relationCount = 0

        public init(entityCount: Int = 0, relationCount: Int = 0) {
            self.entityCount = entityCount
            self.relationCount = relationCount
        }
    }

    public func graphSize() throws -> GraphSize {
        try CollectionFailure.translate(path) {
            try queue.read { database in
                guard try database.tableExists(GraphStore.relations) else { return GraphSize() }
                return GraphSize(
                    entityCount: try Int.fetchOne(database, sql: "SELECT count(*) FROM entity") ?? 0,
                    relationCount: try Int.fetchOne(
                        database,
                        sql: "SELECT count(*) FROM (SELECT DISTINCT subject, name, object, chunk FROM relation)") ?? 0)
            }
        }
    }

    /// Puts these relations in the place of all that came from `source`, in one transaction.
    func replaceRelations(from source: String, with placed: [(triple: Triple, chunk: Int64)]) throws {
        try changeGraph { database in
            try database.execute(sql: "DELETE FROM relation WHERE source = ?", arguments: [source])
            for (triple, chunk) in placed {
                // Another process may have removed the chunk since it was looked up.
                guard try Bool.fetchOne(database, sql: "SELECT 1 FROM chunk WHERE id = ?", arguments: [chunk]) == true
                else { continue }
                try GraphStore.insert(triple, chunk: chunk, source: source, into: database)
            }
            try GraphStore.removeOrphans(in: database)
        }
    }

    /// Adds what a generator took out of some chunks, and notes that it did.
    func addExtracted(_ found: [(chunk: Int64, triples: [Triple])]) throws {
        try changeGraph { database in
            for (chunk, triples) in found {
                guard try Bool.fetchOne(database, sql: "SELECT 1 FROM chunk WHERE id = ?", arguments: [chunk]) == true
                else { continue }
                for triple in triples {
                    try GraphStore.insert(triple, chunk: chunk, source: GraphStore.generatorSource, into: database)
                }
                try database.execute(sql: "INSERT OR IGNORE INTO extracted(chunk) VALUES (?)", arguments: [chunk])
            }
        }
    }

    /// Chunks out of which no generator has taken relations yet, in order.
    func chunksToExtract(limit: Int) throws -> [(chunk: Int64, text: String)] {
        try CollectionFailure.translate(path) {
            try queue.read { database in
                let condition =
                    try database.tableExists(GraphStore.extracted)
                    ? "WHERE id NOT IN (SELECT chunk FROM extracted)" : ""
                return try Row.fetchAll(
                    database, sql: "SELECT id, headings, text FROM chunk \(condition) ORDER BY id LIMIT ?",
                    arguments: [limit]
                ).map { row in
                    let (headings, text): (String, String) = (row[1], row[2])
                    return (row[0], headings.isEmpty ? text : headings + "\n" + text)
                }
            }
        }
    }

    private func changeGraph(_ body: (Database) throws -> Void) throws {
        try CollectionFailure.translate(path) {
            try queue.inDatabase { database in
                try database.inTransaction(.immediate) {
                    try GraphStore.createTables(in: database)
                    try body(database)
                    return .commit
                }
            }
        }
    }
}

/// A relation as a walk meets it, seen from one of its entities.
struct GraphEdge {
    var id: Int64
    var name: String
    /// The entity at the other end.
    var other: Int64
    var chunk: Int64
}

extension CollectionReader {
    /// Whether there is a graph.
    public var hasGraph: Bool {
        get throws {
            try read { database in
                guard try database.tableExists(GraphStore.relations) else { return false }
                return try Int.fetchOne(database, sql: "SELECT 1 FROM relation LIMIT 1") != nil
            }
        }
    }

    /// The entity of a name's key.
    func entity(_ key: String) throws -> Int64? {
        try read { database in
            try Int64.fetchOne(
                database.cachedStatement(sql: "SELECT id FROM entity WHERE key = ?"), arguments: [key])
        }
    }

    /// The relations of an entity in the order in which they came, at most `limit`, and how many there are. What several
    /// sources give is one relation.
    func edges(of entity: Int64, limit: Int) throws -> (edges: [GraphEdge], count: Int) {
        try read { database in
            let count = try Int.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT (SELECT count(*) FROM (SELECT DISTINCT name, object, chunk FROM relation WHERE subject = ?1))
                        + (SELECT count(*) FROM (
                            SELECT DISTINCT name, subject, chunk FROM relation WHERE object = ?1 AND subject != ?1))
                        """), arguments: [entity])
            let rows = try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT min(id) AS first, name, object, chunk FROM relation WHERE subject = ?1
                        GROUP BY name, object, chunk
                        UNION ALL SELECT min(id), name, subject, chunk FROM relation
                        WHERE object = ?1 AND subject != ?1 GROUP BY name, subject, chunk
                        ORDER BY first LIMIT ?2
                        """), arguments: [entity, limit])
            return (rows.map { GraphEdge(id: $0[0], name: $0[1], other: $0[2], chunk: $0[3]) }, count ?? 0)
        }
    }

    /// The chunks of a document by its key or path, in order; `nil` where there is no such document.
    func chunks(ofDocument name: String) throws -> [Int64]? {
        try read { database in
            let documents = try Int64.fetchAll(
                database, sql: "SELECT id FROM document WHERE key = ?1 UNION SELECT id FROM document WHERE path = ?1",
                arguments: [name])
            guard !documents.isEmpty else { return nil }
            return try documents.flatMap { document in
                try Int64.fetchAll(
                    database, sql: "SELECT id FROM chunk WHERE document = ? ORDER BY start_byte, id",
                    arguments: [document])
            }
        }
    }
}
