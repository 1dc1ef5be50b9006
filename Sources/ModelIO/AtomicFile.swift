internal import Glibc

/// Files that appear whole or not at all.
package enum AtomicFile {
    /// Writes `chunks` one behind the other to a new file beside `path`, then renames it to `path`. Blocks until the
    /// bytes are on the disk. A device or pipe at `path` is written to instead: it must not be replaced by a file.
    /// - Throws: `LoadError.unwritable` naming the path; nothing is left behind.
    package static func write(to path: String, chunks: [[UInt8]]) throws {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw LoadError.unwritable(path: printable(path), reason: "not a file name")
        }
        if PathKind(path) == .other { return try writeInPlace(path, chunks) }
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw LoadError.unwritable(path: path, reason: OpenFile.reason(errno)) }
        var failure = writeAll(chunks, descriptor)
        if failure == nil, fsync(descriptor) != 0 { failure = errno }
        if close(descriptor) != 0, failure == nil { failure = errno }
        if failure == nil, rename(temporary, path) != 0 { failure = errno }
        if let failure {
            unlink(temporary)
            throw LoadError.unwritable(path: path, reason: OpenFile.reason(failure))
        }
    }

    private static func writeInPlace(_ path: String, _ chunks: [[UInt8]]) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LoadError.unwritable(path: path, reason: OpenFile.reason(errno)) }
        var failure = writeAll(chunks, descriptor)
        if close(descriptor) != 0, failure == nil { failure = errno }
        if let failure { throw LoadError.unwritable(path: path, reason: OpenFile.reason(failure)) }
    }

    /// Returns the error code of a failure, or `nil`.
    private static func writeAll(_ chunks: [[UInt8]], _ descriptor: Int32) -> Int32? {
        for chunk in chunks {
            let failure = chunk.withUnsafeBytes { buffer -> Int32? in
                var done = 0
                while done < buffer.count {
                    let written = Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                    if written < 0, errno == EINTR { continue }
                    if written < 0 { return errno }
                    done += written
                }
                return nil
            }
            if let failure { return failure }
        }
        return nil
    }
}
