internal import Glibc
internal import JSONCore

/// Reads whole files with the system's own calls.
enum FileBytes {
    private static let maximumByteCount = 1 << 31 - 1

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// - Throws: ``TokenizationError/unreadableFile(path:reason:)``.
    static func read(_ path: String) throws -> [UInt8] {
        func failure(_ reason: String? = nil) -> TokenizationError {
            .unreadableFile(path: path, reason: reason ?? String(cString: strerror(errno)))
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it is not a regular file") }
        let size = Int(status.st_size)
        guard size <= maximumByteCount else { throw failure("\(size) bytes are too many") }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let received = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
                if received < 0, errno == EINTR { continue }
                failed = received < 0
                if received <= 0 { break }
                count += received
            }
        }
        if failed { throw failure() }
        if let mistake = DownloadMistake.describe(
            bytes.prefix(DownloadMistake.prefixByteCount), byteCount: bytes.count)
        {
            throw failure(mistake)
        }
        return bytes
    }
}
