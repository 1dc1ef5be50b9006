internal import Glibc
internal import JSONCore

/// An open file that closes itself. Regular files only: pipes, devices and sockets could block or never end.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let byteCount: Int
    let path: String

    /// Opens a regular file for reading.
    /// - Throws: `LoadError.unreadable`, or `.unsupportedFile` where it is a folder or no regular file.
    init(reading path: String) throws {
        guard !path.utf8.contains(0) else {
            throw LoadError.unreadable(path: printable(path), reason: "the path holds a NUL byte")
        }
        // A pipe without a writer would block in open.
        let opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard opened >= 0 else { throw LoadError.unreadable(path: path, reason: OpenFile.reason(errno)) }
        var status = stat()
        guard fstat(opened, &status) == 0 else {
            let code = errno
            close(opened)
            throw LoadError.unreadable(path: path, reason: OpenFile.reason(code))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(opened)
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw LoadError.unsupportedFile(
                path: path, reason: isFolder ? "is a folder, expected a file" : "is not a regular file")
        }
        self.descriptor = opened
        self.byteCount = Int(status.st_size)
        self.path = path
    }

    deinit { close(descriptor) }

    /// The meaning of a system error code, in words for people.
    static func reason(_ code: Int32) -> String {
        switch code {
        case ENOENT: "no such file or folder"
        case EACCES, EPERM: "permission denied"
        case ENOTDIR: "a part of the path is not a folder"
        case ENAMETOOLONG: "the path is too long"
        case ELOOP: "too many symbolic links"
        default: strerror(code).map { String(cString: $0) } ?? "system error \(code)"
        }
    }

    /// Up to `count` bytes from the start of the file.
    borrowing func prefix(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, got in
            got = max(pread(descriptor, buffer.baseAddress, count, 0), 0)
        }
    }

    /// What a broken download left here instead of the file; `nil` where there is no sign of one.
    borrowing func downloadMistake() -> String? {
        DownloadMistake.describe(prefix(DownloadMistake.prefixByteCount), byteCount: byteCount)
    }

    /// The whole file in memory.
    /// - Throws: `LoadError.invalidFile` where it is longer than `maximum`; `.unreadable`.
    consuming func readAll(maximum: Int) throws -> [UInt8] {
        if let mistake = downloadMistake() { throw LoadError.invalidFile(path: path, reason: mistake) }
        guard byteCount <= maximum else {
            throw LoadError.invalidFile(
                path: path, reason: "\(byteCount) bytes are more than the \(maximum) that such a file may have")
        }
        let (wanted, descriptor) = (byteCount, self.descriptor)
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = read(descriptor, buffer.baseAddress.map { $0 + count }, wanted - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
        }
        guard failure == 0 else { throw LoadError.unreadable(path: path, reason: OpenFile.reason(failure)) }
        return bytes
    }
}

/// The kind of thing at a path.
enum PathKind: Equatable {
    case file, folder, other
    case missing(reason: String)

    init(_ path: String) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            self = .missing(reason: path.isEmpty ? "the path is empty" : "the path holds a NUL byte")
            return
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            self = .missing(reason: OpenFile.reason(errno))
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .folder
        default: self = .other
        }
    }
}
