internal import GRDB
import Glibc
import Synchronization

/// Tells whether a collection's file has changed, without reading it.
final class CollectionWatch: Sendable {
    /// Another value is another content.
    struct Version: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
        /// SQLite's count of what other connections have committed.
        let commits: Int
    }

    private struct Connection {
        let device: UInt64
        let inode: UInt64
        let queue: DatabaseQueue
    }

    let path: String
    private let connection = Mutex<Connection?>(nil)

    init(path: String) { self.path = path }

    /// What the file holds now. Takes some microseconds.
    /// - Throws: ``RetrievalError`` where it is gone or cannot be read.
    func version() throws -> Version {
        var status = stat()
        guard stat(path, &status) == 0 else { throw RetrievalError.collectionMissing(path: path) }
        let (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        return try CollectionFailure.translate(path) {
            try connection.withLock { connection in
                if connection?.device != device || connection?.inode != inode {
                    // Another file of this name; the connection still sees the old one.
                    connection = Connection(device: device, inode: inode, queue: try CollectionWatch.open(path))
                }
                let commits = try connection?.queue.inDatabase {
                    try Int.fetchOne($0, sql: "PRAGMA data_version")
                }
                return Version(device: device, inode: inode, commits: (commits ?? nil) ?? 0)
            }
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            return try DatabaseQueue(path: path, configuration: configuration)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CANTOPEN {
            guard let address = CollectionReader.readOnlyAddress(path) else { throw error }
            return try DatabaseQueue(path: address, configuration: configuration)
        }
    }
}
