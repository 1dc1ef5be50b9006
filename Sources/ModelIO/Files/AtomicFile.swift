internal import Glibc

/// Files that appear complete or not at all.
package enum AtomicFile {
    /// The file that the content is written to.
    package struct Output {
        fileprivate let descriptor: Int32
        fileprivate let path: String

        /// Appends all of `bytes`. Blocks.
        /// - Throws: `LoadError.unwritable`.
        package func write(_ bytes: UnsafeRawBufferPointer) throws {
            var done = 0
            while done < bytes.count {
                let written = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if written < 0, errno == EINTR { continue }
                guard written >= 0 else { throw AtomicFile.unwritable(path, errno) }
                done += written
            }
        }
    }

    /// Writes `chunks` one behind the other; see ``write(to:byteCount:_:)``.
    package static func write(to path: String, chunks: [[UInt8]]) throws {
        try write(to: path) { output in
            for chunk in chunks { try chunk.withUnsafeBytes { try output.write($0) } }
        }
    }

    /// Writes a new file beside `path`, then renames it to `path`. Blocks until the bytes are on the disk. A device or
    /// pipe at `path` is written to instead: it must not be replaced by a file.
    ///
    /// Where the file system can, the file has no name until it is whole, so that nothing stays behind even of a process
    /// that is killed.
    ///
    /// - Parameters:
    ///   - byteCount: the file's length where it is known: a disk that is too full is then found before the work.
    ///   - body: writes the content.
    /// - Throws: `LoadError.unwritable` naming the path, or what `body` throws; nothing is left behind.
    package static func write(to path: String, byteCount: Int? = nil, _ body: (Output) throws -> Void) throws {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw LoadError.unwritable(path: printable(path), reason: "not a file name")
        }
        switch PathKind(path) {
        case .folder: throw unwritable(path, EISDIR)
        case .other: return try writeInPlace(path, body)
        case .file, .missing: break
        }
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
        let (descriptor, isNamed) = try create(temporary, for: path)
        var hasName = isNamed
        do {
            defer { close(descriptor) }
            try checkSpace(byteCount, descriptor, path)
            try body(Output(descriptor: descriptor, path: path))
            guard fsync(descriptor) == 0 else { throw unwritable(path, errno) }
            if !isNamed {
                guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0
                else { throw unwritable(path, errno) }
                hasName = true
            }
            guard rename(temporary, path) == 0 else { throw unwritable(path, errno) }
        } catch {
            if hasName { unlink(temporary) }
            throw error
        }
    }

    /// Opens a file without a name in the folder of `path`, or one called `temporary` where there are none such.
    private static func create(_ temporary: String, for path: String) throws -> (descriptor: Int32, isNamed: Bool) {
        let mode: mode_t = 0o666
        if access("/proc/self/fd", X_OK) == 0 {
            // O_TMPFILE, whose C macro Swift cannot import.
            let unnamed = open(parentFolder(of: path), O_WRONLY | O_CLOEXEC | __O_TMPFILE | O_DIRECTORY, mode)
            if unnamed >= 0 { return (unnamed, false) }
        }
        let named = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard named >= 0 else { throw unwritable(path, errno) }
        return (named, true)
    }

    /// Refuses to start where the disk has no room now. Later writes find out whether it still has.
    private static func checkSpace(_ byteCount: Int?, _ descriptor: Int32, _ path: String) throws {
        var status = statvfs()
        guard let byteCount, fstatvfs(descriptor, &status) == 0 else { return }
        let (available, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        // Some file systems do not count and report zero free blocks of zero.
        guard overflow || status.f_blocks == 0 || UInt64(byteCount) <= available else { throw unwritable(path, ENOSPC) }
    }

    private static func writeInPlace(_ path: String, _ body: (Output) throws -> Void) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unwritable(path, errno) }
        do {
            try body(Output(descriptor: descriptor, path: path))
        } catch {
            close(descriptor)
            throw error
        }
        guard close(descriptor) == 0 else { throw unwritable(path, errno) }
    }

    private static func unwritable(_ path: String, _ code: Int32) -> LoadError {
        .unwritable(path: path, reason: OpenFile.reason(code))
    }
}
