/// How a file is read.
package enum DocumentKind: Sendable {
    case text, markdown, html, latex, source, jsonLines, pdf

    private static let byExtension: [String: DocumentKind] = [
        "md": .markdown, "markdown": .markdown, "mdx": .markdown, "html": .html, "htm": .html, "xhtml": .html,
        "tex": .latex, "latex": .latex, "ltx": .latex, "jsonl": .jsonLines, "ndjson": .jsonLines, "pdf": .pdf,
        "swift": .source, "c": .source, "h": .source, "cc": .source, "cpp": .source, "hpp": .source, "cl": .source,
        "cu": .source, "py": .source, "js": .source, "ts": .source, "jsx": .source, "tsx": .source, "java": .source,
        "kt": .source, "go": .source, "rs": .source, "rb": .source, "php": .source, "sh": .source, "cs": .source,
        "scala": .source, "lua": .source, "sql": .source, "m": .source, "mm": .source, "r": .source, "jl": .source,
    ]

    package init(path: String) {
        let name = path.split(separator: "/").last ?? ""
        let suffix = name.split(separator: ".").dropFirst().last.map { $0.lowercased() } ?? ""
        self = DocumentKind.byExtension[suffix] ?? .text
    }
}

/// A document's text with the places of its parts in the file.
package struct ExtractedText {
    /// UTF-8.
    package var bytes: [UInt8]
    /// The parts that a chunk does not cross, in order, without what belongs to none.
    package var sections: [Section]
    /// Where bytes of the text lie in the file; `nil`: at the same place.
    package var offsets: [OffsetRun]?
    /// Bytes of the file; as many as the text has where it is the file.
    package var fileByteCount: Int

    package init(bytes: [UInt8], sections: [Section] = [], offsets: [OffsetRun]? = nil, fileByteCount: Int? = nil) {
        self.bytes = bytes
        self.sections = sections
        self.offsets = offsets
        self.fileByteCount = fileByteCount ?? bytes.count
    }

    package struct Section {
        package var range: Range<Int>
        package var headings: [String]
    }

    /// The bytes of the text from `text` on lie in the file from `file` on.
    package struct OffsetRun {
        package var text: Int
        package var file: Int
    }

    /// The bytes of the file from which a range of the text comes.
    package func fileRange(_ range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else { return fileOffset(range.lowerBound)..<fileOffset(range.lowerBound) }
        let start = fileOffset(range.lowerBound)
        // Where a character has more bytes in the file than in the text, the run that follows says where the range
        // ends.
        let following = offsets.map { runIndex(range.upperBound - 1, in: $0) + 1 } ?? 0
        let next = offsets.flatMap { following < $0.count ? $0[following].file : nil } ?? fileByteCount
        return start..<max(min(fileOffset(range.upperBound - 1) + 1, next), start)
    }

    private func fileOffset(_ offset: Int) -> Int {
        guard let offsets else { return offset }
        let index = runIndex(offset, in: offsets)
        guard index >= 0 else { return offset }
        return offsets[index].file + offset - offsets[index].text
    }

    /// The run in which a byte of the text lies; -1 where it lies before the first.
    private func runIndex(_ offset: Int, in runs: [OffsetRun]) -> Int {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].text <= offset { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }
}
