import Foundation

/// The text of PDF files by poppler's `pdftotext`, where it is installed. Pages are parts; byte ranges count in the text.
enum PDFText {
    private static let secondsLimit = "60"

    /// - Throws: ``RetrievalError/unreadable(path:reason:)``.
    static func extract(path: String) throws -> ExtractedText {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // A hostile file may keep it busy for ever; `timeout` ends it.
        process.arguments = [
            "timeout", secondsLimit, "pdftotext", "-enc", "UTF-8", "-q", "--", URL(fileURLWithPath: path).path, "-",
        ]
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw RetrievalError.unreadable(path: path, reason: "cannot start pdftotext: \(error.localizedDescription)")
        }
        var bytes: [UInt8] = []
        while let part = try? output.fileHandleForReading.read(upToCount: 1 << 16), !part.isEmpty {
            bytes += part
            guard bytes.count <= DocumentReader.byteLimit else {
                process.terminate()
                throw RetrievalError.unreadable(path: path, reason: "holds more text than a document may have")
            }
        }
        process.waitUntilExit()
        switch process.terminationStatus {
        case 0: break
        case 124: throw RetrievalError.unreadable(path: path, reason: "pdftotext took over \(secondsLimit) seconds")
        case 127:
            throw RetrievalError.unreadable(
                path: path, reason: "PDF files need pdftotext; install Debian's poppler-utils")
        default: throw RetrievalError.unreadable(path: path, reason: "pdftotext finds no PDF that it can read")
        }
        return pages(bytes)
    }

    private static func pages(_ bytes: [UInt8]) -> ExtractedText {
        var sections: [ExtractedText.Section] = []
        var start = 0
        for (page, part) in bytes.split(separator: 0x0C, omittingEmptySubsequences: false).enumerated() {
            sections.append(.init(range: start..<start + part.count, headings: ["page \(page + 1)"]))
            start += part.count + 1
        }
        return ExtractedText(bytes: bytes, sections: sections)
    }
}
