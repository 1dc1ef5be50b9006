import Foundation
import Glibc

/// Reads files and turns them into text.
package struct DocumentReader {
    /// Larger files are skipped: a document of that size is data, and reading it would take memory without bound.
    package static let byteLimit = 256 << 20

    /// A whole file.
    /// - Throws: ``RetrievalError/unreadable(path:reason:)``.
    package static func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw RetrievalError.unreadable(path: path, reason: "not a regular file")
        }
        guard status.st_size <= byteLimit else {
            throw RetrievalError.unreadable(
                path: path, reason: "\(status.st_size) bytes are more than the \(byteLimit) that a document may have")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size))
        while bytes.count <= byteLimit {
            let chunk = try [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
                let received = read(descriptor, buffer.baseAddress, 1 << 18)
                guard received >= 0 else { throw unreadable(path) }
                count = received
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    private static func unreadable(_ path: String) -> RetrievalError {
        .unreadable(path: path, reason: String(cString: strerror(errno)))
    }

    /// The text of a file's bytes, with its parts.
    /// - Throws: ``RetrievalError/unreadable(path:reason:)`` for what is no text.
    package static func extract(_ bytes: [UInt8], path: String) throws -> ExtractedText {
        let kind = DocumentKind(path: path)
        if kind == .pdf || bytes.starts(with: Array("%PDF-".utf8)) { return try PDFText.extract(path: path) }
        guard var text = TextDecoding.text(bytes) else {
            throw RetrievalError.unreadable(path: path, reason: "holds no text")
        }
        if kind == .html { return HTMLText.extract(text) }
        text.sections = Sections.split(text.bytes, kind: kind)
        return text
    }
}
