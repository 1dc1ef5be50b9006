import Foundation
internal import GRDB
import Glibc
public import JSONCore
import Synchronization

/// A collection of documents in one SQLite file: their chunks, an inverted index over them, and their vectors.
///
/// One process writes at a time, any number read meanwhile; what a transaction has not committed is not there after a
/// crash. Calls block while they read and write the file.
public final class DocumentCollection: Sendable {
    public let path: String
    public let settings: CollectionSettings
    let queue: DatabaseQueue

    /// Opens a collection for writing; makes it where there is none.
    /// - Parameter settings: what it shall be made with; `nil`: it must be there.
    /// - Throws: ``RetrievalError``, also where it was made with other settings.
    public convenience init(path: String, settings requested: CollectionSettings? = nil) throws {
        try self.init(path: path, settings: requested, busySeconds: 5)
    }

    /// - Parameter busySeconds: how long to wait for another process that writes.
    package init(path: String, settings requested: CollectionSettings?, busySeconds: Double) throws {
        self.path = path
        if requested == nil, access(path, F_OK) != 0 { throw RetrievalError.collectionMissing(path: path) }
        do {
            (queue, settings) = try DocumentCollection.open(path, requested, busySeconds)
        } catch RetrievalError.unreadable(_, let reason) {
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            let isWritable = access(folder, W_OK) == 0
            throw RetrievalError.collectionUnwritable(
                path: path, reason: isWritable ? reason : "its folder is missing or read-only")
        }
    }

    private static func open(
        _ path: String, _ requested: CollectionSettings?, _ busySeconds: Double
    ) throws -> (DatabaseQueue, CollectionSettings) {
        try CollectionFailure.translate(path) {
            var configuration = Configuration()
            configuration.busyMode = .timeout(busySeconds)
            configuration.foreignKeysEnabled = true
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let settings = try queue.inDatabase { database in
                try DocumentCollection.prepare(database, path: path, settings: requested)
            }
            return (queue, settings)
        }
    }

    private static func prepare(
        _ database: Database, path: String, settings requested: CollectionSettings?
    ) throws -> CollectionSettings {
        try database.execute(sql: "PRAGMA journal_mode = WAL")
        var settings = requested ?? CollectionSettings()
        try database.inTransaction(.immediate) {
            if try DocumentCollection.isEmpty(database), let requested {
                try CollectionSchema.create(in: database, settings: requested)
                for entry in requested.entries {
                    guard let value = entry.value else { continue }
                    try database.execute(
                        sql: "INSERT INTO setting(name, value) VALUES (?, ?)", arguments: [entry.name, value])
                }
            } else {
                settings = try DocumentCollection.readSettings(database, path: path)
                if let requested { try settings.require(requested, path: path) }
            }
            return .commit
        }
        return settings
    }

    private static func isEmpty(_ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
    }

    static func readSettings(_ database: Database, path: String) throws -> CollectionSettings {
        guard try Int32.fetchOne(database, sql: "PRAGMA application_id") == CollectionSchema.applicationID else {
            throw RetrievalError.notACollection(path: path, reason: "another program's database")
        }
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version == CollectionSchema.version else {
            throw RetrievalError.unknownVersion(path: path, version: version)
        }
        var entries: [String: String] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT name, value FROM setting") { entries[row[0]] = row[1] }
        return try CollectionSettings(entries, path: path)
    }

    /// The version of each document, by its key.
    public func documentStates() throws -> [ExactText: DocumentState] {
        try CollectionFailure.translate(path) {
            try queue.read { database in
                var states: [ExactText: DocumentState] = [:]
                let rows = try Row.fetchCursor(database, sql: "SELECT key, hash, byte_count, time FROM document")
                while let row = try rows.next() {
                    let hash: Int64 = row[1]
                    states[ExactText(row[0])] = DocumentState(
                        contentHash: UInt64(bitPattern: hash), byteCount: row[2], time: row[3])
                }
                return states
            }
        }
    }

    /// The keys of the documents that were indexed from `source`.
    public func keys(from source: String) throws -> [String] {
        try CollectionFailure.translate(path) {
            try queue.read {
                try String.fetchAll($0, sql: "SELECT key FROM document WHERE source = ?", arguments: [source])
            }
        }
    }

    /// Writes documents, replacing those of the same key, and removes others, in one transaction.
    /// - Returns: chunks that the collection holds now.
    @discardableResult
    public func write(_ documents: [IndexedDocument], removing keys: [String] = []) throws -> Int {
        try CollectionFailure.translate(path) {
            try queue.inDatabase { database in
                var count = 0
                try database.inTransaction(.immediate) {
                    var update = CollectionUpdate(database, settings: settings, path: path)
                    try update.remove(keys + documents.map(\.key))
                    try update.insert(documents)
                    count = try update.finish()
                    return .commit
                }
                return count
            }
        }
    }

    /// Notes a new time of documents whose content is as it was.
    public func touch(_ states: [(key: String, state: DocumentState)]) throws {
        guard !states.isEmpty else { return }
        try CollectionFailure.translate(path) {
            try queue.write { database in
                for (key, state) in states {
                    try database.execute(
                        sql: "UPDATE document SET time = ? WHERE key = ?", arguments: [state.time, key])
                }
            }
        }
    }
}

extension CollectionSettings {
    /// - Throws: ``RetrievalError/settingDiffers(path:name:stored:requested:)`` for the first that differs.
    func require(_ requested: CollectionSettings, path: String) throws {
        func check(_ name: String, _ stored: String?, _ wanted: String?) throws {
            guard stored != wanted else { return }
            throw RetrievalError.settingDiffers(
                path: path, name: name, stored: stored ?? "none", requested: wanted ?? "none")
        }
        try check("analyzer", analyzer.segmentation.rawValue, requested.analyzer.segmentation.rawValue)
        try check("stemmer", analyzer.stemmer?.language, requested.analyzer.stemmer?.language)
        try check("embedder", embedderFingerprint ?? embedder, requested.embedderFingerprint ?? requested.embedder)
        try check("sparse weights", hasTermWeights ? "yes" : "no", requested.hasTermWeights ? "yes" : "no")
        try check(
            "token vectors of size", tokenVectorSize.map(String.init), requested.tokenVectorSize.map(String.init))
        try check("vector format", vectorFormat.rawValue, requested.vectorFormat.rawValue)
        try check("vectors of size", dimensionCount.map(String.init), requested.dimensionCount.map(String.init))
    }
}

/// SQLite's errors as those of this module.
enum CollectionFailure {
    static func translate<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DatabaseError {
            var status = stat()
            if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                throw RetrievalError.notACollection(path: path, reason: "a folder")
            }
            throw translated(error, path)
        }
    }

    private static func translated(_ error: DatabaseError, _ path: String) -> RetrievalError {
        let reason = error.message ?? error.resultCode.description
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .collectionBusy(path: path)
        case .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            return .collectionUnwritable(path: path, reason: reason)
        case .SQLITE_CANTOPEN: return .unreadable(path: path, reason: reason)
        default: return .notACollection(path: path, reason: reason)
        }
    }
}
