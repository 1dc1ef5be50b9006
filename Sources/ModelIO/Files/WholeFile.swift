/// Reads files for parsers in other targets.
package enum WholeFile {
    /// The bytes of a regular file. Blocks.
    /// - Throws: `LoadError.unreadable`, `.unsupportedFile` for a folder, `.invalidFile` for one over `maximum` bytes.
    package static func read(_ path: String, maximum: Int) throws -> [UInt8] {
        try OpenFile(reading: path).readAll(maximum: maximum)
    }

    /// The names of the entries of a folder, sorted; empty where there is none.
    package static func names(in folder: String) -> [String] { ModelFinder.names(in: folder).sorted() }

    /// Whether a folder lies at `path`.
    package static func isFolder(_ path: String) -> Bool { PathKind(path) == .folder }
}
